"""Numbers that JSON cannot hold, NaN and the infinities: written as null with a word beside it, and read back."""

import math
from typing import Any

NOT_FINITE = "not_finite"


def encoded(value: Any) -> Any:
    """JSON has no NaN and no infinity: null stands for them, and `not_finite` beside it says which it was."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, list | tuple):
        return [encoded(entry) for entry in value]
    if not isinstance(value, dict):
        return value
    lost = {name: str(entry) for name, entry in value.items() if isinstance(entry, float) and not math.isfinite(entry)}
    return {str(name): encoded(entry) for name, entry in value.items()} | ({NOT_FINITE: lost} if lost else {})


def decoded(value: Any) -> Any:
    """The inverse of `encoded`, but for lists, where null stays."""
    if isinstance(value, list):
        return [decoded(entry) for entry in value]
    if not isinstance(value, dict):
        return value
    lost = value.get(NOT_FINITE)
    if not isinstance(lost, dict) or not set(lost.values()) <= {"nan", "inf", "-inf"}:
        return {name: decoded(entry) for name, entry in value.items()}
    rest = {name: decoded(entry) for name, entry in value.items() if name != NOT_FINITE}
    return rest | {name: float(word) for name, word in lost.items()}
