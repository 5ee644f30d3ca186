"""Messages for a full disk and for files that the system refuses to open."""

import contextlib
import errno
import pathlib
import tempfile
from collections.abc import Iterator

from mtl_depth.errors import UserError

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)
REFUSED = (errno.EACCES, errno.EPERM, errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG)


@contextlib.contextmanager
def reporting_full_disk(folder: pathlib.Path) -> Iterator[None]:
    """Context in which an OSError of a full disk becomes a UserError."""
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise UserError(
            f"{error.filename or folder} cannot be written ({error.strerror}); free space, then run the same command "
            "to resume from the newest checkpoint."
        ) from error


def check_writable(folder: pathlib.Path) -> None:
    """Raises UserError if `folder` is not writable, before hours of work are lost."""
    with reporting_refusals(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass


@contextlib.contextmanager
def reporting_refusals(path: pathlib.Path | str) -> Iterator[None]:
    """Context in which an OSError of a full disk, of missing permissions, or of a file in place of a folder becomes a
    UserError; it names `path` where the error has no file name."""
    try:
        yield
    except OSError as error:
        if error.errno not in (*FULL, *REFUSED):
            raise
        raise UserError(
            f"{error.filename or path} cannot be used ({error.strerror}); free space, fix its permissions, or give "
            "another path."
        ) from error
