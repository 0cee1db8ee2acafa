"""What a result depends on, as one short text: equal fingerprints mean equal results.

Inputs enter by the content of their voxels, not by path or date: moved, copied or touched files are the same
input, and one changed voxel is another. Reading everything to see that nothing changed would be slow, so the
digests are kept with the size and time of the files they were taken from (as git keeps its index).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectwise.atomic import write_json
from objectwise.checks import check_finite
from objectwise.data import Volume, read_in_parts, volume_files
from objectwise.data.volumes import as_labels
from objectwise.errors import ArgumentError
from objectwise.pipeline.stacks import Sections, describe_stack
from objectwise.workflow.places import absolute_place

_NOTHING = object()


def fingerprint(content: Any) -> str:
    """Return a short digest of plain data (what JSON can hold), independent of the order of its keys."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


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
        return self._remembered(
            _key(location, sections),
            volume_files(location),
            lambda: _volume_digests(location, sections, labels),
        )

    def of_file(self, path: Path) -> str:
        """Return the digest of a file's bytes."""
        return self._remembered(_key(str(path), None), [path], lambda: {"digest": _file_digest(path)})

    def sections_of(self, digest: str | None) -> list[str]:
        """Return the digests of the sections of the raw volume that has this one; none if not remembered.

        Empty text stands for a section of a single value: it is equal in volumes that share nothing.
        """
        for known in self.known.values():
            if isinstance(known, dict) and digest is not None and known.get("digest") == digest:
                return list(known.get("sections", ()))
        return []

    def forget(self, place: str | Path, sections: Sections | None = None) -> None:
        """Forget a volume or file: its content is not what its size and time stamp say."""
        self.known.pop(_key(str(place), sections), None)

    def _remembered(self, key: str, files: Iterable[Path], digests: Callable[[], dict[str, Any]]) -> str:
        stamp = fingerprint(sorted(_stamps(files)))
        known = self.known.get(key)
        if not isinstance(known, dict) or known.get("stamp") != stamp or "digest" not in known:
            self.known[key] = known = {"stamp": stamp, **digests()}
        return str(known["digest"])


def _key(place: str, sections: Sections | None) -> str:
    place = absolute_place(place)
    return place if sections is None else f"{place} sections {sections[0]} to {sections[1]}"


def _stamps(files: Iterable[Path]) -> Iterator[list[Any]]:
    for file in files:
        try:
            status = file.stat()
        except OSError as error:
            raise ArgumentError(f"{file} cannot be read: {error.strerror}") from error
        yield [str(file.absolute()), status.st_size, status.st_mtime_ns]


def _file_digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()[:16]
    except OSError as error:
        raise ArgumentError(f"{path} cannot be read: {error.strerror}") from error


def voxels_digest(volume: Volume) -> str:
    """Return the digest of a volume that was read: what `InputDigests.of_volume` says of its location."""
    state = _begun(volume.array.shape, volume.array.dtype, volume.voxel_size, volume.offset)
    for section in volume.array:
        state.update(_section_digest(section))
    return state.hexdigest()[:16]


def _section_digest(section: NDArray[Any]) -> bytes:
    return hashlib.sha256(np.ascontiguousarray(section).data).digest()


def _begun(
    shape: tuple[int, ...], dtype: np.dtype[Any], voxel_size: Sequence[float], offset: Sequence[float]
) -> hashlib._Hash:
    """Begin a digest with what is known without the voxels."""
    return hashlib.sha256(repr((shape, dtype.str, tuple(voxel_size), tuple(offset))).encode())


def _volume_digests(location: str, sections: Sections | None, labels: bool) -> dict[str, Any]:
    """Return the digest of a volume, and of raw ones those of their sections."""
    info = describe_stack(location, sections)
    state = _begun(info.shape, info.dtype, info.voxel_size, info.offset)
    empty, first, of_sections = True, sections[0] if sections else 0, []
    for volume in read_in_parts(location, sections=sections):
        _check_part(volume, location, first, labels)
        empty = empty and not volume.array.any()
        for section in volume.array:
            digest = _section_digest(section)
            state.update(digest)
            of_sections.append("" if (section == section.flat[0]).all() else digest.hex()[:16])
        first += len(volume.array)
    if labels and empty:
        raise ArgumentError(f"`{location}` must hold an object to be labels, got only background (0)")
    return {"digest": state.hexdigest()[:16], **({} if labels else {"sections": of_sections})}


def _check_part(volume: Volume, location: str, first: int, labels: bool) -> None:
    """Find what is wrong with the voxels of some sections."""
    try:
        if labels:
            as_labels(volume, location)
        elif volume.array.dtype.kind == "f":
            check_finite(volume.array, name=location)
    except ArgumentError as error:
        counted = f", counted from section {first}" if first else ""
        raise ArgumentError(f"{error}{counted}") from error
