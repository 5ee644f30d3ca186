"""The error for files and folders that cannot be used."""


class DatasetError(Exception):
    """A message that names the file, what is wrong with it and what to do; shown without a traceback."""
