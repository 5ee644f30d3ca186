"""XLA's settings for the CPU, made before jax is imported."""

import importlib.metadata
import os
from collections.abc import MutableMapping

NAME = "--xla_cpu_experimental_ynn_fusion_type"


def avoid_wrong_reductions(environ: MutableMapping[str, str] = os.environ) -> None:
    """Turns YNNPACK's fusions off where they are known to be wrong, unless XLA_FLAGS sets them already.

    In jaxlib 0.10.2 and 0.11 `jit(vmap(lambda row: ((matrix @ row) ** 2).sum()))` over 32,769 rows answers a wrong
    last row (jax issue 39103); jax 0.12 is right. Later versions are left alone, because
    an XLA that does not know a flag ends the process.
    """
    given = environ.get("XLA_FLAGS", "")
    if NAME not in given and importlib.metadata.version("jaxlib").startswith(("0.10.", "0.11.")):
        environ["XLA_FLAGS"] = f"{given} {NAME}=".strip()
