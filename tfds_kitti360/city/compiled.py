"""The `jit` of this package: optimised in full."""

import functools

import jax

# A city is drawn for much longer than it is compiled, also where XLA_FLAGS ask for quick compilation (as our tests do).
jit = functools.partial(jax.jit, compiler_options={"xla_backend_optimization_level": 3})
