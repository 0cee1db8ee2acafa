"""Volumes on disk: one way to write raw images and labels in every format."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectwise.atomic import one_writer
from objectwise.checks import check_unmasked
from objectwise.data.formats import format_of
from objectwise.data.formats.common import Format, Header, Location, one_sentence, parse_location
from objectwise.data.volume import checked_offset, checked_voxel_size
from objectwise.errors import DtypeError, ShapeError, VolumeError

AnyArray = NDArray[Any]


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
        return format_of(place).exists(place)


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
        A data set joins those that an HDF5 file or a Zarr folder holds already; processes that write into
        one file wait for each other. An HDF5 file is copied only where a data set is replaced, or where
        another program has it open for reading.
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
    check_unmasked(array, name="array")
    if array.ndim not in (2, 3) or array.size == 0:
        raise ShapeError(f"`array` must have shape (z, y, x) or (y, x) and voxels, got {array.shape}")
    array = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("="))
    size, start = checked_voxel_size(voxel_size, array.ndim), checked_offset(offset, array.ndim)
    header = Header(array.shape, array.dtype, size, start)
    with one_sentence(place, "look"):
        format_of(place).check_holds(place, array, header)
    with claimed(place, overwrite=overwrite) as writer:
        writer.write(place, array, header)


@contextmanager
def claimed(place: Location, *, overwrite: bool) -> Iterator[Format]:
    """Be the only writer of a file inside; the place must be free, also after others were waited for."""
    writer = format_of(place)
    with one_sentence(place, "look"):
        _require_free(writer, place, overwrite)
    with one_sentence(place, "write"), one_writer(place.path):
        _require_free(writer, place, overwrite)
        yield writer


def _require_free(writer: Format, place: Location, overwrite: bool) -> None:
    # Asked even if it may be replaced: some things never are.
    if writer.exists(place) and not overwrite:
        raise VolumeError(f"`{place}` must not exist yet, got a volume there; overwrite=True replaces it")
