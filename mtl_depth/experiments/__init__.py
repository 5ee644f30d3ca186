"""Complete studies that write a report, the starter model, and the README's figure."""

from mtl_depth.runtime import compiler_flags

compiler_flags.avoid_wrong_reductions()  # before any module of this package imports jax
