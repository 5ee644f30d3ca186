"""Starts trainings as real processes that can be killed, without paying for the imports each time.

Reads a line of JSON a training from standard input, {"argv", "log", "file_limit", "env"}; answers its process id, then
its exit status (negative: the signal that ended it). Nothing of jax is started before the fork.
"""

import json
import os
import resource
import sys
import traceback

import cv2  # noqa: F401 (these are what a training imports when it needs them)
import grain  # noqa: F401
import tensorboardX  # noqa: F401
import tensorflow_datasets  # noqa: F401
from absl import flags

import mtl_depth.commands.train
import mtl_depth.main
import tfds_kitti360.kitti360_dataset_builder  # noqa: F401


def work(order: dict) -> int:
    """The training, in the child."""
    log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.environ.update(order.get("env", {}))
    if order.get("file_limit"):
        resource.setrlimit(resource.RLIMIT_FSIZE, (order["file_limit"],) * 2)
    flags.FLAGS.unparse_flags()
    sys.argv = ["main", *order["argv"]]
    try:
        return mtl_depth.main.main()
    except BaseException:
        traceback.print_exc()
        return 1


for line in sys.stdin:
    order = json.loads(line)
    child = os.fork()
    if not child:
        status = work(order)
        sys.stdout.flush()
        sys.stderr.flush()
        if order.get("tidy"):
            sys.exit(status)
        os._exit(status)
    print(child, flush=True)
    _, status = os.waitpid(child, 0)
    print(os.waitstatus_to_exitcode(status), flush=True)
