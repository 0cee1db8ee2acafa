"""HDF5 in the CREMI layout: data sets with the attributes `resolution` and `offset` in z, y, x."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from objectwise.data.formats.common import (
    AnyArray,
    Header,
    Location,
    Opened,
    attribute_floats,
    axis_of_channels,
    chunk_shape,
    listed,
    require_file,
    without_axis,
)
from objectwise.data.formats.hdf5_file import opened_file, write_dataset
from objectwise.errors import VolumeError


@contextmanager
def opened(location: Location, channel_axis: int | None = None) -> Iterator[Opened]:
    """Open one data set, with shape, dtype and the two attributes."""
    with dataset_of(location) as dataset:
        if dataset.shape is None:
            raise VolumeError(f"`{location}` must hold voxels, got an empty data set")
        shape = tuple(int(size) for size in dataset.shape)
        axis = axis_of_channels(location, shape, channel_axis)
        header = Header(
            shape,
            dataset.dtype,
            attribute_floats(location, "resolution", dataset.attrs.get("resolution")),
            attribute_floats(location, "offset", dataset.attrs.get("offset")),
            depth=(*without_axis(dataset.chunks or (), axis), 1)[0],
            channel_axis=axis,
        )
        yield Opened(header, lambda sections: np.asarray(dataset[header.cut(sections) or ...]))


def files(location: Location) -> list[Path]:
    """Return the one file."""
    return [location.path]


def exists(location: Location) -> bool:
    """Say whether the data set is there; a group is never replaced."""
    if not location.inner:
        raise VolumeError(f"`{location}` must name a data set, as in {location.path}:volumes/raw")
    if not location.path.exists():
        return False
    require_file(location)
    if not os.access(location.path, os.W_OK):
        raise VolumeError(f"`{location}` must be in a file that may be written, got a file of other rights")
    with opened_file(location.path) as file:
        for parent in _parents(location.inner):
            if isinstance(file.get(parent, getlink=True), h5py.ExternalLink):
                raise VolumeError(
                    f"`{location}` must lie in the file, got the link {parent!r} to another one"
                )
            if isinstance(file.get(parent), h5py.Dataset):
                raise VolumeError(f"`{location}` must lie in a group, got the data set {parent!r} above it")
        if isinstance(file.get(location.inner), h5py.Group):
            raise VolumeError(f"`{location}` must name a data set, got a group, which is never replaced")
        return location.inner in file


def check_holds(location: Location, array: AnyArray, header: Header) -> None:
    """HDF5 holds every integer and float dtype."""


def write(location: Location, array: AnyArray, header: Header) -> None:
    """Write one data set; the other data sets of the file stay."""
    # fletcher32: gzip skips chunks that it cannot shrink, and with them its checksum.
    write_dataset(
        location.path,
        location.inner,
        array,
        attributes={
            "resolution": np.asarray(header.voxel_size, dtype=np.float64),
            "offset": np.asarray(header.offset, dtype=np.float64),
        },
        chunks=chunk_shape(array.shape),
        compression="gzip",
        shuffle=True,
        fletcher32=True,
    )


@contextmanager
def dataset_of(location: Location) -> Iterator[Any]:
    """Open one data set for reading."""
    require_file(location)
    with opened_file(location.path) as file:
        found = file.get(location.inner) if location.inner else None
        if not isinstance(found, h5py.Dataset):
            what = "none of that name" if found is None else "a group"
            what = what if location.inner else "no name"
            raise VolumeError(
                f"`{location}` must name a data set as {location.path.name}:NAME, got {what}; "
                f"the file holds {listed(_datasets(file))}"
            )
        yield found


def _datasets(file: Any) -> list[str]:
    names: list[str] = []
    file.visititems(lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None)
    return sorted(names)


def _parents(inner: str) -> list[str]:
    parts = inner.split("/")
    return ["/".join(parts[:depth]) for depth in range(1, len(parts))]
