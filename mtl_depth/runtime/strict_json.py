"""Writes NaN and infinities, which JSON cannot represent, as null with a note next to it, and reads them back."""

import math
from typing import Any

NOT_FINITE = "not_finite"


def encoded(value: Any) -> Any:
    """The values with null for NaN and infinities; the key `not_finite` lists which ones they were."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, list | tuple):
        return [encoded(entry) for entry in value]
    if not isinstance(value, dict):
        return value
    lost = {name: str(entry) for name, entry in value.items() if isinstance(entry, float) and not math.isfinite(entry)}
    return {str(name): encoded(entry) for name, entry in value.items()} | ({NOT_FINITE: lost} if lost else {})


def decoded(value: Any) -> Any:
    """The inverse of `encoded`, except in lists, where null remains."""
    if isinstance(value, list):
        return [decoded(entry) for entry in value]
    if not isinstance(value, dict):
        return value
    lost = value.get(NOT_FINITE)
    if not isinstance(lost, dict) or not set(lost.values()) <= {"nan", "inf", "-inf"}:
        return {name: decoded(entry) for name, entry in value.items()}
    rest = {name: decoded(entry) for name, entry in value.items() if name != NOT_FINITE}
    return rest | {name: float(word) for name, word in lost.items()}
