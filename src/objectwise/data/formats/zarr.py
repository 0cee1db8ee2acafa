"""Zarr arrays, versions 2 and 3, with the attributes `resolution` and `offset` in z, y, x."""

from __future__ import annotations

import itertools
import json
import os
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import numcodecs  # type: ignore[import-untyped]
import numpy as np
import zarr
from zarr.codecs import ZstdCodec
from zarr.core.buffer import Buffer
from zarr.storage import LocalStore

from objectwise.atomic import replaced_folder
from objectwise.data.formats.common import (
    AnyArray,
    Header,
    Location,
    Opened,
    Sections,
    attribute_floats,
    axis_of_channels,
    chunk_shape,
    listed,
    without_axis,
)
from objectwise.data.formats.scale import Multiscale, ome_zarr_scale
from objectwise.errors import ObjectwiseWarning, VolumeError

_METADATA = ("zarr.json", ".zarray", ".zattrs", ".zgroup")


@contextmanager
def opened(location: Location, channel_axis: int | None = None) -> Iterator[Opened]:
    """Open one array, with its metadata."""
    array = _array(location)
    in_file = axis_of_channels(location, array.shape, channel_axis)
    image = _multiscale(location, array, in_file)
    axis = None if in_file is None else in_file - image.leading
    header = Header(
        tuple(array.shape[image.leading :]),
        np.dtype(array.dtype),
        attribute_floats(location, "resolution", array.attrs.get("resolution")) or image.voxel_size,
        attribute_floats(location, "offset", array.attrs.get("offset")) or image.offset,
        depth=(*without_axis((array.shards or array.chunks)[image.leading :], axis), 1)[0],
        channel_axis=axis,
    )
    first: Any = (0,) * image.leading

    def read(sections: Sections | None) -> AnyArray:
        index = (*first, *header.cut(sections))
        _check_chunks(location, array, len(index) - 1, sections)
        return np.asarray(array[(*index, ...)])

    yield Opened(header, read)


