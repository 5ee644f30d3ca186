"""A disk that takes no more is said in one sentence; other errors pass."""

import errno

import pytest

from mtl_depth.errors import UserError
from mtl_depth.runtime.disk import full_disk_is_said


def test_full_disk_is_a_sentence(tmp_path):
    sentence = r"metrics\.jsonl cannot be written \(No space left on device\); free space"
    with pytest.raises(UserError, match=sentence), full_disk_is_said(tmp_path):
        raise OSError(errno.ENOSPC, "No space left on device", "metrics.jsonl")
    with pytest.raises(UserError, match=str(tmp_path)), full_disk_is_said(tmp_path):
        raise OSError(errno.ENOSPC, "No space left on device")


def test_another_error_passes(tmp_path):
    with pytest.raises(FileNotFoundError), full_disk_is_said(tmp_path):
        raise FileNotFoundError(errno.ENOENT, "No such file")
