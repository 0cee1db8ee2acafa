"""One rule for raw intensities, for training and prediction alike."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectwise.checks import check_finite, check_not_empty
from objectwise.errors import ArgumentError, DtypeError

PERCENTILES = (0.1, 99.9)
"""Where black and white lie when the dtype does not say: robust to a few hot or dead voxels."""

MAXIMUM_VOXELS = 1_000_000
"""Voxels that the percentiles are estimated from; enough for a thousand in each tail."""


def raw_range(raw: NDArray[Any]) -> tuple[float, float]:
    """Return the intensities that become 0 and 1.

    uint8 images use their whole range (0, 255), so sections of one stack keep their brightness. Every other
    dtype (12 bits stored in 16, signed MRI, floating point of any unit) says little about where the image
    lies, so black and white are the 0.1 and 99.9 percentiles of the volume, estimated from at most a million
    voxels on a regular grid: the same numbers every time.

    Parameters
    ----------
    raw : (*spatial) integer, bool or floating point, finite
        The whole volume: windows of one volume must share one range.

    Returns
    -------
    (low, high) float
        With low < high; a constant image becomes black.

    Raises
    ------
    DtypeError, ShapeError, ArgumentError
        If the array is not numeric, is empty, or has no finite range.
    """
    if raw.dtype == np.uint8:
        return (0.0, 255.0)
    if raw.dtype == np.bool_:
        return (0.0, 1.0)
    if raw.dtype.kind not in "iuf":
        raise DtypeError(f"`raw` must hold integers or floating point numbers, got dtype {raw.dtype}")
    check_not_empty(raw, name="raw")
    step = max(1, int(np.ceil((raw.size / MAXIMUM_VOXELS) ** (1 / raw.ndim))))
    grid = raw[(slice(None, None, step),) * raw.ndim].astype(np.float64)
    check_finite(grid, name="raw")
    low, high = (float(value) for value in np.percentile(grid, PERCENTILES))
    return (low, high) if high > low else (low, low + 1.0)


def normalise_raw(
    raw: NDArray[Any], intensity_range: tuple[float, float] | None = None
) -> NDArray[np.float32]:
    """Map raw intensities to float32 in 0..1; what lies outside the range is clipped.

    Parameters
    ----------
    raw : (*spatial) integer, bool or floating point
    intensity_range : (low, high), optional
        `raw_range` of the whole volume when `raw` is a part of it; by default that of `raw` itself.

    Returns
    -------
    (*spatial) float32
    """
    low, high = raw_range(raw) if intensity_range is None else intensity_range
    if not low < high:
        raise ArgumentError(f"`intensity_range` must ascend, got {(low, high)}")
    result = np.empty(raw.shape, np.float32)
    for section, out in zip(np.atleast_2d(raw), np.atleast_2d(result), strict=True):
        # float64 between: float32 would round large offsets (an int32 image around 2^30) to a staircase.
        # Section by section: the temporary stays small beside the volume.
        scaled = (section.astype(np.float64) - low) / (high - low)
        check_finite(scaled, name="raw")
        out[...] = np.clip(scaled, 0, 1)
    return result
