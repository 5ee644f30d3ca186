"""Whole studies that print a report."""

from mtl_depth.runtime import compiler_flags

compiler_flags.avoid_wrong_reductions()  # before any module of this package imports jax
