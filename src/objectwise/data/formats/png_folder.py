"""A folder of PNGs: one section each, all of one size, in natural order of their names."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from objectwise.atomic import replaced_folder
from objectwise.data.formats import png
from objectwise.data.formats.common import KNOWN, AnyArray, Header, Location, Opened
from objectwise.errors import VolumeError


@contextmanager
def opened(location: Location, channel_axis: int | None = None) -> Iterator[Opened]:
    """Read the header of each file; all must agree."""
    paths = _sections(location)
    first, *others = (png.header_of(path, str(path)) for path in paths)
    for path, other in zip(paths[1:], others, strict=True):
        if (other.shape, other.dtype) != (first.shape, first.dtype):
            raise VolumeError(
                f"`{location}` must hold PNGs of one size and dtype, got {first.shape} {first.dtype} in "
                f"{paths[0].name} and {other.shape} {other.dtype} in {path.name}"
            )
    colours = None if first.channel_axis is None else 3
    header = replace(first, shape=(len(paths), *first.shape), channel_axis=colours)
    png.require_colours(location, header, channel_axis)
    yield Opened(
        header,
        lambda cut: np.stack([png.decode(path, str(path)) for path in paths[slice(*(cut or (None, None)))]]),
    )


def files(location: Location) -> list[Path]:
    """Return the sections."""
    return _sections(location)


def exists(location: Location) -> bool:
    """Say whether PNGs are there; a folder with anything else in it is never replaced."""
    if not location.path.exists():
        return False
    if not location.path.is_dir():
        raise VolumeError(f"`{location}` must be a folder of PNGs, got a file")
    content = list(location.path.iterdir())
    foreign = sorted(item.name for item in content if not _is_section(item))
    if foreign:
        raise VolumeError(
            f"`{location}` must hold nothing but PNGs to be written as a whole, got {foreign[0]!r} in it"
        )
    return bool(content)


def check_holds(location: Location, array: AnyArray, header: Header) -> None:
    """Refuse dtypes beyond 16 bit, single images, and the metadata that a PNG has no place for."""
    if array.ndim != 3:
        raise VolumeError(
            f"`{location}` can hold a stack (z, y, x) as a folder of PNGs, got shape {array.shape}; "
            "end the name in .png for one image"
        )
    png.check_image(location, array, header)


def write(location: Location, array: AnyArray, header: Header) -> None:
    """Write the sections as 0000.png, 0001.png, ..."""
    digits = max(4, len(str(len(array) - 1)))
    with replaced_folder(location.path) as partial:
        partial.mkdir()
        for number, section in enumerate(array):
            (partial / f"{number:0{digits}d}.png").write_bytes(png.encode(section))


def _sections(location: Location) -> list[Path]:
    if not location.path.exists():
        raise VolumeError(f"`{location}` must exist, got no such file or folder: {location.path}")
    if not location.path.is_dir():
        raise VolumeError(f"`{location}` must be {KNOWN}, got a file without a known extension")
    paths = [item for item in location.path.iterdir() if _is_section(item)]
    if not paths:
        raise VolumeError(
            f"`{location}` must hold PNGs, one a section, got a folder without any; "
            f"what can be read is {KNOWN}"
        )
    return sorted(paths, key=lambda path: png.natural_key(path.name))


def _is_section(item: Path) -> bool:
    # Hidden files: macOS leaves ._NAME.png beside NAME.png on foreign disks.
    return item.suffix.lower() == ".png" and not item.name.startswith(".") and item.is_file()
