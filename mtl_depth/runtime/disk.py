"""A full disk, said in one sentence."""

import contextlib
import errno
import pathlib
from collections.abc import Iterator

from mtl_depth.errors import UserError

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)


@contextlib.contextmanager
def full_disk_is_said(folder: pathlib.Path) -> Iterator[None]:
    """Within it, an OSError of a disk that takes no more becomes a UserError."""
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise UserError(
            f"{error.filename or folder} cannot be written ({error.strerror}); free space, then the same command goes "
            "on from the newest checkpoint."
        ) from error
