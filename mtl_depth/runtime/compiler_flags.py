"""XLA flags for the CPU, set before jax is imported."""

import importlib.metadata
import os
from collections.abc import MutableMapping

NAME = "--xla_cpu_experimental_ynn_fusion_type"


def avoid_wrong_reductions(environ: MutableMapping[str, str] = os.environ) -> None:
    """Disables YNNPACK's fusions in versions where they are known to be wrong, unless XLA_FLAGS sets them already.

    In jaxlib 0.10.2 and 0.11 `jit(vmap(lambda row: ((matrix @ row) ** 2).sum()))` over 32,769 rows returns a wrong
    last row (jax issue 39103); jax 0.12 is right. Nothing is set in later versions, because XLA ends the process for a
    flag that it does not know.
    """
    given = environ.get("XLA_FLAGS", "")
    if NAME not in given and importlib.metadata.version("jaxlib").startswith(("0.10.", "0.11.")):
        environ["XLA_FLAGS"] = f"{given} {NAME}=".strip()
