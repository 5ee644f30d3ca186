"""Speed, measured: each module prints one table and writes it as JSON."""
