"""The error for mistakes that the user can correct."""


class UserError(Exception):
    """A message that says what is wrong, where, and what to do; shown without a traceback, with exit status 2."""
