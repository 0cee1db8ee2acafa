"""Affinities of a whole volume on disk: one HDF5 data set (k, z, y, x) that knows its own neighborhood."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectwise.checks import check_affinities, check_edges, check_offsets
from objectwise.data.formats.common import Location, parse_location
from objectwise.errors import ArgumentError
from objectwise.pipeline.predictions import read_prediction, write_prediction

DEFAULT_DATASET = "volumes/predictions/affinities"


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
    table = check_offsets(offsets, ndim=3)
    check_affinities(affinities)
    check_edges(affinities, table)
    write_prediction(
        str(_hdf5_place(location)),
        affinities,
        {"offsets": table},
        voxel_size=voxel_size,
        offset=offset,
        overwrite=overwrite,
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
    found = read_prediction(_hdf5_place(location), section=section, what="affinities")
    offsets = found.attributes.get("offsets")
    return AffinityVolume(
        found.array,
        None if offsets is None else check_offsets(np.asarray(offsets), ndim=3),
        found.voxel_size,
        found.offset,
    )


def _hdf5_place(location: str | Path) -> Location:
    place = parse_location(location)
    if place.format != "HDF5":
        raise ArgumentError(
            f"`{location}` must be an HDF5 data set, file.h5:{DEFAULT_DATASET}, to hold affinities"
        )
    return place if place.inner else parse_location(f"{place.path}:{DEFAULT_DATASET}")
