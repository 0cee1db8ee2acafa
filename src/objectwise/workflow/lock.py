"""One process at a time in a run directory."""

from __future__ import annotations

import os
import platform
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
        If another process holds it.
    """
    try:
        from fcntl import LOCK_EX, LOCK_NB, lockf
    except ImportError:  # Windows
        yield
        return
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / ".lock").open("a+", encoding="utf-8") as file:
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
        file.truncate(0)
        file.write(f"process {os.getpid()} on {platform.node()}\n")
        file.flush()
        yield
