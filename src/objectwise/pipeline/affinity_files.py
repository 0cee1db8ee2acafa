"""Affinities of a whole volume on disk: one HDF5 data set (k, z, y, x) that knows its own neighborhood."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectwise.checks import check_affinities, check_edges, check_offsets
from objectwise.data import volume_exists
from objectwise.data.formats.common import Location, one_sentence, parse_location
from objectwise.data.writing import claimed
from objectwise.errors import ArgumentError, ShapeError, VolumeError

DEFAULT_DATASET = "volumes/predictions/affinities"
_CHUNK = 256


@dataclass(frozen=True, eq=False)
class AffinityVolume:
    """Affinities with what is needed to use them.

    Parameters
    ----------
    array : (k, z, y, x) float32 or float64, 0..1
    offsets : (k, 3) int64, voxels, or None where the file does not say
    voxel_size, offset : z, y, x, physical units of the raw volume
    """

    array: NDArray[Any]
    offsets: NDArray[np.int64] | None
    voxel_size: tuple[float, ...]
    offset: tuple[float, ...]


def write_affinities(
    location: str | Path,
    affinities: NDArray[Any],
    offsets: Sequence[Sequence[int]] | NDArray[np.integer[Any]],
    *,
    voxel_size: Sequence[float] = (1.0, 1.0, 1.0),
    offset: Sequence[float] = (0.0, 0.0, 0.0),
    overwrite: bool = False,
) -> None:
    """Write affinities (k, z, y, x) and their (k, 3) offsets as one HDF5 data set, whole or not at all.

    Other data sets of the file stay. The attributes are `resolution` and `offset`, as for raw volumes
    (CREMI), and `offsets`, the neighborhood.

    Raises
    ------
    ShapeError, DtypeError, ArgumentError, VolumeError
        If array and offsets do not fit, the location is no HDF5 data set, or one is there already.
    """
    from objectwise.data.formats.hdf5_file import write_dataset

    table = check_offsets(offsets, ndim=3)
    check_affinities(affinities)
    check_edges(affinities, table)
    place = _hdf5_place(location)
    if volume_exists(str(place)) and not overwrite:
        raise VolumeError(f"`{location}` must not exist yet, got a data set; overwrite=True replaces it")
    with claimed(place, overwrite=overwrite):
        write_dataset(
            place.path,
            place.inner,
            affinities,
            attributes={
                "resolution": np.asarray(voxel_size, dtype=np.float64),
                "offset": np.asarray(offset, dtype=np.float64),
                "offsets": table,
            },
            # No gzip: it takes longer than the prediction and gains a few percent on noisy floats.
            # A section over all channels is one row of chunks, because the report reads sections.
            chunks=(affinities.shape[0], 1, *(min(size, _CHUNK) for size in affinities.shape[2:])),
            fletcher32=True,
        )


def read_affinities(location: str | Path, *, section: int | None = None) -> AffinityVolume:
    """Read affinities that `write_affinities`, or another program, wrote to HDF5.

    Parameters
    ----------
    location : `file.h5:path/in/file`
    section : int, optional
        Read one section only; the array is (k, 1, y, x) then.

    Raises
    ------
    VolumeError
        If there is no such data set, or it is no (k, z, y, x) table of float32 or float64. float16 is
        refused: near 1, where thresholds lie, its steps are as wide as 0.0005.
    """
    from objectwise.data.formats.hdf5 import dataset_of

    place = _hdf5_place(location)
    with one_sentence(place, "read"), dataset_of(place) as dataset:
        dtype = dataset.dtype.newbyteorder("=")
        if dataset.ndim != 4 or dtype not in (np.float32, np.float64):
            raise VolumeError(
                f"`{location}` must hold affinities (k, z, y, x) as float32 or float64, "
                f"got shape {dataset.shape}, dtype {dtype}; convert them on purpose"
            )
        part = slice(None) if section is None else slice(section, section + 1)
        offsets = dataset.attrs.get("offsets")
        return AffinityVolume(
            np.ascontiguousarray(dataset[:, part], dtype=dtype),
            None if offsets is None else check_offsets(np.asarray(offsets), ndim=3),
            _three(dataset.attrs.get("resolution"), 1.0),
            _three(dataset.attrs.get("offset"), 0.0),
        )


def _hdf5_place(location: str | Path) -> Location:
    place = parse_location(location)
    if place.format != "HDF5":
        raise ArgumentError(
            f"`{location}` must be an HDF5 data set, file.h5:{DEFAULT_DATASET}, to hold affinities"
        )
    return place if place.inner else parse_location(f"{place.path}:{DEFAULT_DATASET}")


def _three(value: object, default: float) -> tuple[float, ...]:
    if value is None:
        return (default,) * 3
    numbers = tuple(float(number) for number in np.asarray(value).reshape(-1))
    if len(numbers) != 3:
        raise ShapeError(f"`resolution` and `offset` must be z, y, x, got {numbers}")
    return numbers
