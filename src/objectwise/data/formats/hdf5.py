"""HDF5 in the CREMI layout: data sets with the attributes `resolution` and `offset` in z, y, x."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from objectwise.atomic import replaced_file
from objectwise.data.formats.common import (
    AnyArray,
    Header,
    Location,
    Opened,
    attribute_floats,
    chunk_shape,
    listed,
    require_file,
)
from objectwise.errors import VolumeError


@contextmanager
def opened(location: Location) -> Iterator[Opened]:
    """Open one data set, with shape, dtype and the two attributes."""
    with _dataset(location) as dataset:
        if dataset.shape is None:
            raise VolumeError(f"`{location}` must hold voxels, got an empty data set")
        header = Header(
            tuple(int(size) for size in dataset.shape),
            dataset.dtype,
            attribute_floats(location, "resolution", dataset.attrs.get("resolution")),
            attribute_floats(location, "offset", dataset.attrs.get("offset")),
            depth=dataset.chunks[0] if dataset.chunks else 1,
        )
        yield Opened(header, lambda cut: np.asarray(dataset[...] if cut is None else dataset[slice(*cut)]))


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
    with h5py.File(location.path, "r") as file:
        for parent in _parents(location.inner):
            if isinstance(file.get(parent), h5py.Dataset):
                raise VolumeError(f"`{location}` must lie in a group, got the data set {parent!r} above it")
        if isinstance(file.get(location.inner), h5py.Group):
            raise VolumeError(f"`{location}` must name a data set, got a group, which is never replaced")
        return location.inner in file


def check_holds(location: Location, array: AnyArray, header: Header) -> None:
    """HDF5 holds every integer and float dtype."""


def write(location: Location, array: AnyArray, header: Header) -> None:
    """Write one data set; the other data sets of the file stay.

    A file that is there is copied first and the copy renamed over it, since HDF5 has no transactions: a
    kill halfway through an append in place would lose the whole file. It costs one copy for each data set.
    """
    with replaced_file(location.path) as partial:
        if location.path.exists():
            shutil.copyfile(location.path, partial)
        with h5py.File(partial, "a") as file:
            if location.inner in file:
                del file[location.inner]  # its space is taken up again within this session
            # fletcher32: gzip skips chunks that it cannot shrink, and with them its checksum.
            dataset = file.create_dataset(
                location.inner,
                data=array,
                chunks=chunk_shape(array.shape),
                compression="gzip",
                shuffle=True,
                fletcher32=True,
            )
            dataset.attrs["resolution"] = np.asarray(header.voxel_size, dtype=np.float64)
            dataset.attrs["offset"] = np.asarray(header.offset, dtype=np.float64)


@contextmanager
def _dataset(location: Location) -> Iterator[Any]:
    require_file(location)
    with h5py.File(location.path, "r") as file:
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
