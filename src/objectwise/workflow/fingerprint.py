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
from typing import Any, Literal, TypeGuard

import numpy as np
from numpy.typing import NDArray

from objectwise.atomic import write_json
from objectwise.checks import check_finite
from objectwise.data import Volume, read_in_parts, volume_files
from objectwise.data.volumes import as_labels
from objectwise.errors import ArgumentError
from objectwise.pipeline.stacks import Sections, as_stack, describe_stack
from objectwise.workflow.places import absolute_place

Kind = Literal["raw", "labels", "mask"]
"""Raw volumes hold finite numbers, labels integers with an object among them, masks integers."""

_NOTHING = object()

FORMAT = 2
"""Of what is remembered of an input. 1, without a number, knew sections by bytes, not by values."""


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

    def of_volume(
        self,
        location: str,
        sections: Sections | None,
        *,
        kind: Kind = "raw",
        channel_axis: int | None = None,
    ) -> str:
        """Return the digest of voxels, voxel size and offset of a volume, or of some of its sections.

        Every voxel is seen here, so bad ones are found here, before any work begins.

        Raises
        ------
        ArgumentError
            If a raw voxel is not finite, an id is negative, or labels hold no object.
        """
        return self._remembered(
            _key(location, sections, channel_axis),
            volume_files(location),
            lambda: _volume_digests(location, sections, kind, channel_axis),
        )

    def of_file(self, path: Path) -> str:
        """Return the digest of a file's bytes."""
        return self._remembered(_key(str(path), None), [path], lambda: {"digest": _file_digest(path)})

    def sections_of(self, digest: str | None) -> list[str]:
        """Return the digests of the sections of the raw volume that has this one; none if not remembered.

        They are those of the values: a copy in another dtype has the same. Empty text stands for a section of
        a single value, which is equal in volumes that share nothing.
        """
        for known in self.known.values():
            if _is_known(known) and digest is not None and known["digest"] == digest:
                return list(known.get("sections", ()))
        return []

    def forget(
        self, place: str | Path, sections: Sections | None = None, channel_axis: int | None = None
    ) -> None:
        """Forget a volume or file: its content is not what its size and time stamp say."""
        self.known.pop(_key(str(place), sections, channel_axis), None)

    def _remembered(self, key: str, files: Iterable[Path], digests: Callable[[], dict[str, Any]]) -> str:
        stamp = fingerprint(sorted(_stamps(files)))
        known = self.known.get(key)
        if not _is_known(known) or known.get("stamp") != stamp:
            self.known[key] = known = {"format": FORMAT, "stamp": stamp, **digests()}
        return str(known["digest"])


def _is_known(known: object) -> TypeGuard[dict[str, Any]]:
    """Say whether something is what this version remembers of an input."""
    return isinstance(known, dict) and known.get("format") == FORMAT and "digest" in known


def _key(place: str, sections: Sections | None, channel_axis: int | None = None) -> str:
    cut = "" if sections is None else f" sections {sections[0]} to {sections[1]}"
    axis = "" if channel_axis is None else f" channels along {channel_axis}"
    return f"{absolute_place(place)}{cut}{axis}"


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
    for section in _sections_of(volume):
        state.update(_bytes_digest(section))
    return state.hexdigest()[:16]


def _sections_of(volume: Volume) -> NDArray[Any]:
    """Return the voxels with z in front: a section has all its channels."""
    return volume.array if volume.channels is None else volume.array.swapaxes(0, 1)


def _bytes_digest(section: NDArray[Any]) -> bytes:
    return hashlib.sha256(np.ascontiguousarray(section).data).digest()


def _section_digests(section: NDArray[Any]) -> tuple[bytes, str]:
    """Return the digest of the bytes of a section, and that of its values, whatever dtype holds them."""
    digest, narrow = _bytes_digest(section), _narrowest(section)
    if (section == section.flat[0]).all():
        return digest, ""
    of_values = digest if narrow is section else _bytes_digest(narrow)  # mostly they are the same bytes
    return digest, f"{narrow.dtype.str} {of_values.hex()[:16]}"


def _narrowest(section: NDArray[Any]) -> NDArray[Any]:
    """Return equal values in the narrowest dtype that holds all of them: one for all copies of a section.

    Integers if all are. What is narrow already, as most raw is, comes back as it is.
    """
    kind = section.dtype.kind
    if kind == "f" and _are_integers(section):
        section, kind = section.astype(np.int64), "i"
    if kind in "iu":
        low, high = int(section.min()), int(section.max())
        for size in (1, 2, 4, 8):
            dtype = np.dtype(f"<{'i' if low < 0 else 'u'}{size}")
            if np.iinfo(dtype).min <= low and high <= np.iinfo(dtype).max:
                return section.astype(dtype, copy=False)
    if kind == "f":
        with np.errstate(over="ignore"):
            narrow = section.astype("<f4", copy=False)
        return narrow if np.array_equal(narrow, section) else section.astype("<f8", copy=False)
    return section


def _are_integers(section: NDArray[Any]) -> bool:
    for part in (section.reshape(-1)[:64], section):  # most others show at once
        if not (part == np.trunc(part)).all():
            return False
    return max(abs(float(section.min())), float(section.max())) < 2**53


def _begun(
    shape: tuple[int, ...], dtype: np.dtype[Any], voxel_size: Sequence[float], offset: Sequence[float]
) -> hashlib._Hash:
    """Begin a digest with what is known without the voxels."""
    return hashlib.sha256(repr((shape, dtype.str, tuple(voxel_size), tuple(offset))).encode())


def _volume_digests(
    location: str, sections: Sections | None, kind: Kind, channel_axis: int | None
) -> dict[str, Any]:
    """Return the digest of a volume, and of raw ones those of their sections."""
    info = describe_stack(location, sections, channel_axis)
    shape = info.shape if info.channels is None else (info.channels, *info.shape)
    state = _begun(shape, info.dtype, info.voxel_size, info.offset)
    empty, first, of_sections = True, sections[0] if sections else 0, []
    for volume in map(as_stack, read_in_parts(location, sections=sections, channel_axis=channel_axis)):
        _check_part(volume, location, first, kind)
        empty = empty and not volume.array.any()
        for section in _sections_of(volume):
            digest, of_values = _section_digests(section)
            state.update(digest)
            of_sections.append(of_values)
        first += volume.array.shape[-3]
    if kind == "labels" and empty:
        raise ArgumentError(f"`{location}` must hold an object to be labels, got only background (0)")
    return {"digest": state.hexdigest()[:16], **({} if kind != "raw" else {"sections": of_sections})}


def _check_part(volume: Volume, location: str, first: int, kind: Kind) -> None:
    """Find what is wrong with the voxels of some sections."""
    try:
        if kind != "raw":
            as_labels(volume, location)
        elif volume.array.dtype.kind == "f":
            check_finite(volume.array, name=location)
    except ArgumentError as error:
        counted = f", counted from section {first}" if first else ""
        raise ArgumentError(f"{error}{counted}") from error
