"""TIFF: one file, one page a section. Voxel sizes of our own, ImageJ's and OME's layout are read."""

from __future__ import annotations

import itertools
import math
import operator
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from objectwise.atomic import replaced_file
from objectwise.data.formats.common import (
    AnyArray,
    Floats,
    Header,
    Location,
    Opened,
    Sections,
    attribute_floats,
    axis_of_channels,
    captured_log,
    require_file,
    without_axis,
)
from objectwise.data.formats.scale import in_nanometres, ome_xml_scale
from objectwise.errors import ArgumentError, VolumeError

_SECTION_AXES = "ZIQT"
"""Axes that stacks of sections come with; ImageJ calls sections time where nobody told it otherwise."""


@contextmanager
def opened(location: Location, channel_axis: int | None = None) -> Iterator[Opened]:
    """Open the file, with tags and descriptions."""
    with _opened(location) as file:
        header = _header(location, file, channel_axis)
        yield Opened(header, partial(_read, location, file, header))


def files(location: Location) -> list[Path]:
    """Return the one file."""
    return [location.path]


def exists(location: Location) -> bool:
    """Say whether the file is there."""
    return location.path.exists()


def check_holds(location: Location, array: AnyArray, header: Header) -> None:
    """TIFF holds every integer and float dtype."""


def write(location: Location, array: AnyArray, header: Header) -> None:
    """Write losslessly compressed pages, voxel size and offset in the description.

    ImageJ's own layout is not written: it has no 32-bit integers and no offset, and it keeps the voxel size
    as a ratio of two 32-bit integers. The resolution tags are set all the same, for viewers.
    """
    *_, height, width = header.voxel_size
    with replaced_file(location.path) as half:
        tifffile.imwrite(
            half,
            array,
            photometric="minisblack",  # else three columns would become colours
            compression="zlib",
            bigtiff=array.nbytes > 2**31,
            resolution=(1 / width, 1 / height),
            resolutionunit="NONE",
            metadata={
                "axes": "ZYX"[-array.ndim :],
                "voxel_size": list(header.voxel_size),
                "offset": list(header.offset),
            },
        )


def _read(location: Location, file: Any, header: Header, sections: Sections | None) -> AnyArray:
    """Decode the pages of these sections only, or of all."""
    series = file.series[0]
    index = header.cut(sections)
    if sections is not None and _is_plain(series):
        # ImageJ writes long stacks as one page and the rest of the voxels behind it.
        dtype = header.dtype.newbyteorder(file.byteorder)
        mapped = np.memmap(location.path, dtype, "r", series.dataoffset, header.shape)
        return np.array(mapped[index])
    if sections is not None and header.depth == 1:
        in_pages = _paged_axes(series, header.shape)
        numbers = np.arange(len(series.pages)).reshape(header.shape[:in_pages])[index]
        pages = [series.pages[number].asarray() for number in numbers.ravel().tolist()]
        return np.stack(pages).reshape(*numbers.shape, *header.shape[in_pages:])
    return np.asarray(series.asarray()).reshape(header.shape)[index]


def _paged_axes(series: Any, shape: tuple[int, ...]) -> int:
    """Return how many axes go from page to page; 0 if pages are not the inner axes."""
    counts = itertools.accumulate(shape, operator.mul)
    return next((number for number, count in enumerate(counts, 1) if count == len(series.pages)), 0)


def _is_plain(series: Any) -> bool:
    """Say whether all voxels lie in one piece, as they are in memory."""
    return series.dataoffset is not None


@contextmanager
def _opened(location: Location) -> Iterator[Any]:
    require_file(location)
    with captured_log("tifffile") as messages, tifffile.TiffFile(location.path) as file:
        len(file.pages)  # walks the whole chain of pages
        # A chain that breaks off is only logged, and the volume would come back with fewer sections.
        damage = [message for message in messages if "TiffPages" in message or "TiffTag" in message]
        if damage:
            raise VolumeError(
                f"`{location}` must be a whole TIFF, got pages or tags that break off ({damage[0]}); "
                "the file is damaged or truncated"
            )
        yield file


