"""A disk that takes no more is said in one sentence; other errors pass."""

import errno

import pytest

from mtl_depth.errors import UserError
from mtl_depth.runtime.disk import reporting_full_disk, reporting_refusals


def test_full_disk_is_a_sentence(tmp_path):
    sentence = r"metrics\.jsonl cannot be written \(No space left on device\); free space"
    with pytest.raises(UserError, match=sentence), reporting_full_disk(tmp_path):
        raise OSError(errno.ENOSPC, "No space left on device", "metrics.jsonl")
    with pytest.raises(UserError, match=str(tmp_path)), reporting_full_disk(tmp_path):
        raise OSError(errno.ENOSPC, "No space left on device")


def test_another_error_passes(tmp_path):
    with pytest.raises(FileNotFoundError), reporting_full_disk(tmp_path):
        raise FileNotFoundError(errno.ENOENT, "No such file")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES, errno.EEXIST, errno.ENOTDIR])
def test_a_refusal_is_a_sentence(number):
    with pytest.raises(UserError, match=r"out cannot be used \(Why\)"), reporting_refusals("elsewhere"):
        raise OSError(number, "Why", "out")
    with pytest.raises(UserError, match="elsewhere cannot be used"), reporting_refusals("elsewhere"):
        raise OSError(number, "Why")


def test_a_fault_of_the_program_passes():
    with pytest.raises(FileNotFoundError), reporting_refusals("elsewhere"):
        raise FileNotFoundError(errno.ENOENT, "No such file")
