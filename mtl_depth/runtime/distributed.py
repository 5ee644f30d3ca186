"""Several processes that train together: how they find each other, and what is said when one of them is gone."""

import contextlib
import os
import sys
from collections.abc import Iterator, Mapping

from mtl_depth.errors import UserError

HEARTBEAT_SECONDS = 30  # a process that has been silent for so long is gone, and the others stop
OURS = ("JAX_COORDINATOR_ADDRESS", "JAX_NUM_PROCESSES", "JAX_PROCESS_ID")


def connect(environment: Mapping[str, str] = os.environ) -> bool:
    """Joins the other processes of the run, where the environment says that there are some.

    Raises:
        UserError: the environment names a part of what is needed, or the others cannot be reached.
    """
    given = [name for name in OURS if environment.get(name)]
    if not given and not _in_cluster(environment):
        return False
    if given and len(given) < len(OURS) and not _in_cluster(environment):
        missing = ", ".join(name for name in OURS if name not in given)
        raise UserError(f"{given[0]} is set, but not {missing}; set all of {', '.join(OURS)}, or none.")
    import jax

    options = {}
    if len(given) == len(OURS):
        try:
            numbers = [int(environment[name]) for name in OURS[1:]]
        except ValueError:
            raise UserError("JAX_NUM_PROCESSES and JAX_PROCESS_ID have to be whole numbers.") from None
        options = {"coordinator_address": environment[OURS[0]], "num_processes": numbers[0], "process_id": numbers[1]}
        options["cluster_detection_method"] = "deactivate"
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    try:
        jax.distributed.initialize(**options, heartbeat_timeout_seconds=HEARTBEAT_SECONDS)
    except (RuntimeError, ValueError) as error:
        raise UserError(f"The processes of this run do not find each other: {_first_line(error)}") from None
    return True


@contextlib.contextmanager
def lost_process_is_said() -> Iterator[None]:
    """Within it, the failure of an exchange with another process ends this one with a sentence and exit status 2."""
    try:
        yield
    except (RuntimeError, ValueError) as error:
        import traceback

        if os.environ.get("MTL_DEBUG"):
            traceback.print_exc()
        print(
            "error: another process of this run is gone, so this one stops too "
            f"({_first_line(error)}). Start all of them again; they go on from the newest checkpoint.",
            file=sys.stderr,
            flush=True,
        )
        os._exit(2)  # a tidy exit would wait for the others


def _in_cluster(environment: Mapping[str, str]) -> bool:
    """Whether jax can find the other processes by itself: more than one of Slurm, Open MPI, Kubernetes or a TPU pod."""
    counts = ("SLURM_STEP_NUM_TASKS", "OMPI_COMM_WORLD_SIZE")
    if any(environment.get(name, "1") not in ("", "1") for name in counts):
        return True
    if "KUBERNETES_SERVICE_HOST" in environment and "JOB_COMPLETION_INDEX" in environment:
        return True
    return "," in environment.get("TPU_WORKER_HOSTNAMES", "") or "MEGASCALE_COORDINATOR_ADDRESS" in environment


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
