"""Volumes on disk: one way to read, describe and write raw images and labels in every format.

A location is a file, or a file and a path inside it: `file.h5:volumes/raw`, `stack.tif`, `section.png`, a
folder of PNGs (one section each, sorted naturally), `scan.nii`, `scan.nii.gz`, `volume.zarr:raw`. In memory
the axes are z, y, x, or y, x for a single image. Voxel size and offset are carried along in the file's own
unit, in the order of the axes; a format that states none gives 1 and 0.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectwise.checks import check_labels, first_position
from objectwise.data.formats.common import Format, Header, Location, is_default, one_sentence, parse_location
from objectwise.errors import ArgumentError, DtypeError, ShapeError, VolumeError

AnyArray = NDArray[Any]
Sections = tuple[int, int]

_VOXEL_SIZE_TOLERANCE = 1e-4
"""Relative; NIfTI and TIFF headers keep 7 digits, and people round."""


@dataclass(frozen=True, eq=False, init=False)
class Volume:
    """An array with the physical size and place of its voxels.

    Parameters
    ----------
    array : (z, y, x) or (y, x), integer or float
    voxel_size : one positive float per axis, optional
        1 along every axis by default.
    offset : one float per axis, optional
        Where the first voxel lies, in the unit of `voxel_size`; 0 by default.
    """

    array: AnyArray
    voxel_size: tuple[float, ...]
    offset: tuple[float, ...]

    def __init__(
        self,
        array: AnyArray,
        voxel_size: Sequence[float] | None = None,
        offset: Sequence[float] | None = None,
    ) -> None:
        object.__setattr__(self, "array", array)
        object.__setattr__(self, "voxel_size", _checked_voxel_size(voxel_size, array.ndim))
        object.__setattr__(self, "offset", _checked_offset(offset, array.ndim))


@dataclass(frozen=True)
class VolumeInfo:
    """What is known of a volume without its voxels; see `Volume`."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    voxel_size: tuple[float, ...]
    offset: tuple[float, ...]
    location: str = field(default="", compare=False)


def describe_volume(
    location: str | Path, *, sections: Sections | None = None, grey: bool = False
) -> VolumeInfo:
    """Return shape, dtype, voxel size and offset of what `read_volume` would read, without the voxels.

    Parameters
    ----------
    location, sections, grey
        As for `read_volume`.

    Raises
    ------
    VolumeError, ShapeError, ArgumentError, DtypeError
        As `read_volume`, but for damage among the voxels, which only reading them shows.
    """
    place = parse_location(location)
    with one_sentence(place, "read"):
        header = _format(place).describe(place)
    return _info(place, header, sections, grey)


