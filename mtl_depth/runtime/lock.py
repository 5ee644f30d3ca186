"""A lock, so that only one training at a time writes to a run's folder."""

import contextlib
import errno
import fcntl
import os
import pathlib
from collections.abc import Iterator
from typing import NamedTuple, TextIO

from mtl_depth.errors import UserError
from mtl_depth.runtime import log
from mtl_depth.runtime.disk import REFUSED

NAME = ".lock"


class Held(NamedTuple):
    """The lock on a run's folder."""

    workdir: pathlib.Path
    file: TextIO

    def check(self) -> None:
        """Raises UserError if the folder was removed or replaced after it was locked."""
        try:
            same = os.path.samestat(os.stat(self.workdir / NAME), os.fstat(self.file.fileno()))
        except OSError:
            same = False
        if not same:
            raise UserError(
                f"{self.workdir} was removed or replaced while this training wrote into it; start the training again."
            )


@contextlib.contextmanager
def only_writer(workdir: pathlib.Path) -> Iterator[Held]:
    """Holds a lock on the run's folder; the system releases it even when the process is killed.

    Of several processes of a run, only the one that writes locks the folder.

    Raises:
        UserError: another process holds the lock, or the folder is not writable.
    """
    try:
        workdir.mkdir(parents=True, exist_ok=True)
        file = (workdir / NAME).open("a+", errors="replace")  # not emptied: it may hold the other's id
    except OSError as error:
        if error.errno not in (*REFUSED, errno.EROFS, errno.ELOOP, errno.ENAMETOOLONG, errno.ENOENT):
            raise
        raise UserError(f"{workdir} cannot be written ({error.strerror}); give another --workdir.") from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:  # the only error that means that another process holds it
            file.seek(0)
            holder = file.read(20).strip() or "of unknown id"
            raise UserError(
                f"Process {holder} is training in {workdir}; wait for it, stop it, or give another --workdir."
            ) from None
        except OSError as error:  # some network file systems have no locks
            log.say(f"warning: {workdir} cannot be locked ({error.strerror}); do not start another training there.")
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield Held(workdir, file)
