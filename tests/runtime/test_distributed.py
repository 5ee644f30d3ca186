"""Where the environment speaks of several processes and where it does not."""

import subprocess
import sys

import pytest

from mtl_depth.errors import UserError
from mtl_depth.runtime import distributed


@pytest.mark.parametrize(
    ("environment", "several"),
    [
        ({}, False),
        ({"SLURM_STEP_NUM_TASKS": "1"}, False),
        ({"SLURM_NTASKS": "4"}, False),  # a batch script itself, outside srun
        ({"SLURM_STEP_NUM_TASKS": "4"}, True),
        ({"OMPI_COMM_WORLD_SIZE": "2"}, True),
        ({"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, False),  # any pod
        ({"KUBERNETES_SERVICE_HOST": "10.0.0.1", "JOB_COMPLETION_INDEX": "0"}, True),
        ({"TPU_WORKER_HOSTNAMES": "localhost"}, False),
        ({"TPU_WORKER_HOSTNAMES": "a,b"}, True),
    ],
)
def test_clusters(environment, several):
    assert distributed.in_cluster(environment) is several


def test_nothing_is_joined_where_nothing_is_said():
    assert distributed.connect({}) is False


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        ({"JAX_COORDINATOR_ADDRESS": "a:1"}, "not JAX_NUM_PROCESSES, JAX_PROCESS_ID"),
        (
            {"JAX_COORDINATOR_ADDRESS": "a:1", "JAX_NUM_PROCESSES": "two", "JAX_PROCESS_ID": "0"},
            "have to be whole numbers",
        ),
    ],
)
def test_half_a_description_is_refused(environment, sentence):
    with pytest.raises(UserError, match=sentence):
        distributed.connect(environment)


# As a thread of jax does it: without Python's lock, while the main thread waits in a computation.
ABORTED = """
import ctypes, threading, time
from mtl_depth.runtime import distributed
with distributed.reporting_lost_processes():
    threading.Thread(target=ctypes.CDLL(None).abort).start()
    time.sleep(30)
"""


def test_an_abort_by_jax_says_what_it_means():
    ended = subprocess.run([sys.executable, "-c", ABORTED], capture_output=True, text=True, timeout=20)
    assert ended.returncode == 2, ended
    assert "another process of this run is gone" in ended.stderr
    assert "Start all of them again" in ended.stderr
