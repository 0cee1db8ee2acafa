"""Volumes on disk: one way to read and describe raw images and labels in every format.

A location is a file, or a file and a path inside it: `file.h5:volumes/raw`, `stack.tif`, `section.png`, a
folder of PNGs (one section each, sorted naturally), `scan.nii`, `scan.nii.gz`, `volume.zarr:raw`. In memory
the axes are z, y, x, or y, x for a single image. Voxel size and offset are carried along in the order of the
axes, in nanometres where a file states a unit, in millimetres from NIfTI, else in the file's own numbers; a
format that states none gives 1 and 0. Channels are read where their axis is named, and come first in memory.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from objectwise.checks import check_labels, first_position
from objectwise.data.formats import format_of
from objectwise.data.formats.common import (
    Header,
    Location,
    Opened,
    Sections,
    is_default,
    one_sentence,
    parse_location,
    without_axis,
)
from objectwise.data.volume import AnyArray, Volume, VolumeInfo, checked_offset, checked_voxel_size
from objectwise.errors import ArgumentError, DtypeError, ShapeError, VolumeError

_VOXEL_SIZE_TOLERANCE = 1e-4
"""Relative; NIfTI and TIFF headers keep 7 digits, and people round."""

_BYTES_AT_ONCE = 2**28


def describe_volume(
    location: str | Path,
    *,
    sections: Sections | None = None,
    grey: bool = False,
    channel_axis: int | None = None,
) -> VolumeInfo:
    """Return shape, dtype, voxel size and offset of what `read_volume` would read, without the voxels.

    Parameters
    ----------
    location, sections, grey, channel_axis
        As for `read_volume`.

    Raises
    ------
    VolumeError, ShapeError, ArgumentError, DtypeError
        As `read_volume`, but for damage among the voxels, which only reading them shows.
    """
    with _opened(location, channel_axis, grey=grey) as volume:
        return volume.info if sections is None else _cut(volume.info, sections)


def read_volume(
    location: str | Path,
    *,
    sections: Sections | None = None,
    grey: bool = False,
    channel_axis: int | None = None,
) -> Volume:
    """Read a raw image or any other volume.

    Parameters
    ----------
    location : str or Path
        `file.h5:path/in/file`, a TIFF, one PNG, a folder of PNGs, `.nii`, `.nii.gz` or `volume.zarr:path`.
    sections : (int, int), optional
        First section and one past the last, along z. Only these are read, where the format allows (a
        compressed NIfTI is always decompressed), and the offset moves along with them.
    grey : bool, default False
        Turn colours into grey: the luma of ITU-R BT.601, rounded, which is the common value itself where all
        three channels agree. Without it colours are refused. Opacity must be complete.
    channel_axis : int, optional
        Read all channels, which lie along this axis of the file: -1 for colours, 0 for (channels, z, y, x).
        A NIfTI (x, y, z, channels) is turned, so that its channels are axis 0. Axes are counted without those
        of length 1 that a TIFF states. The opacity of a PNG or TIFF is no channel, and must be complete.

    Returns
    -------
    Volume
        C-contiguous, in native byte order and the dtype of the file. Boolean masks come as uint8 0 and 1, and
        a NIfTI with a scale as float64. With `channel_axis` (channels, z, y, x) or (channels, y, x).

    Raises
    ------
    VolumeError
        If there is no such file or data set, or it is damaged, or holds no numbers.
    ShapeError
        If it has not two or three axes beside the channels, or `sections` are asked of a single image.
    ArgumentError
        If the location has an unknown extension, `sections` lie outside, or `channel_axis` is no axis of
        channels.
    """
    with _opened(location, channel_axis, grey=grey) as volume:
        return volume.read(sections)


def read_in_parts(
    location: str | Path,
    *,
    sections: Sections | None = None,
    channel_axis: int | None = None,
    most: int = _BYTES_AT_ONCE,
) -> Iterator[Volume]:
    """Read a volume as `read_volume` does, in parts of some sections each, and each stored voxel once.

    Parameters
    ----------
    location, sections, channel_axis
        As for `read_volume`.
    most : int, bytes
        Of one part, unless sections that are stored together are more: a chunk, or a compressed NIfTI.

    Yields
    ------
    Volume
        The parts in order; a single image (y, x) is one.
    """
    with _opened(location, channel_axis) as volume:
        for part in _parts(volume, sections, most):
            yield volume.read(part)


def volume_files(location: str | Path) -> list[Path]:
    """Return the files and folders whose size or time tells that a volume was changed, without reading it.

    For a Zarr array these are its metadata and the folders of its chunks, whose time changes when a chunk is
    written under another name and renamed, as Zarr does; a chunk that a program writes over in place only
    shows when it is read.
    """
    place = parse_location(location)
    with one_sentence(place, "read"):
        return list(format_of(place).files(place))


def as_labels(volume: Volume, location: str, *, from_float: bool = False) -> Volume:
    """Require labels, as `read_labels` does, of a volume that was read."""
    if volume.array.dtype.kind != "f":
        check_labels(volume.array, name=location)
        return volume
    if not from_float:
        raise _labels_are_floats(location, volume.array.dtype)
    limit = 2.0 ** (np.finfo(volume.array.dtype).nmant + 1)
    wrong = ~((volume.array >= 0) & (volume.array < limit) & (volume.array == np.floor(volume.array)))
    if wrong.any():
        first = first_position(wrong)
        raise ArgumentError(
            f"`{location}` must hold whole numbers from 0 to below {limit:.0f} to be labels, "
            f"got {volume.array[first]} at {first}"
        )
    return Volume(volume.array.astype(np.uint64), volume.voxel_size, volume.offset)


def read_labels(
    location: str | Path, *, sections: Sections | None = None, from_float: bool = False
) -> Volume:
    """Read labels: integer ids, 0 for background.

    Parameters
    ----------
    location, sections
        As for `read_volume`.
    from_float : bool, default False
        Accept labels that were stored as floats, if each is a whole number and small enough that its
        neighbours were still told apart (below 2^24 in float32, 2^53 in float64); they come as uint64.

    Raises
    ------
    DtypeError
        If the volume holds floats and `from_float` is not set: above 2^24, ids in float32 have fused already.
    ArgumentError
        If an id is negative, or a float no such whole number.
    VolumeError, ShapeError
        As `read_volume`.
    """
    return as_labels(read_volume(location, sections=sections), str(location), from_float=from_float)


def check_pair(raw: VolumeInfo, labels: VolumeInfo) -> None:
    """Require raw and labels that fit: one shape, integer labels, and no contradiction in size or place.

    A voxel size of 1 along every axis and an offset of 0 count as not stated: a PNG has no place for them,
    and goes with any raw volume.

    Raises
    ------
    ShapeError, DtypeError, ArgumentError
        With both locations and what they hold.
    """
    names = f"raw {raw.location!r} and labels {labels.location!r}"
    if raw.shape != labels.shape:
        raise ShapeError(f"{names} must have the same shape, got {raw.shape} and {labels.shape}")
    if labels.dtype.kind not in "iu":
        raise _labels_are_floats(labels.location or "labels", labels.dtype)
    sizes = (raw.voxel_size, labels.voxel_size)
    stated = not any(is_default(size, 1.0) for size in sizes)
    if stated and not np.allclose(*sizes, rtol=_VOXEL_SIZE_TOLERANCE, atol=0):
        raise ArgumentError(f"{names} must have the same voxel size, got {sizes[0]} and {sizes[1]}")
    offsets = (raw.offset, labels.offset)
    half_voxel = 0.5 * np.asarray(raw.voxel_size if stated else np.maximum(*sizes))
    stated = not any(is_default(offset, 0.0) for offset in offsets)
    if stated and (np.abs(np.subtract(*offsets)) > half_voxel).any():
        raise ArgumentError(
            f"{names} must begin at the same place, got the offsets {offsets[0]} and {offsets[1]}"
        )


@dataclass(frozen=True)
class _Open:
    """A volume whose header was read and checked."""

    place: Location
    info: VolumeInfo
    opened: Opened

    @property
    def voxel_bytes(self) -> int:
        """Size of one voxel with all its channels."""
        return self.info.dtype.itemsize * (self.info.channels or 1)

    def read(self, sections: Sections | None) -> Volume:
        """Read the voxels, or some sections of them."""
        info = self.info if sections is None else _cut(self.info, sections)
        with one_sentence(self.place, "read"):
            try:
                array = self.opened.read(sections)
            except MemoryError as error:
                need = self.voxel_bytes * math.prod(info.shape) / 2**30
                raise MemoryError(f"{info.shape} {info.dtype}, {need:.3g} GiB") from error
            if info.channels is not None:
                array = _channels_first(self.place, array, self.opened.header)
            elif self.opened.header.channel_axis is not None:
                array = _grey(self.place, array)
            array = np.ascontiguousarray(array, dtype=info.dtype)
        shape = info.shape if info.channels is None else (info.channels, *info.shape)
        if array.shape != shape:
            raise VolumeError(f"`{self.place}` must hold the shape it states {shape}, got {array.shape}")
        return Volume(array, info.voxel_size, info.offset, has_channels=info.channels is not None)


@contextmanager
def _opened(location: str | Path, channel_axis: int | None = None, *, grey: bool = False) -> Iterator[_Open]:
    place = parse_location(location)
    if channel_axis is not None:
        if not isinstance(channel_axis, int | np.integer) or isinstance(channel_axis, bool):
            raise ArgumentError(f"`channel_axis` must be an integer or None, got {channel_axis!r}")
        if grey:
            raise ArgumentError("`grey` must be left out beside `channel_axis`, which keeps the colours")
    with ExitStack() as stack:
        with one_sentence(place, "read"):
            opened = stack.enter_context(format_of(place).opened(place, channel_axis))
            info = _info(place, opened.header, grey=grey, with_channels=channel_axis is not None)
        yield _Open(place, info, opened)


def _parts(volume: _Open, sections: Sections | None, most: int) -> Iterator[Sections | None]:
    """Cut sections where the storage is cut: no chunk is read for two parts."""
    shape, depth = volume.info.shape, volume.opened.header.depth
    if len(shape) != 3 or depth == 0:
        yield sections
        return
    first, stop = (0, shape[0]) if sections is None else sections
    section = volume.voxel_bytes * math.prod(shape[1:])
    step = depth * max(1, most // (section * depth))
    while first < stop:
        end = min((first // step + 1) * step, stop)
        yield first, end
        first = end


def _info(place: Location, header: Header, *, grey: bool, with_channels: bool) -> VolumeInfo:
    """Check a header."""
    shape, dtype = header.spatial, header.dtype.newbyteorder("=")
    if dtype.kind == "b":
        dtype = np.dtype(np.uint8)
    if dtype.kind not in "iuf" or dtype.itemsize > 8:
        raise VolumeError(f"`{place}` must hold integers or floats up to 64 bit, got dtype {header.dtype}")
    if header.channel_axis is not None and not (grey or with_channels):
        raise VolumeError(
            f"`{place}` must be grey, got {header.shape[header.channel_axis]} colour channels; convert it, "
            "read its colours with channel_axis=-1 (in a run `data.channel_axis: -1` and "
            f"`data.channels: {header.channels}`), or read it with grey=True"
        )
    if len(shape) not in (2, 3):
        if with_channels:
            raise ShapeError(
                f"`{place}` must have axes (z, y, x) or (y, x) beside that of the channels, "
                f"got shape {header.shape}"
            )
        advice = "; channels are read where `channel_axis` names their axis" if len(shape) == 4 else ""
        raise ShapeError(f"`{place}` must have axes (z, y, x) or (y, x), got shape {shape}{advice}")
    if 0 in header.shape:
        raise ShapeError(f"`{place}` must not be empty, got shape {header.shape}")
    try:
        size, start = (
            checked_voxel_size(_of_space(header, header.voxel_size) or None, len(shape)),
            checked_offset(_of_space(header, header.offset) or None, len(shape)),
        )
    except ArgumentError as error:
        raise VolumeError(f"`{place}` states a wrong voxel size or offset: {error}") from error
    channels = header.channels if with_channels else None
    return VolumeInfo(shape, dtype, size, start, location=str(place), channels=channels)


def _of_space(header: Header, values: tuple[float, ...]) -> tuple[float, ...]:
    """Return what is stated along the axes of space; some files state a number for the channels as well."""
    return without_axis(values, header.channel_axis) if len(values) == len(header.shape) else values


def _cut(info: VolumeInfo, sections: Sections) -> VolumeInfo:
    if len(info.shape) != 3:
        raise ShapeError(f"`sections` need a stack (z, y, x), got one image {info.shape} in {info.location}")
    try:
        first, stop = map(operator.index, sections)
    except (TypeError, ValueError) as error:
        message = f"`sections` must be two integers, first and one past the last, got {sections!r}"
        raise ArgumentError(message) from error
    if not 0 <= first < stop <= info.shape[0]:
        raise ArgumentError(
            f"`sections` must ascend [first, one past the last] within 0 to {info.shape[0]}, "
            f"got {[first, stop]} for {info.location}"
        )
    offset = (info.offset[0] + first * info.voxel_size[0], *info.offset[1:])
    return replace(info, shape=(stop - first, *info.shape[1:]), offset=offset)


def _grey(place: Location, array: AnyArray) -> AnyArray:
    """Return the luma of (..., 2, 3 or 4) channels in their own dtype."""
    channels = array.shape[-1]
    if channels not in (2, 3, 4) or array.dtype.kind != "u" or array.dtype.itemsize > 2:
        raise VolumeError(
            f"`{place}` must be 8 or 16 bit RGB to become grey, got {array.shape} {array.dtype}"
        )
    if channels in (2, 4):
        _require_opaque(place, array[..., -1], "become grey")
    if channels == 2:
        return array[..., 0]
    red, green, blue = (array[..., channel].astype(np.uint32) for channel in range(3))
    return ((299 * red + 587 * green + 114 * blue + 500) // 1000).astype(array.dtype)


def _channels_first(place: Location, array: AnyArray, header: Header) -> AnyArray:
    """Return (channels, z, y, x), or (channels, y, x), without opacity, which holds nothing if complete."""
    assert header.channel_axis is not None
    array = np.moveaxis(array, header.channel_axis, 0)
    if header.has_opacity:
        _require_opaque(place, array[-1], "be read by channels")
    return array[: header.channels]


def _require_opaque(place: Location, opacity: AnyArray, purpose: str) -> None:
    full = np.iinfo(opacity.dtype).max if opacity.dtype.kind in "iu" else 1
    if (opacity != full).any():
        raise VolumeError(f"`{place}` must be opaque to {purpose}, got transparent pixels")


def _labels_are_floats(location: str, dtype: np.dtype[Any]) -> DtypeError:
    return DtypeError(
        f"`{location}` must hold integer ids (0 = background), got dtype {dtype}; convert the file "
        "on purpose: read_labels(..., from_float=True) checks that nothing is lost, then write_volume"
    )