def read_volume(location: str | Path, *, sections: Sections | None = None, grey: bool = False) -> Volume:
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

    Returns
    -------
    Volume
        C-contiguous, in native byte order and the dtype of the file. Boolean masks come as uint8 0 and 1, and
        a NIfTI with a scale as float64.

    Raises
    ------
    VolumeError
        If there is no such file or data set, or it is damaged, or holds no numbers.
    ShapeError
        If it has not two or three axes, or `sections` are asked of a single image.
    ArgumentError
        If the location has an unknown extension, or `sections` lie outside.
    """
    place = parse_location(location)
    with one_sentence(place, "read"):
        reader = _format(place)
        info = _info(place, header := reader.describe(place), sections, grey)
        array = reader.read(place, sections)
        if header.channels > 1:
            array = _grey(place, array)
        array = np.ascontiguousarray(array, dtype=info.dtype)
    if array.shape != info.shape:
        raise VolumeError(f"`{place}` must hold the shape it states {info.shape}, got {array.shape}")
    return Volume(array, info.voxel_size, info.offset)


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
    volume = read_volume(location, sections=sections)
    if volume.array.dtype.kind != "f":
        check_labels(volume.array, name=str(location))
        return volume
    if not from_float:
        raise _labels_are_floats(str(location), volume.array.dtype)
    limit = 2.0 ** (np.finfo(volume.array.dtype).nmant + 1)
    wrong = ~((volume.array >= 0) & (volume.array < limit) & (volume.array == np.floor(volume.array)))
    if wrong.any():
        first = first_position(wrong)
        raise ArgumentError(
            f"`{location}` must hold whole numbers from 0 to below {limit:.0f} to be labels, "
            f"got {volume.array[first]} at {first}"
        )
    return Volume(volume.array.astype(np.uint64), volume.voxel_size, volume.offset)


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


def volume_exists(location: str | Path) -> bool:
    """Say whether `write_volume` would have to replace something at this location.

    Raises
    ------
    VolumeError
        If nothing can ever be written there: a damaged or foreign file is in the way, or what is never
        replaced (a group, a folder that holds anything else than PNGs).
    ArgumentError
        If the location has an unknown extension.
    """
    place = parse_location(location)
    with one_sentence(place, "look"):
        return _format(place).exists(place)


def write_volume(
    location: str | Path,
    array: AnyArray,
    *,
    voxel_size: Sequence[float] | None = None,
    offset: Sequence[float] | None = None,
    overwrite: bool = False,
) -> None:
    """Write a volume whole, or not at all: under a temporary name beside its place, then renamed.

    Parameters
    ----------
    location : str or Path
        As for `read_volume`; a name without extension becomes a folder of PNGs. Folders above are created.
        A data set joins those that an HDF5 file or a Zarr folder holds already: an HDF5 file is copied, the
        copy extended and renamed over it, so the file is whole at every moment.
    array : (z, y, x) or (y, x), integer or float
        Any strides; written losslessly in its own dtype.
    voxel_size, offset : one float per axis, optional
        1 and 0 by default. NIfTI keeps 7 digits; PNG has no place for them and refuses others than these.
    overwrite : bool, default False
        Replace what is there. A group, or a folder that holds anything else than PNGs, is never replaced.

    Raises
    ------
    VolumeError
        If something is there and `overwrite` is not set, or what is there cannot be read.
    VolumeWriteError
        If writing fails: the disk is full, or permission denied.
    DtypeError, ShapeError, ArgumentError
        If the format, or no format, can hold the array exactly.
    """
    place = parse_location(location)
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "iuf" or array.dtype.itemsize > 8:
        what = f"dtype {array.dtype}" if isinstance(array, np.ndarray) else type(array).__name__
        raise DtypeError(f"`array` must be a numpy array of integers or floats up to 64 bit, got {what}")
    if array.ndim not in (2, 3) or array.size == 0:
        raise ShapeError(f"`array` must have shape (z, y, x) or (y, x) and voxels, got {array.shape}")
    array = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("="))
    size, start = _checked_voxel_size(voxel_size, array.ndim), _checked_offset(offset, array.ndim)
    header = Header(array.shape, array.dtype, size, start)
    with one_sentence(place, "look"):
        writer = _format(place)
        writer.check_holds(place, array, header)
        if writer.exists(place) and not overwrite:
            raise VolumeError(f"`{place}` must not exist yet, got a volume there; overwrite=True replaces it")
    with one_sentence(place, "write"):
        writer.write(place, array, header)


def _format(place: Location) -> Format:
    """Import one format: each needs a library of its own."""
    match place.format:
        case "HDF5":
            from objectwise.data.formats import hdf5

            return hdf5
        case "Zarr":
            from objectwise.data.formats import zarr

            return zarr
        case "TIFF":
            from objectwise.data.formats import tiff

            return tiff
        case "NIfTI":
            from objectwise.data.formats import nifti

            return nifti
        case "PNG":
            from objectwise.data.formats import png

            return png
    from objectwise.data.formats import png_folder

    return png_folder


def _info(place: Location, header: Header, sections: Sections | None, grey: bool) -> VolumeInfo:
    """Check a header, and cut it to the sections."""
    shape, dtype = header.spatial, header.dtype.newbyteorder("=")
    if dtype.kind == "b":
        dtype = np.dtype(np.uint8)
    if dtype.kind not in "iuf" or dtype.itemsize > 8:
        raise VolumeError(f"`{place}` must hold integers or floats up to 64 bit, got dtype {header.dtype}")
    if header.channels > 1 and not grey:
        raise VolumeError(
            f"`{place}` must be grey, got {header.channels} colour channels; convert it, or read it "
            "with grey=True"
        )
    if len(shape) not in (2, 3):
        raise ShapeError(f"`{place}` must have axes (z, y, x) or (y, x), got shape {shape}")
    if 0 in shape:
        raise ShapeError(f"`{place}` must not be empty, got shape {shape}")
    try:
        size, start = (
            _checked_voxel_size(header.voxel_size or None, len(shape)),
            _checked_offset(header.offset or None, len(shape)),
        )
    except ArgumentError as error:
        raise VolumeError(f"`{place}` states a wrong voxel size or offset: {error}") from error
    info = VolumeInfo(shape, dtype, size, start, location=str(place))
    return info if sections is None else _cut(info, sections)


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
    if channels in (2, 4) and (array[..., -1] != np.iinfo(array.dtype).max).any():
        raise VolumeError(f"`{place}` must be opaque to become grey, got transparent pixels")
    if channels == 2:
        return array[..., 0]
    red, green, blue = (array[..., channel].astype(np.uint32) for channel in range(3))
    return ((299 * red + 587 * green + 114 * blue + 500) // 1000).astype(array.dtype)


def _labels_are_floats(location: str, dtype: np.dtype[Any]) -> DtypeError:
    return DtypeError(
        f"`{location}` must hold integer ids (0 = background), got dtype {dtype}; convert the file "
        "on purpose: read_labels(..., from_float=True) checks that nothing is lost, then write_volume"
    )


def _checked_voxel_size(values: Sequence[float] | None, ndim: int) -> tuple[float, ...]:
    sizes = _one_number_per_axis(values, ndim, "voxel_size", default=1.0)
    if not all(size > 0 for size in sizes):
        raise ArgumentError(f"`voxel_size` must be positive, got {sizes}")
    return sizes


def _checked_offset(values: Sequence[float] | None, ndim: int) -> tuple[float, ...]:
    return _one_number_per_axis(values, ndim, "offset", default=0.0)


def _one_number_per_axis(
    values: Sequence[float] | None, ndim: int, name: str, *, default: float
) -> tuple[float, ...]:
    if values is None:
        return (default,) * ndim
    try:
        numbers = tuple(float(value) for value in values)
    except (TypeError, ValueError) as error:
        raise ArgumentError(f"`{name}` must hold one number per axis ({ndim}), got {values!r}") from error
    if len(numbers) != ndim:
        raise ShapeError(f"`{name}` must hold one number per axis ({ndim}), got {numbers}")
    if not np.isfinite(numbers).all():
        raise ArgumentError(f"`{name}` must be finite, got {numbers}")
    return numbers
