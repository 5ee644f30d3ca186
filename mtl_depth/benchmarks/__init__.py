"""Benchmarks of speed: each module prints one table and can write it as JSON."""

from mtl_depth.runtime import compiler_flags

compiler_flags.avoid_wrong_reductions()  # before any module of this package imports jax
