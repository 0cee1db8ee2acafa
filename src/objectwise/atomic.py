"""Files and folders that appear whole or not at all, also when the power is cut."""

from __future__ import annotations

import errno
import json
import math
import os
import re
import secrets
import shutil
import stat
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

if sys.platform != "win32":
    import fcntl

_PATIENCE = 600.0
"""Seconds that a writer waits for another one: its result was worth hours, and is lost otherwise."""

_WAITING_AT_ONCE = 8

_PARTIAL = re.compile(r"\.[0-9a-f]{12}\.partial-")


def _sibling(path: Path) -> Path:
    # The suffix stays at the end: several libraries choose the format by it.
    return path.with_name(f".{secrets.token_hex(6)}.partial-{path.name}")


def _make_parents(path: Path) -> list[Path]:
    """Make the folders above a path; return those in which a name is new, the innermost first."""
    named = [path.parent]
    while not named[-1].exists():
        named.append(named[-1].parent)
    path.parent.mkdir(parents=True, exist_ok=True)
    return named


def flush(*paths: Path) -> None:
    """Wait until files, or the names in folders, are on the disk."""
    for path in paths:
        is_folder = path.is_dir()
        if is_folder and os.name == "nt":
            continue  # Windows opens no folders
        number = os.open(path, os.O_RDONLY if is_folder else os.O_RDWR)
        try:
            os.fsync(number)
        except OSError as error:
            # Some network disks keep names safe themselves and refuse to be asked.
            if not is_folder or error.errno not in (errno.EINVAL, errno.ENOTSUP):
                raise
        finally:
            os.close(number)


def _keep_rights(old: Path, new: Path) -> None:
    """Give what replaces a file its mode, owner, group and further attributes (access lists are such)."""
    status = old.stat()
    if hasattr(os, "chown"):
        for owner in ((status.st_uid, -1), (-1, status.st_gid)):
            with suppress(PermissionError):  # only root gives files away
                os.chown(new, *owner)
    if hasattr(os, "listxattr"):
        for name in os.listxattr(old):
            with suppress(OSError):  # not every disk has them, not every user may set them
                os.setxattr(new, name, os.getxattr(old, name))
    new.chmod(stat.S_IMODE(status.st_mode))


def lock_file(number: int, *, patience: float, shared: bool = False) -> bool:
    """Lock an open file against others that ask, and say whether that could be done in `patience` seconds.

    A lock of the operating system, the kind that HDF5 takes: it goes with the open file, however that ends.
    Where the system or the disk has no locks, nothing is held.
    """
    if sys.platform == "win32":
        return True
    kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    last = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(number, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > last:
                return False
            time.sleep(0.02)
        except OSError:
            return True
        else:
            return True


@contextmanager
def one_writer(path: Path) -> Iterator[None]:
    """Let one process or thread at a time write a file or folder, by a lock beside it that goes at the end.

    Raises
    ------
    TimeoutError
        If another one has been at it for longer than anyone wants to wait.
    """
    path = Path(os.path.realpath(path))
    flush(*_make_parents(path)[1:])
    if sys.platform == "win32":
        yield
        return
    lock = path.with_name(f".{path.name}.lock")
    last = time.monotonic() + _PATIENCE
    while True:
        number = os.open(lock, os.O_CREAT | os.O_RDWR | getattr(os, "O_NOFOLLOW", 0), 0o666)
        if not lock_file(number, patience=last - time.monotonic()):
            os.close(number)
            raise TimeoutError(f"another process has been writing it for {_PATIENCE:.0f} s")
        # Whoever held it before has deleted it, and the next one may hold a new file of that name.
        with suppress(FileNotFoundError):
            if os.path.samestat(lock.stat(), os.fstat(number)):
                break
        os.close(number)
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)
        os.close(number)


def clear_partials(folder: Path) -> None:
    """Delete, at any depth, the half-written files and folders that a kill left there."""
    for partial in [found for found in folder.rglob(".*.partial-*") if _PARTIAL.match(found.name)]:
        if partial.is_dir() and not partial.is_symlink():
            shutil.rmtree(partial)
        else:
            partial.unlink(missing_ok=True)


@contextmanager
def replaced_file(path: Path) -> Iterator[Path]:
    """Yield a temporary sibling to write; it takes the name `path` if the block ends well, else it goes."""
    path = Path(os.path.realpath(path))
    made = _make_parents(path)
    partial = _sibling(path)
    try:
        yield partial
        flush(partial)
        if path.exists():
            _keep_rights(path, partial)
        partial.replace(path)
        flush(*made)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def replaced_folder(path: Path) -> Iterator[Path]:
    """Yield the name of a temporary sibling folder to fill; it takes the name `path` if the block ends well.

    A folder that was there moves aside first and is deleted last: a kill between the two renames leaves
    both whole, under temporary names.
    """
    path = Path(os.path.realpath(path))
    made = _make_parents(path)
    partial, aside = _sibling(path), _sibling(path)
    try:
        yield partial
        # A disk makes one of many waits at once: thousands of chunks or sections took minutes in turn.
        with ThreadPoolExecutor(_WAITING_AT_ONCE) as threads:
            inside = list(partial.rglob("*"))
            list(threads.map(flush, (path for path in inside if not path.is_dir())))
            list(threads.map(flush, (*(path for path in inside if path.is_dir()), partial)))
        if path.exists():
            _keep_rights(path, partial)
            path.rename(aside)
        try:
            partial.rename(path)
        except OSError:
            if aside.exists():
                aside.rename(path)
            raise
        flush(*made)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    shutil.rmtree(aside, ignore_errors=True)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text under a temporary name, then rename."""
    with replaced_file(path) as partial:
        partial.write_text(text, encoding="utf-8")


def write_json(path: Path, content: Any) -> None:
    """Write plain data as JSON; NaN, which JSON does not know, becomes null."""
    write_text(path, json.dumps(_without_nan(content), indent=2, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Read what `write_json` wrote; None where there is no such file, or a damaged one."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _without_nan(content: Any) -> Any:
    if isinstance(content, dict):
        return {key: _without_nan(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_without_nan(value) for value in content]
    if isinstance(content, float) and not math.isfinite(content):
        return None
    return content
