"""A first signal is a wish; a second Ctrl-C ends the process, even while Python has no say."""

import os
import signal
import subprocess
import sys
import time

import pytest

from mtl_depth.runtime.signals import stop_requests


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_a_wish(number):
    before = signal.getsignal(number)
    with stop_requests() as asked:
        assert not asked()
        os.kill(os.getpid(), number)
        deadline = time.monotonic() + 5
        while not asked() and time.monotonic() < deadline:
            time.sleep(0.01)
        assert asked()
    assert signal.getsignal(number) is before


# Hashing holds the interpreter's main thread in one long call, as compiling does.
PROGRAM = """
import hashlib, sys
from mtl_depth.runtime.signals import stop_requests
with stop_requests() as asked:
    print("ready", flush=True)
    hashlib.pbkdf2_hmac("sha256", b"", b"", 2_000_000_000)
"""


def test_second_ctrl_c_leaves_at_once():
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        assert "SIGINT: saving, then leaving" in process.stderr.readline()
        process.send_signal(signal.SIGTERM)  # schedulers repeat it; it is no second Ctrl-C
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=0.5)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=5) == 130
    finally:
        process.kill()
        process.communicate()
