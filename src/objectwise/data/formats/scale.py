"""Voxel sizes with a unit, as ImageJ, OME-TIFF, OME-Zarr and NIfTI state them."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree

import numpy as np

from objectwise.data.formats.common import Floats, Location
from objectwise.errors import ArgumentError, ObjectwiseWarning, VolumeError

_NANOMETRES = {
    "pm": 1e-3, "picometer": 1e-3, "picometre": 1e-3,
    "å": 0.1, "angstrom": 0.1,
    "nm": 1.0, "nanometer": 1.0, "nanometre": 1.0,
    "um": 1e3, "micron": 1e3, "microns": 1e3, "micrometer": 1e3, "micrometre": 1e3,
    "mm": 1e6, "millimeter": 1e6, "millimetre": 1e6,
    "cm": 1e7, "centimeter": 1e7, "centimetre": 1e7,
    "m": 1e9, "meter": 1e9, "metre": 1e9,
    "in": 2.54e7, "inch": 2.54e7,
}  # fmt: skip
_NO_UNIT = ("", "pixel", "pixels", "voxel", "reference frame")


def in_nanometres(location: Location, sizes: Sequence[float], unit: str) -> Floats:
    """Return lengths in nanometres; nothing, with a warning, if the unit is no length that we know."""
    name = unit.strip().lower().replace("\\u00b5", "u").replace("\u00b5", "u").replace("\u03bc", "u")
    if name in _NO_UNIT:
        return ()
    if name not in _NANOMETRES:
        _warn_of_no_scale(location, f"its unit {unit!r} is no length we know")
        return ()
    # The product of two decimals has a digit of rounding too much: 0.0046 um would be 4.6000000000000005 nm.
    return tuple(float(f"{size * _NANOMETRES[name]:.12g}") for size in sizes)


def ome_xml_scale(location: Location, xml: str, ndim: int) -> Floats:
    """Return the voxel size that OME's description of a TIFF states, in nanometres."""
    pixels = ElementTree.fromstring(xml).find("{*}Image/{*}Pixels")
    axes = "ZYX"[-ndim:]
    sizes = {} if pixels is None else {axis: pixels.get(f"PhysicalSize{axis}") for axis in axes}
    stated = {axis: float(size) for axis, size in sizes.items() if size is not None}
    if pixels is None or not stated:
        return ()
    units = sorted({pixels.get(f"PhysicalSize{axis}Unit", "µm") for axis in stated})
    if len(units) > 1:
        raise VolumeError(f"`{location}` must state its voxel size in one unit, got {', '.join(units)}")
    if len(stated) < ndim:
        missing = next(axis for axis in axes if axis not in stated)
        _warn_of_no_scale(
            location, f"it states PhysicalSize{next(iter(stated))}, and no PhysicalSize{missing}"
        )
        return ()
    return in_nanometres(location, [stated[axis] for axis in axes], units[0])


@dataclass(frozen=True)
class Multiscale:
    """What OME-Zarr states of one array: how many axes of length 1 go before z, y, x, and the scale."""

    leading: int
    voxel_size: Floats
    offset: Floats


def ome_zarr_scale(
    location: Location,
    attributes: Mapping[str, Any],
    path: str,
    shape: Sequence[int],
    channel_axis: int | None = None,
) -> Multiscale | None:
    """Return what a group states of its array at `path`; None if it is no multiscale image with it."""
    for image in attributes.get("ome", attributes).get("multiscales", ()):
        for level in image.get("datasets", ()):
            if level["path"] == path:
                return _multiscale(location, image, level, shape, channel_axis)
    return None


def _multiscale(
    location: Location,
    image: Mapping[str, Any],
    level: Mapping[str, Any],
    shape: Sequence[int],
    channel_axis: int | None,
) -> Multiscale:
    # Before version 0.4 an axis is its name, and before 0.3 they are always these.
    axes = [axis if isinstance(axis, dict) else {"name": axis} for axis in image.get("axes", "tczyx")]
    names = "".join(str(axis["name"]).lower() for axis in axes)
    kept = _kept_axes(location, names, shape, channel_axis)
    leading = len(names) - len(kept) - (channel_axis is not None)
    steps = (*level.get("coordinateTransformations", ()), *image.get("coordinateTransformations", ()))
    size, offset = np.ones(len(axes)), np.zeros(len(axes))
    try:
        for step in steps:
            scale, shift = step.get("scale", np.ones(len(axes))), step.get("translation", np.zeros(len(axes)))
            size, offset = size * scale, offset * scale + shift
    except (TypeError, ValueError) as error:
        raise VolumeError(
            f"`{location}` must have one scale and translation per axis, got {steps}"
        ) from error
    units = sorted({str(axes[at].get("unit", "")) for at in kept})
    if len(units) > 1:
        stated = ", ".join(map(repr, units))
        raise VolumeError(f"`{location}` must state its voxel size in one unit, got {stated}")
    size, offset = size[kept], offset[kept]
    if units == [""]:
        return Multiscale(leading, tuple(size.tolist()), tuple(offset.tolist()))
    return Multiscale(
        leading,
        in_nanometres(location, size.tolist(), units[0]),
        in_nanometres(location, offset.tolist(), units[0]),
    )


def _kept_axes(location: Location, names: str, shape: Sequence[int], channel_axis: int | None) -> list[int]:
    """Return where z, y and x stand among the axes; those of length 1 go before them, and channels."""
    if channel_axis is not None and "c" in names and names[channel_axis : channel_axis + 1] != "c":
        raise ArgumentError(
            f"`channel_axis` must be {names.index('c')} for `{location}` of axes {names} and shape "
            f"{tuple(shape)}, got {channel_axis}"
        )
    others = [at for at in range(len(names)) if at != channel_axis]
    n_leading = next((number for number, at in enumerate(others) if names[at] not in "tc"), len(others))
    kept, dropped = others[n_leading:], others[:n_leading]
    if (
        len(names) != len(shape)
        or "".join(names[at] for at in kept) not in ("yx", "zyx")
        or any(shape[at] != 1 for at in dropped)
        or (channel_axis is not None and any(at > channel_axis for at in dropped))
    ):
        raise VolumeError(
            f"`{location}` must be one image or one stack of sections, got axes {names} with shape "
            f"{tuple(shape)}; channels and times are no sections, and channels are read where their axis "
            "is given"
        )
    return kept


def _warn_of_no_scale(location: Location, reason: str) -> None:
    warnings.warn(
        f"the voxel size of `{location}` counts as not stated (1): {reason}", ObjectwiseWarning, stacklevel=2
    )
