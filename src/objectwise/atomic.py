"""Files and folders that appear whole or not at all, also when the power is cut."""

from __future__ import annotations

import errno
import json
import math
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

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


def _flush(*paths: Path) -> None:
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
        _flush(partial)
        partial.replace(path)
        _flush(*made)
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
        for folder, _, files in os.walk(partial, topdown=False):
            _flush(*(Path(folder) / name for name in files), Path(folder))
        if path.exists():
            path.rename(aside)
        try:
            partial.rename(path)
        except OSError:
            if aside.exists():
                aside.rename(path)
            raise
        _flush(*made)
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