def _check_chunks(location: Location, array: zarr.Array[Any], axis: int, sections: Sections | None) -> None:
    """Find chunks that are missing, which are read as a fill value, and what Zarr reads as other voxels."""
    sizes = array.shards or array.chunks
    chunks = [range(-(-length // size)) for length, size in zip(array.shape, sizes, strict=True)]
    if sections is not None:
        chunks[axis] = range(sections[0] // sizes[axis], -(-sections[1] // sizes[axis]))
    folder = _folders(location)[-1]
    in_blosc = not array.shards and any("Blosc" in type(codec).__name__ for codec in array.compressors[-1:])
    is_missing = False
    for place in itertools.product(*chunks):
        key = array.metadata.encode_chunk_key(place)
        try:
            size = (folder / key).stat().st_size
        except FileNotFoundError:
            is_missing = True
            continue
        if size == 0 or (in_blosc and size < _blosc_size(folder / key)):
            raise VolumeError(f"`{location}` must have whole chunks, got {key}, which is truncated")
    if is_missing:
        warnings.warn(
            f"`{location}` has chunks that are not stored, as an incomplete copy would; "
            f"they are read as {array.fill_value}",
            ObjectwiseWarning,
            stacklevel=2,
        )


def _blosc_size(chunk: Path) -> int:
    """Return the size that Blosc states and does not check: it reads memory that is not the chunk's."""
    with chunk.open("rb") as file:
        return int.from_bytes(file.read(16)[12:], "little") or 16


def _multiscale(location: Location, array: zarr.Array[Any], channel_axis: int | None) -> Multiscale:
    """Return what the nearest group above that is an OME image states of an array."""
    folders = _folders(location)
    for depth in reversed(range(len(folders) - 1)):
        path = folders[-1].relative_to(folders[depth]).as_posix()
        image = ome_zarr_scale(location, _attributes(folders[depth]), path, array.shape, channel_axis)
        if image is not None:
            return image
    return Multiscale(0, (), ())


def files(location: Location) -> list[Path]:
    """Return the metadata, and the folders that chunks lie in.

    Not the chunks: there are millions in a large volume. Zarr writes a chunk under another name and renames
    it, which changes the time of its folder.
    """
    array = _array(location)
    level = [_folders(location)[-1]]
    found = [folder / name for folder in _folders(location) for name in _METADATA]
    for _ in range(array.metadata.encode_chunk_key((0,) * array.ndim).count("/")):
        found += level
        level = [Path(item.path) for folder in level for item in os.scandir(folder) if item.is_dir()]
    return [path for path in (*found, *level) if path.exists()]


def exists(location: Location) -> bool:
    """Say whether the array is there; groups and folders that are no Zarr are never replaced."""
    if not location.path.exists():
        return False
    folders = _folders(location)
    for parent in folders[:-1]:
        if _kind(parent) == "array":
            raise VolumeError(f"`{location}` must lie in a group, got the array {parent.name!r} above it")
        if parent.exists() and _consolidated(parent):
            # Other readers trust the consolidated copy, and would not see the new array or see the old one.
            raise VolumeError(
                f"`{location}` must lie in a Zarr without consolidated metadata, got some in {parent}"
            )
    if not folders[-1].exists():
        if _kind(location.path) != "group":
            raise VolumeError(f"`{location}` must lie in a Zarr group, got {location.path}, which is none")
        return False
    if _kind(folders[-1]) != "array":
        raise VolumeError(f"`{location}` must name an array, got a group or folder, which is never replaced")
    return True


def check_holds(location: Location, array: AnyArray, header: Header) -> None:
    """Zarr holds every integer and float dtype."""


def write(location: Location, array: AnyArray, header: Header) -> None:
    """Write one array: the topmost folder that is missing is filled under a temporary name, then renamed."""
    folders = _folders(location)
    first = next((depth for depth, folder in enumerate(folders) if not folder.exists()), len(folders) - 1)
    below = "/".join(folder.name for folder in folders[first + 1 :])
    is_v2 = any((folder / name).exists() for folder in folders for name in (".zgroup", ".zarray"))
    version: Literal[2, 3] = 2 if is_v2 else 3
    attributes: dict[str, Any] = {
        "resolution": list(header.voxel_size),
        "offset": list(header.offset),
    }
    # Without its checksum a damaged chunk decodes to other voxels in silence.
    zstd = numcodecs.Zstd(checksum=True) if is_v2 else ZstdCodec(checksum=True)
    with replaced_folder(folders[first]) as partial, _Store(partial).stopped_at_failure() as store:
        if below:
            zarr.create_group(store=store, zarr_format=version)
        zarr.create_array(
            store=store,
            name=below or None,
            data=array,
            chunks=chunk_shape(array.shape),
            compressors=zstd,
            zarr_format=version,
            attributes=attributes,
            config={"write_empty_chunks": True},  # so that a missing chunk means damage
        )


class _Store(LocalStore):
    """A folder that takes no more chunks once writing has failed.

    Zarr raises what went wrong first and goes on with the other chunks in threads that nobody waits for: they
    would make the folder anew while, or after, it is deleted.
    """

    has_failed = False
    at_work = 0

    async def set(self, key: str, value: Buffer) -> None:
        """Write one chunk or one file of metadata."""
        self.at_work += 1
        try:
            if not self.has_failed:
                await super().set(key, value)
        except BaseException:
            self.has_failed = True
            raise
        finally:
            self.at_work -= 1

    @contextmanager
    def stopped_at_failure(self) -> Iterator[_Store]:
        """Wait, if the block fails, until no thread writes any more."""
        try:
            yield self
        except BaseException:
            self.has_failed = True
            while self.at_work:
                time.sleep(0.01)
            raise


def _array(location: Location) -> zarr.Array[Any]:
    if not location.path.exists():
        raise VolumeError(f"`{location}` must exist, got no such folder: {location.path}")
    if not location.path.is_dir():
        raise VolumeError(f"`{location}` must be a Zarr folder, got a file")
    kind = _kind(_folders(location)[-1])
    if kind != "array":
        what = "a group" if kind == "group" else "none of that name" if location.inner else "no Zarr"
        raise VolumeError(
            f"`{location}` must name an array as {location.path.name}:NAME, got {what}; "
            f"the folder holds {listed(_arrays(location.path))}"
        )
    return zarr.open_array(store=str(location.path), path=location.inner, mode="r")


def _folders(location: Location) -> list[Path]:
    """Return the folders from the root down to the array."""
    folders = [location.path]
    for part in location.inner.split("/") if location.inner else ():
        folders.append(folders[-1] / part)
    return folders


def _kind(folder: Path) -> str | None:
    if (folder / ".zarray").is_file():
        return "array"
    if (folder / ".zgroup").is_file():
        return "group"
    if (folder / "zarr.json").is_file():
        node = _metadata(folder).get("node_type")
        return node if isinstance(node, str) else None
    return None


def _consolidated(folder: Path) -> bool:
    if (folder / ".zmetadata").exists():
        return True
    return (folder / "zarr.json").is_file() and _metadata(folder).get("consolidated_metadata") is not None


def _attributes(folder: Path) -> dict[str, Any]:
    """Return the attributes of a group of either version."""
    if (folder / "zarr.json").is_file():
        found = _metadata(folder).get("attributes")
        return found if isinstance(found, dict) else {}
    return _metadata(folder, ".zattrs") if (folder / ".zattrs").is_file() else {}


def _metadata(folder: Path, name: str = "zarr.json") -> dict[str, Any]:
    metadata = json.loads((folder / name).read_text(encoding="utf-8"))
    return metadata if isinstance(metadata, dict) else {}


def _arrays(root: Path) -> list[str]:
    marks = (*root.rglob("zarr.json"), *root.rglob(".zarray"))
    return sorted(mark.parent.relative_to(root).as_posix() for mark in marks if _kind(mark.parent) == "array")
