"""Only the late answers of a failed write are kept from the screen."""

import logging
import sys

from mtl_depth.runtime import quiet


def shown(error: BaseException, capsys) -> str:
    sys.excepthook(type(error), error, None)
    return capsys.readouterr().err


def test_late_answers_are_not_shown_and_others_are(capsys):
    hooks = sys.excepthook, sys.unraisablehook
    late, other = RuntimeError("Event loop is closed"), RuntimeError("the wheel is off")
    with quiet.failed_writes():
        assert shown(late, capsys) == ""
        assert "the wheel is off" in shown(other, capsys)
        assert logging.getLogger("absl").disabled
    assert (sys.excepthook, sys.unraisablehook) == hooks
    assert not logging.getLogger("absl").disabled
    assert "Event loop is closed" in shown(late, capsys)
