"""Predictions of a whole volume on disk: one HDF5 data set (k, z, y, x) of numbers in 0..1."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectwise.data import volume_exists
from objectwise.data.formats.common import Location, one_sentence, parse_location
from objectwise.data.writing import claimed
from objectwise.errors import ArgumentError, ShapeError, VolumeError

_CHUNK = 256


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a network made of a volume.

    Parameters
    ----------
    array : (k, z, y, x) float32 or float64
    attributes : what stands beside it in the file, such as `offsets` or `channels`
    voxel_size, offset : z, y, x, physical units of the raw volume
    """

    array: NDArray[Any]
    attributes: Mapping[str, Any]
    voxel_size: tuple[float, ...]
    offset: tuple[float, ...]


def write_prediction(
    location: str | Path,
    array: NDArray[Any],
    attributes: Mapping[str, Any],
    *,
    voxel_size: Sequence[float] = (1.0, 1.0, 1.0),
    offset: Sequence[float] = (0.0, 0.0, 0.0),
    overwrite: bool = False,
) -> None:
    """Write a prediction (k, z, y, x) as one HDF5 data set, whole or not at all; others of the file stay.

    `resolution` and `offset` become attributes too, as for raw volumes (CREMI).

    Raises
    ------
    ArgumentError, VolumeError
        If the location is no HDF5 data set, or one is there already.
    """
    from objectwise.data.formats.hdf5_file import write_dataset

    place = parse_location(location)
    if place.format != "HDF5" or not place.inner:
        raise ArgumentError(f"`{location}` must be an HDF5 data set, file.h5:path, to hold a prediction")
    if volume_exists(str(place)) and not overwrite:
        raise VolumeError(f"`{location}` must not exist yet, got a data set; overwrite=True replaces it")
    with claimed(place, overwrite=overwrite):
        write_dataset(
            place.path,
            place.inner,
            array,
            attributes={
                "resolution": np.asarray(voxel_size, dtype=np.float64),
                "offset": np.asarray(offset, dtype=np.float64),
                **attributes,
            },
            # No gzip: it takes longer than the prediction and gains a few percent on noisy floats.
            # A section over all channels is one row of chunks, because the report reads sections.
            chunks=(array.shape[0], 1, *(min(size, _CHUNK) for size in array.shape[2:])),
            fletcher32=True,
        )


def read_prediction(
    location: str | Path | Location, *, section: int | None = None, what: str = "a prediction"
) -> Prediction:
    """Read a prediction that `write_prediction`, or another program, wrote to HDF5.

    Parameters
    ----------
    location : `file.h5:path/in/file`
    section : int, optional
        Read one section only; the array is (k, 1, y, x) then.
    what : str
        Named in messages.

    Raises
    ------
    VolumeError
        If there is no such data set, or it is no (k, z, y, x) table of float32 or float64. float16 is
        refused: near 1, where thresholds lie, its steps are as wide as 0.0005.
    """
    from objectwise.data.formats.hdf5 import dataset_of

    place = location if isinstance(location, Location) else parse_location(location)
    with one_sentence(place, "read"), dataset_of(place) as dataset:
        dtype = dataset.dtype.newbyteorder("=")
        if dataset.ndim != 4 or dtype not in (np.float32, np.float64):
            raise VolumeError(
                f"`{location}` must hold {what} (k, z, y, x) as float32 or float64, "
                f"got shape {dataset.shape}, dtype {dtype}; convert them on purpose"
            )
        part = slice(None) if section is None else slice(section, section + 1)
        attributes = dict(dataset.attrs)
        return Prediction(
            np.ascontiguousarray(dataset[:, part], dtype=dtype),
            attributes,
            _three(attributes.pop("resolution", None), 1.0),
            _three(attributes.pop("offset", None), 0.0),
        )


def _three(value: object, default: float) -> tuple[float, ...]:
    if value is None:
        return (default,) * 3
    numbers = tuple(float(number) for number in np.asarray(value).reshape(-1))
    if len(numbers) != 3:
        raise ShapeError(f"`resolution` and `offset` must be z, y, x, got {numbers}")
    return numbers
