"""One process at a time in a run directory."""

from __future__ import annotations

import errno
import os
import platform
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from objectwise.errors import ArgumentError


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Hold `directory/.lock` inside; the folder is made where it is missing.

    A lock of the operating system: it goes with the process, however that ends, and the file that stays
    behind means nothing. It belongs to this process alone, not to the processes that load patches, which
    may live a little longer. Where the system or the disk has no locks, nothing is held.

    Raises
    ------
    ArgumentError
        If another process holds it, or something else bears its name.
    """
    try:
        from fcntl import LOCK_EX, LOCK_NB, lockf
    except ImportError:  # Windows
        yield
        return
    directory.mkdir(parents=True, exist_ok=True)
    with os.fdopen(_open(directory / ".lock"), "r+", encoding="utf-8") as file:
        try:
            lockf(file, LOCK_EX | LOCK_NB)
        except (BlockingIOError, PermissionError) as error:
            file.seek(0)
            holder = file.read().strip() or "another process"
            raise ArgumentError(
                f"`directory` must not be in use, got {directory}, where {holder} is at work; "
                "wait for it or stop it, or choose another directory"
            ) from error
        except OSError:
            pass  # a disk without locks
        file.seek(0)
        file.truncate()
        file.write(f"process {os.getpid()} on {platform.node()}\n")
        file.flush()
        yield


def _open(path: Path) -> int:
    """Open the lock to write, and nothing else in its place: what it leads to would be overwritten."""
    try:
        # Without waiting: a pipe would.
        number = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EMLINK, errno.EISDIR):
            raise _is_no_lock(path, "a folder" if error.errno == errno.EISDIR else "a link") from error
        raise
    status = os.fstat(number)
    if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:
        os.close(number)
        raise _is_no_lock(path, "a link" if stat.S_ISREG(status.st_mode) else "something else")
    return number


def _is_no_lock(path: Path, found: str) -> ArgumentError:
    return ArgumentError(f"`{path}` must be a plain file of this run alone, got {found}; remove it")
