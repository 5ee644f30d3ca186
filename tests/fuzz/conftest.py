"""Says at the end how many inputs were fuzzed and what became of them."""

import fuzzing


def pytest_terminal_summary(terminalreporter):
    if fuzzing.COUNTS:
        terminalreporter.write_line(fuzzing.summary())
