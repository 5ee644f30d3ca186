"""The error that means: this file or folder cannot be used as it is."""


class DatasetError(Exception):
    """One sentence that names the file, what is wrong with it and the way out; shown without a traceback."""
