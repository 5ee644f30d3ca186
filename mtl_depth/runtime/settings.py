"""The check of a configuration's values, before anything slow starts."""

from mtl_depth.config import Config, fault
from mtl_depth.errors import UserError


def check(config: Config) -> None:
    """Raises UserError for a setting whose value has a wrong type, is out of bounds or not finite."""
    if sentence := fault(config):
        raise UserError(sentence)