def _header(location: Location, file: Any, channel_axis: int | None) -> Header:
    if len(file.series) != 1:
        raise VolumeError(
            f"`{location}` must hold pages of one size and dtype, got {len(file.series)} different images"
        )
    series = file.series[0]
    axes, shape = str(series.axes), tuple(int(size) for size in series.shape)
    if series.dtype is None:
        raise VolumeError(f"`{location}` must hold integers or floats, got pages of an unknown dtype")
    if file.shaped_metadata is None:  # elsewhere, an axis of length 1 says nothing
        kept = [axis for axis in range(len(axes)) if shape[axis] != 1 or axes[axis] in "YXS"]
        axes, shape = "".join(axes[axis] for axis in kept), tuple(shape[axis] for axis in kept)
    axis = _channel_axis(location, axes, shape, channel_axis)
    planes = "".join(without_axis(tuple(axes), axis))
    if channel_axis is None and not _are_sections(planes):
        raise VolumeError(
            f"`{location}` must be one image or one stack of sections, got axes {axes} with shape {shape}; "
            "channels and times are no sections, and channels are read where their axis is given"
        )
    images = math.prod(size for name, size in zip(axes, shape, strict=True) if name not in "YXS")
    stated = (file.imagej_metadata or {}).get("images", images)
    if stated > images:  # those behind the only page are not there, which tifffile takes for one image
        raise VolumeError(
            f"`{location}` must be a whole TIFF, got {images} of {stated} images; "
            "the file is damaged or truncated"
        )
    voxel_size, offset = _metadata(location, file, len(planes))
    alone = _is_plain(series) or _paged_axes(series, shape) > (1 if axis == 0 else 0)
    return Header(
        shape,
        np.dtype(series.dtype),
        voxel_size,
        offset,
        depth=1 if alone else 0,
        channel_axis=axis,
        has_opacity=axis is not None and axes[axis] == "S" and _has_opacity(file),
    )


def _are_sections(planes: str) -> bool:
    """Say whether axes are those of one image or of one stack."""
    return planes == "YX" or (len(planes) == 3 and planes[0] in _SECTION_AXES and planes[1:] == "YX")


def _channel_axis(
    location: Location, axes: str, shape: tuple[int, ...], channel_axis: int | None
) -> int | None:
    """Return the axis of the channels: of colours always, of others where it is given."""
    if channel_axis is None:
        return len(axes) - 1 if axes.endswith("S") else None
    axis = axis_of_channels(location, shape, channel_axis)
    assert axis is not None
    named = [at for at, name in enumerate(axes) if name in "SC"]
    if named and axis not in named:
        raise ArgumentError(
            f"`channel_axis` must be {named[0]} for `{location}` of axes {axes} and shape {shape}, "
            f"got {channel_axis}"
        )
    if not _are_sections("".join(without_axis(tuple(axes), axis))) and named:
        raise VolumeError(
            f"`{location}` must be one image or one stack of sections beside its channels, "
            f"got axes {axes} with shape {shape}"
        )
    return axis


def _has_opacity(file: Any) -> bool:
    """Say whether the last sample of a pixel is opacity, associated (1) or not (2), by its tag."""
    extra = file.pages[0].extrasamples
    return len(extra) == 1 and int(extra[0]) in (1, 2)


def _metadata(location: Location, file: Any, ndim: int) -> tuple[Floats, Floats]:
    if file.shaped_metadata is not None:
        own = file.shaped_metadata[0]
        return (
            attribute_floats(location, "voxel_size", own.get("voxel_size")),
            attribute_floats(location, "offset", own.get("offset")),
        )
    if file.imagej_metadata is not None:
        return _imagej_voxel_size(location, file, ndim), ()
    if file.ome_metadata is not None:
        return ome_xml_scale(location, file.ome_metadata, ndim), ()
    return (), ()  # bare resolution tags are dots per inch of a print more often than a voxel size


def _imagej_voxel_size(location: Location, file: Any, ndim: int) -> Floats:
    """Return spacing and inverse resolution; without a unit ImageJ has no calibration."""
    metadata, tags = file.imagej_metadata, file.pages[0].tags
    sizes = [float(metadata.get("spacing", 1.0))]
    for name in ("YResolution", "XResolution"):
        pixels, unit = tags[name].value if name in tags else (1, 1)
        # Ratios of 32-bit integers: more digits than they carry would only be noise.
        sizes.append(float(f"{unit / pixels:.7g}") if pixels else math.nan)
    return in_nanometres(location, sizes[-ndim:], str(metadata.get("unit", "pixel")))
