"""Training with several processes: how they connect, and the messages when one of them dies."""

import contextlib
import ctypes
import os
import signal
import sys
import traceback
from collections.abc import Iterator, Mapping

from mtl_depth.errors import UserError

HEARTBEAT_SECONDS = 30  # a process without a heartbeat for this long counts as dead, and the others stop
# Phrases in jax's errors, which are RuntimeError or ValueError: for a failed exchange between processes, and for
# errors of this process itself.
EXCHANGE = ("gloo", "nccl", "connection", "socket", "peer", "coordination", "heartbeat", "unavailable", "deadline")
EXCHANGE += ("aborted", "preempt", "another task", "distributed")
OWN = ("resource_exhausted", "out of memory", "invalid_argument", "failed to allocate")
OURS = ("JAX_COORDINATOR_ADDRESS", "JAX_NUM_PROCESSES", "JAX_PROCESS_ID")


def connect(environment: Mapping[str, str] = os.environ) -> bool:
    """Connects to the other processes of the run, if the environment describes any; returns whether it does.

    Raises:
        UserError: the environment is incomplete, or the other processes cannot be reached.
    """
    given = [name for name in OURS if environment.get(name)]
    if not given and not in_cluster(environment):
        return False
    if given and len(given) < len(OURS) and not in_cluster(environment):
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
        raise UserError(f"The processes of this run cannot connect to each other: {_first_line(error)}") from None
    return True


@contextlib.contextmanager
def reporting_lost_processes() -> Iterator[None]:
    """Context in which an error ends this process at once: a regular exit would wait for the others, and they for it.

    A failed exchange means that another process is gone. Other errors, except UserError, keep their traceback.
    """
    # When the first process dies, a thread of jax may abort this one before an exchange fails here. A handler in
    # Python would run too late, because the process ends as soon as the C handler returns; this one does not return.
    ctypes.CDLL(None).signal(signal.SIGABRT, _aborted)
    try:
        yield
    except UserError as error:
        _leave(f"error: {error}")
    except Exception as error:
        if not lost_another(error):
            _leave(traceback.format_exc())
        _leave(
            "error: another process of this run is gone, so this one stops too "
            f"({_first_line(error)}). Start all of them again; they resume from the newest checkpoint."
        )


def lost_another(error: Exception) -> bool:
    """Whether an error is that of an exchange with another process, and not of this process, such as full memory."""
    words = str(error).lower()
    if any(word in words for word in OWN):
        return False
    return isinstance(error, RuntimeError | ValueError) and any(word in words for word in EXCHANGE)


@ctypes.CFUNCTYPE(None, ctypes.c_int)
def _aborted(number: int) -> None:
    _leave(
        "error: jax aborted this process, most likely because another process of this run is gone (its own words are "
        "above). Start all of them again; they resume from the newest checkpoint."
    )


def _leave(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)
    os._exit(2)


def in_cluster(environment: Mapping[str, str]) -> bool:
    """Whether jax can find the other processes by itself: more than one of Slurm, Open MPI, Kubernetes or a TPU pod."""
    counts = ("SLURM_STEP_NUM_TASKS", "OMPI_COMM_WORLD_SIZE")
    if any(environment.get(name, "1") not in ("", "1") for name in counts):
        return True
    if "KUBERNETES_SERVICE_HOST" in environment and "JOB_COMPLETION_INDEX" in environment:
        return True
    return "," in environment.get("TPU_WORKER_HOSTNAMES", "") or "MEGASCALE_COORDINATOR_ADDRESS" in environment


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
