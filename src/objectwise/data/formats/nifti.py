"""NIfTI: x, y, z on disk, z, y, x in memory; voxel size from the header, offset from the affine."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from nibabel.arrayproxy import ArrayProxy

from objectwise.atomic import replaced_file
from objectwise.data.formats.common import (
    AnyArray,
    Floats,
    Header,
    Location,
    Opened,
    Sections,
    captured_log,
    require_file,
    shortest,
)
from objectwise.errors import ArgumentError, DtypeError, ShapeError, VolumeError

_NIFTI1_LONGEST_AXIS = 32767
_MILLIMETRES = {1: 1e3, 2: 1.0, 3: 1e-3}
"""What the codes of metres, millimetres and micrometres are."""


@contextmanager
def opened(location: Location, channel_axis: int | None = None) -> Iterator[Opened]:
    """Open the file and read its header."""
    image = _opened(location)
    header = _header(location, image, channel_axis)
    yield Opened(header, partial(_read, location, image, header))


def files(location: Location) -> list[Path]:
    """Return the one file."""
    return [location.path]


def exists(location: Location) -> bool:
    """Say whether the file is there."""
    return location.path.exists()


def check_holds(location: Location, array: AnyArray, header: Header) -> None:
    """Refuse float16, which NIfTI has no code for."""
    if array.dtype == np.float16:
        raise DtypeError(
            f"`{location}` can hold integers, float32 and float64 as NIfTI, got dtype float16; "
            "convert on purpose with .astype(np.float32)"
        )


def write(location: Location, array: AnyArray, header: Header) -> None:
    """Write an unscaled volume; the header keeps voxel size and offset as float32."""
    affine = np.eye(4)
    affine[range(array.ndim), range(array.ndim)] = header.voxel_size[::-1]
    affine[: array.ndim, 3] = header.offset[::-1]
    long = max(array.shape) > _NIFTI1_LONGEST_AXIS
    kind: Any = nibabel.Nifti2Image if long else nibabel.Nifti1Image
    image = kind(array.T, affine, dtype=array.dtype)
    with replaced_file(location.path) as half:
        nibabel.save(image, half)


def _read(location: Location, image: Any, header: Header, sections: Sections | None) -> AnyArray:
    """Read the voxels, or those of some sections; a compressed file is decompressed either way."""
    cut = slice(*sections) if sections is not None else slice(None)
    inner = (slice(None),) * (len(header.spatial) - 1)
    if header.channel_axis is None:
        trailing: tuple[Any, ...] = (0,) * (len(image.shape) - len(header.shape))
    else:
        trailing = (*(0,) * (len(image.shape) - len(header.shape)), slice(None))
    with _uncompressed(location) as stream:
        stored = image.dataobj
        rule = (stored.shape, stored.dtype, stored.offset, stored.slope, stored.inter)
        proxy: Any = ArrayProxy(stream, rule)  # type: ignore[no-untyped-call]
        array: AnyArray = np.asarray(proxy[(*inner, cut, *trailing)])
        while _is_compressed(location) and stream.read(2**20):  # to the end, where the checksum lies
            pass
    # The file is read on demand: a copy, so that nothing depends on it later.
    return np.array(array.T, order="C")


def _uncompressed(location: Location) -> Any:
    return gzip.open(location.path) if _is_compressed(location) else location.path.open("rb")


def _is_compressed(location: Location) -> bool:
    return location.path.name.lower().endswith(".gz")


def _opened(location: Location) -> Any:
    require_file(location)
    with captured_log("nibabel.global"):  # it mends headers and says so
        image: Any = nibabel.load(location.path)
    if not isinstance(image, nibabel.Nifti1Image):  # NIfTI-2 is a subclass
        raise VolumeError(f"`{location}` must be a NIfTI file, got {type(image).__name__}")
    return image


def _header(location: Location, image: Any, channel_axis: int | None) -> Header:
    shape = tuple(int(size) for size in image.shape)
    channels = () if channel_axis is None else _channels(location, shape, channel_axis)
    shape = shape[: len(shape) - len(channels)]
    while len(shape) > 3 and shape[-1] == 1:  # one time point, one component
        shape = shape[:-1]
    if len(shape) not in (2, 3):
        advice = "" if channels else "; a fourth axis of channels is read where `channel_axis` is 0"
        raise ShapeError(
            f"`{location}` must be an image (x, y) or a volume (x, y, z), got shape {shape}{advice}"
        )
    stored, slope, intercept = image.get_data_dtype(), image.dataobj.slope, image.dataobj.inter
    # A scaled image holds slope * value + intercept, which nibabel computes in float64.
    dtype = stored if (slope, intercept) == (1, 0) else np.dtype(np.float64)
    # Without a unit they count as millimetres, as everyone takes them.
    scale = _MILLIMETRES.get(int(image.header["xyzt_units"]) & 7, 1.0)
    zooms = [shortest(zoom * scale) for zoom in image.header.get_zooms()[: len(shape)]]
    depth = 0 if _is_compressed(location) else 1
    return Header(
        (*channels, *shape[::-1]),
        dtype,
        tuple(zooms[::-1]),
        _offset(image, zooms),
        depth=depth,
        channel_axis=0 if channels else None,
    )


def _channels(location: Location, shape: tuple[int, ...], channel_axis: int) -> tuple[int, ...]:
    """Return the length of the axis behind x, y, z (or x, y, z and one time point): the first in memory."""
    if len(shape) not in (4, 5):
        raise ShapeError(
            f"`{location}` must have axes (x, y, z, channels) to have channels, got shape {shape}"
        )
    if channel_axis != 0:
        raise ArgumentError(
            f"`channel_axis` must be 0 for `{location}`: the axes of a NIfTI, (x, y, z, channels), are "
            f"turned to (channels, z, y, x), got {channel_axis}"
        )
    return shape[-1:]


def _offset(image: Any, zooms: list[float]) -> Floats:
    """Return the world position of the first voxel along the array's own axes.

    Written so, the offset of a cut differs from the whole's by voxels times voxel size along each axis,
    whichever way the patient lay: zoom * (A^-1 t) for the affine x -> A x + t.
    """
    if not (int(image.header["sform_code"]) or int(image.header["qform_code"])):
        return ()  # without a code the header states no position; nibabel would centre the volume
    affine = np.array([[shortest(number) for number in row] for row in image.affine])
    matrix, translation = affine[:3, :3], affine[:3, 3]
    if not (np.isfinite(affine).all() and np.linalg.det(matrix)):
        return ()
    along = np.linalg.solve(matrix, translation)[: len(zooms)] * zooms
    return tuple(shortest(float(value)) + 0.0 for value in along[::-1])
