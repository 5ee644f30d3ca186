"""Starts trainings as real processes that can be killed, without paying for the imports each time.

Reads orders from standard input, each a line of JSON: {"argv", "log", "file_limit", "environment"} starts a training,
and the answer is its process id; the answer to {"wait": process id} is its exit status (negative: the signal that ended
it). Nothing of jax is started before the fork.
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
    os.environ.update(order["environment"])
    if order["file_limit"]:
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
    if "wait" in order:
        _, status = os.waitpid(order["wait"], 0)
        print(os.waitstatus_to_exitcode(status), flush=True)
        continue
    child = os.fork()
    if not child:
        sys.exit(work(order))
    print(child, flush=True)
