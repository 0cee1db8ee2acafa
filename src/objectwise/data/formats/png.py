"""PNG: one image (y, x), or a folder with one image for each section, in natural order."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np

from objectwise.atomic import replaced_file
from objectwise.data.formats.common import (
    AnyArray,
    Header,
    Location,
    Opened,
    axis_of_channels,
    is_default,
    require_file,
)
from objectwise.errors import ArgumentError, DtypeError, VolumeError

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_GREY, _RGB, _PALETTE, _GREY_ALPHA, _RGBA = 0, 2, 3, 4, 6
_CHANNELS = {_GREY: 1, _RGB: 3, _PALETTE: 3, _GREY_ALPHA: 2, _RGBA: 4}
_WITH_OPACITY = (_GREY_ALPHA, _RGBA)


@contextmanager
def opened(location: Location, channel_axis: int | None = None) -> Iterator[Opened]:
    """Read size and dtype from the first bytes; there are no sections in one image."""
    require_file(location)
    name = str(location)
    header = header_of(location.path, name)
    require_colours(location, header, channel_axis)
    yield Opened(header, lambda _: decode(location.path, name))


def files(location: Location) -> list[Path]:
    """Return the one file."""
    return [location.path]


def exists(location: Location) -> bool:
    """Say whether the file is there."""
    return location.path.exists()


def check_holds(location: Location, array: AnyArray, header: Header) -> None:
    """Refuse dtypes beyond 16 bit and stacks, and the metadata that a PNG has no place for."""
    if array.ndim != 2:
        raise VolumeError(
            f"`{location}` can hold one image (y, x), got shape {array.shape}; name a folder for a stack"
        )
    check_image(location, array, header)


def write(location: Location, array: AnyArray, header: Header) -> None:
    """Encode the image."""
    with replaced_file(location.path) as partial:
        partial.write_bytes(encode(array))


def check_image(location: Location, array: AnyArray, header: Header) -> None:
    """Refuse what no PNG holds, in a stack or alone."""
    if array.dtype not in (np.uint8, np.uint16):
        fits = (
            array.dtype.kind in "iu" and int(array.min()) >= 0 and int(array.max()) <= np.iinfo(np.uint16).max
        )
        advice = (
            "the values fit: convert on purpose with .astype(np.uint16)"
            if fits
            else f"values up to {array.max()} do not fit either; write HDF5, Zarr or TIFF"
        )
        raise DtypeError(f"`{location}` can hold uint8 or uint16 as PNG, got dtype {array.dtype}; {advice}")
    if not (is_default(header.voxel_size, 1.0) and is_default(header.offset, 0.0)):
        raise VolumeError(
            f"`{location}` can hold no voxel size or offset as PNG, got voxel size {header.voxel_size} and "
            f"offset {header.offset}; leave them out, or write HDF5, Zarr or TIFF"
        )


def require_colours(location: Location, header: Header, channel_axis: int | None) -> None:
    """Require that an axis of channels, if one is asked for, is that of the colours."""
    if channel_axis is None:
        return
    if header.channel_axis is None:
        raise VolumeError(f"`{location}` must hold colours to have channels, got a grey PNG")
    if axis_of_channels(location, header.shape, channel_axis) != header.channel_axis:
        raise ArgumentError(
            f"`channel_axis` must be -1 for colours of a PNG, the last axis, got {channel_axis} "
            f"for `{location}`"
        )


def natural_key(name: str) -> tuple[list[tuple[int, int, str]], str]:
    """Sort section2 before section10; the name itself settles ties such as 01 and 1."""
    pieces = re.split(r"([0-9]+)", name.lower())
    return [(0, int(piece), "") if piece.isdecimal() else (1, 0, piece) for piece in pieces], name


def encode(image: AnyArray) -> bytes:
    """Return the bytes of a lossless PNG."""
    return bytes(imagecodecs.png_encode(np.ascontiguousarray(image)))


def decode(path: Path, name: str) -> AnyArray:
    """Return the values of one image as they were meant: 1, 2 and 4 bit images count from 0 in steps of 1."""
    header, bits = _header(path, name)
    image: AnyArray = np.asarray(imagecodecs.png_decode(path.read_bytes()))
    if bits < 8:
        image = image // (255 // (2**bits - 1))  # libpng spreads them over 0..255
    if image.shape != header.shape:
        raise VolumeError(f"`{name}` must have the shape its header states {header.shape}, got {image.shape}")
    return image


def header_of(path: Path, name: str) -> Header:
    """Return size and dtype of one image."""
    return _header(path, name)[0]


def _header(path: Path, name: str) -> tuple[Header, int]:
    with path.open("rb") as file:
        start = file.read(26)
    if len(start) < 26 or not start.startswith(_SIGNATURE) or start[12:16] != b"IHDR":
        raise VolumeError(f"`{name}` must be a PNG, got other bytes or a truncated file")
    width, height, bits, colour = struct.unpack(">IIBB", start[16:26])
    if colour not in _CHANNELS or bits not in (1, 2, 4, 8, 16):
        raise VolumeError(f"`{name}` must be a PNG, got a damaged header")
    dtype: np.dtype[Any] = np.dtype(np.uint16 if bits == 16 else np.uint8)
    if colour == _GREY:
        return Header((height, width), dtype), bits
    shape = (height, width, _CHANNELS[colour])
    return Header(shape, dtype, channel_axis=2, has_opacity=colour in _WITH_OPACITY), 8
