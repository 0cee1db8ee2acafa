"""TIFF: one file, one page a section. Voxel sizes of our own, ImageJ's and OME's layout are read."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from xml.etree import ElementTree

import numpy as np
import tifffile

from objectwise.atomic import replaced_file
from objectwise.data.formats.common import (
    AnyArray,
    Floats,
    Header,
    Location,
    attribute_floats,
    captured_log,
    require_file,
)
from objectwise.errors import VolumeError

_SECTION_AXES = "ZIQT"
"""Axes that stacks of sections come with; ImageJ calls sections time where nobody told it otherwise."""


def describe(location: Location) -> Header:
    """Read the tags and descriptions."""
    with _opened(location) as file:
        return _header(location, file)


def read(location: Location, sections: tuple[int, int] | None) -> AnyArray:
    """Decode the pages of these sections only."""
    with _opened(location) as file:
        header, series = _header(location, file), file.series[0]
        if sections is None:
            return np.asarray(series.asarray()).reshape(header.shape)
        first, stop = sections
        if len(series.pages) != header.shape[0]:  # one page holds all sections: nothing to skip
            return np.asarray(series.asarray()).reshape(header.shape)[first:stop]
        return np.stack([series.pages[z].asarray().reshape(header.shape[1:]) for z in range(first, stop)])


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
    with replaced_file(location.path) as partial:
        tifffile.imwrite(
            partial,
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


def _header(location: Location, file: Any) -> Header:
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
    channels = shape[-1] if axes.endswith("S") else 1
    planes = axes.removesuffix("S")
    if not (planes == "YX" or (len(planes) == 3 and planes[0] in _SECTION_AXES and planes[1:] == "YX")):
        raise VolumeError(
            f"`{location}` must be one image or one stack of sections, got axes {axes} with shape {shape}; "
            "channels and times are no sections"
        )
    voxel_size, offset = _metadata(location, file, len(planes))
    return Header(shape, np.dtype(series.dtype), voxel_size, offset, channels)


def _metadata(location: Location, file: Any, ndim: int) -> tuple[Floats, Floats]:
    if file.shaped_metadata is not None:
        own = file.shaped_metadata[0]
        return (
            attribute_floats(location, "voxel_size", own.get("voxel_size")),
            attribute_floats(location, "offset", own.get("offset")),
        )
    if file.imagej_metadata is not None:
        return _imagej_voxel_size(file, ndim), ()
    if file.ome_metadata is not None:
        return _ome_voxel_size(location, file.ome_metadata, ndim), ()
    return (), ()  # bare resolution tags are dots per inch of a print more often than a voxel size


def _imagej_voxel_size(file: Any, ndim: int) -> Floats:
    """Return spacing and inverse resolution; without a unit ImageJ has no calibration."""
    metadata, tags = file.imagej_metadata, file.pages[0].tags
    if str(metadata.get("unit", "pixel")).lower() in ("", "pixel", "pixels"):
        return ()
    sizes = [float(metadata.get("spacing", 1.0))]
    for name in ("YResolution", "XResolution"):
        pixels, unit = tags[name].value if name in tags else (1, 1)
        # Ratios of 32-bit integers: more digits than they carry would only be noise.
        sizes.append(float(f"{unit / pixels:.7g}") if pixels else math.nan)
    return tuple(sizes[-ndim:])


def _ome_voxel_size(location: Location, xml: str, ndim: int) -> Floats:
    pixels = ElementTree.fromstring(xml).find("{*}Image/{*}Pixels")
    if pixels is None or "PhysicalSizeX" not in pixels.attrib:
        return ()
    axes = "ZYX"[-ndim:]
    units = {
        pixels.get(f"PhysicalSize{axis}Unit", "µm") for axis in axes if f"PhysicalSize{axis}" in pixels.attrib
    }
    if len(units) > 1:
        raise VolumeError(
            f"`{location}` must state its voxel size in one unit, got {', '.join(sorted(units))}"
        )
    return tuple(float(pixels.get(f"PhysicalSize{axis}", 1.0)) for axis in axes)
