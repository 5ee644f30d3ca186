"""One training at a time writes a run's folder."""

import contextlib
import fcntl
import os
import pathlib
from collections.abc import Iterator

from mtl_depth.errors import UserError
from mtl_depth.runtime import log

NAME = ".lock"


@contextlib.contextmanager
def only_writer(workdir: pathlib.Path) -> Iterator[None]:
    """Holds a lock on the run's folder; the system frees it even when the process is killed.

    Of the processes of one run only the one that writes takes it.

    Raises:
        UserError: another process holds it, or nothing can be written there.
    """
    try:
        workdir.mkdir(parents=True, exist_ok=True)
        file = (workdir / NAME).open("a+", errors="replace")  # not emptied: it may hold the other's id
    except (PermissionError, NotADirectoryError, FileExistsError) as error:
        raise UserError(f"{workdir} cannot be written ({error.strerror}); give another --workdir.") from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read(20).strip() or "of unknown id"
            raise UserError(
                f"Process {holder} is training in {workdir}; wait for it, stop it, or give another --workdir."
            ) from None
        except OSError as error:  # some network file systems know no locks
            log.say(f"warning: {workdir} cannot be locked ({error.strerror}); let no other training write there.")
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield
