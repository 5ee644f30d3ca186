"""Speed, measured: each module prints one table and writes it as JSON."""

from mtl_depth.runtime import compiler_flags

compiler_flags.avoid_wrong_reductions()  # before any module of this package imports jax
