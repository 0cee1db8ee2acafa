"""A folder of PNGs: one section each, all of one size, in natural order of their names."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from objectwise.atomic import replaced_folder
from objectwise.data.formats import png
from objectwise.data.formats.common import AnyArray, Header, Location
from objectwise.errors import VolumeError


def describe(location: Location) -> Header:
    """Read the header of each file; all must agree."""
    files = _files(location)
    first, *others = (png.describe(Location(str(file), "PNG", file)) for file in files)
    for file, other in zip(files[1:], others, strict=True):
        if (other.shape, other.dtype) != (first.shape, first.dtype):
            raise VolumeError(
                f"`{location}` must hold PNGs of one size and dtype, got {first.shape} {first.dtype} in "
                f"{files[0].name} and {other.shape} {other.dtype} in {file.name}"
            )
    return replace(first, shape=(len(files), *first.shape))


def read(location: Location, sections: tuple[int, int] | None) -> AnyArray:
    """Decode the files of these sections only."""
    files = _files(location)
    return np.stack([png.decode(file, str(file)) for file in files[slice(*(sections or (None, None)))]])


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


def _files(location: Location) -> list[Path]:
    if not location.path.exists():
        raise VolumeError(f"`{location}` must exist, got no such file or folder: {location.path}")
    if not location.path.is_dir():
        raise VolumeError(f"`{location}` must be a folder of PNGs or have a known extension, got a file")
    files = [item for item in location.path.iterdir() if _is_section(item)]
    if not files:
        raise VolumeError(f"`{location}` must hold PNGs, one a section, got a folder without any")
    return sorted(files, key=lambda file: png.natural_key(file.name))


def _is_section(item: Path) -> bool:
    # Hidden files: macOS leaves ._NAME.png beside NAME.png on foreign disks.
    return item.suffix.lower() == ".png" and not item.name.startswith(".") and item.is_file()
