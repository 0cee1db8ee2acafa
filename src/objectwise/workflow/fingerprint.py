"""What a result depends on, as one short text: equal fingerprints mean equal results.

Inputs enter by the content of their voxels, not by path or date: moved, copied or touched files are the same
input, and one changed voxel is another. Reading everything to see that nothing changed would be slow, so the
digests are kept with the size and time of the files they were taken from (as git keeps its index).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectwise.atomic import write_json
from objectwise.checks import check_finite
from objectwise.data.formats.common import parse_location
from objectwise.errors import ArgumentError
from objectwise.pipeline.stacks import Sections, describe_stack, read_label_stack, read_raw_stack

_SECTIONS_AT_ONCE = 32
_NOTHING = object()


def fingerprint(content: Any) -> str:
    """Return a short digest of plain data (what JSON can hold), independent of the order of its keys."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def as_json(content: Any) -> Any:
    """Return plain data as it is after writing and reading: tuples are lists."""
    return json.loads(json.dumps(content))


def first_difference(mine: Any, other: Any, path: str = "") -> str | None:
    """Return the dotted path of the first place where two trees of plain data differ, or None."""
    if isinstance(mine, dict) and isinstance(other, dict):
        rows = [(key, mine.get(key, _NOTHING), other.get(key, _NOTHING)) for key in {**mine, **other}]
    elif isinstance(mine, list) and isinstance(other, list) and len(mine) == len(other):
        rows = [(str(index), mine[index], other[index]) for index in range(len(mine))]
    else:
        return None if mine == other and type(mine) is type(other) else path
    for key, my_value, other_value in rows:
        found = first_difference(my_value, other_value, f"{path}.{key}" if path else key)
        if found is not None:
            return found
    return None


class InputDigests:
    """Digests of input files and volumes, remembered while the files keep size and time."""

    def __init__(self, known: dict[str, dict[str, Any]] | None = None) -> None:
        self.known = known or {}

    @classmethod
    def read(cls, path: Path) -> InputDigests:
        """Read what an earlier run remembered; a missing or damaged memory is an empty one."""
        try:
            known = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return cls()
        return cls(known if isinstance(known, dict) else {})

    def write(self, path: Path) -> None:
        """Remember for the next run."""
        write_json(path, self.known)

    def of_volume(self, location: str, sections: Sections | None, *, labels: bool = False) -> str:
        """Return the digest of voxels, voxel size and offset of a volume, or of some of its sections.

        Every voxel is seen here, so bad ones are found here, before any work begins.

        Raises
        ------
        ArgumentError
            If a raw voxel is not finite, an id is negative, or labels hold no object.
        """
        key = location if sections is None else f"{location} sections {sections[0]} to {sections[1]}"
        path = parse_location(location).path
        return self._remembered(key, path, lambda: _volume_digest(location, sections, labels))

    def of_file(self, path: Path) -> str:
        """Return the digest of a file's bytes."""
        return self._remembered(str(path), path, lambda: _file_digest(path))

    def _remembered(self, key: str, path: Path, digest: Any) -> str:
        stamp = fingerprint(sorted(_stamps(path)))
        known = self.known.get(key)
        if not isinstance(known, dict) or known.get("stamp") != stamp or "digest" not in known:
            self.known[key] = known = {"stamp": stamp, "digest": digest()}
        return str(known["digest"])


def _stamps(path: Path) -> Iterator[list[Any]]:
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    for file in files:
        status = file.stat()
        yield [str(file), status.st_size, status.st_mtime_ns]


def _file_digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()[:16]
    except OSError as error:
        raise ArgumentError(f"{path} cannot be read: {error.strerror}") from error


def _volume_digest(location: str, sections: Sections | None, labels: bool) -> str:
    info = describe_stack(location, sections)
    start = sections[0] if sections else 0
    stop = start + info.shape[0]
    state = hashlib.sha256(repr((info.shape, info.dtype.str, info.voxel_size, info.offset)).encode())
    empty = True
    # A single image has no sections to read in parts.
    parts = range(start, stop, _SECTIONS_AT_ONCE) if info.shape[0] > _SECTIONS_AT_ONCE else [start]
    for at in parts:
        part = (at, min(at + _SECTIONS_AT_ONCE, stop)) if info.shape[0] > _SECTIONS_AT_ONCE else sections
        array = _checked_part(location, part, labels)
        empty = empty and not array.any()
        state.update(np.ascontiguousarray(array).data)
    if labels and empty:
        raise ArgumentError(f"`{location}` must hold an object to be labels, got only background (0)")
    return state.hexdigest()[:16]


def _checked_part(location: str, part: Sections | None, labels: bool) -> NDArray[Any]:
    """Read some sections, and find what is wrong with their voxels."""
    try:
        array = (read_label_stack if labels else read_raw_stack)(location, part).array
        if array.dtype.kind == "f":
            check_finite(array, name=location)
    except ArgumentError as error:
        counted = f", counted from section {part[0]}" if part and part[0] else ""
        raise ArgumentError(f"{error}{counted}") from error
    return array
