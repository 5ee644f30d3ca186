"""The error that means: the user can mend this."""


class UserError(Exception):
    """One sentence that says what is wrong, where, and what to do; shown without a traceback, exit status 2."""
