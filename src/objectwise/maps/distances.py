"""Exact Euclidean distances to the border of a class, several classes in one pass where that is possible."""

from __future__ import annotations

from collections.abc import Sequence
from math import frexp, hypot, ldexp
from typing import Any

import edt
import numpy as np
from numpy.typing import NDArray

from objectwise.errors import ArgumentError
from objectwise.threads import thread_count

Distances = NDArray[np.float32]
FLOAT32 = np.finfo(np.float32)
EXTENT = 50  # largest extent of a scaled volume, as a power of 2: squares of all distances fit float32
LEAST_SIZE = 2.0**-62  # of a voxel in it, for the same reason
COMMON = 2.0**-30, 2.0**30  # sizes and extents that fit as they are


def check_distances(spacing: Sequence[float], shape: Sequence[int], power: float = 1.0) -> None:
    """Require sizes of voxels whose distances, to a power, float32 can hold."""
    with np.errstate(over="ignore", under="ignore"):
        least = np.float64(min(spacing)) ** power
        most = np.float64(hypot(*(size * n for size, n in zip(spacing, shape, strict=True)))) ** power
    if least < FLOAT32.tiny or most > FLOAT32.max:
        what = "distances" if power == 1 else f"distances to the power {power:g}"
        raise ArgumentError(
            f"`spacing` must give {what} that float32 can hold, 1e-38 to 3e38, got {tuple(spacing)} for "
            f"{tuple(shape)} voxels; take another unit"
        )


def scaled_spacing(spacing: Sequence[float], shape: Sequence[int]) -> tuple[tuple[float, ...], int]:
    """Return sizes of voxels times a power of two, and its exponent, so that squared distances fit float32.

    A power of two changes no bit of a result but its exponent. Squares of 1e-25 would all be 0.
    """
    extents = [frexp(size)[1] + n.bit_length() for size, n in zip(spacing, shape, strict=True)]
    exponent = EXTENT - max(extents)
    scaled = tuple(ldexp(size, exponent) for size in spacing)
    if min(scaled) < LEAST_SIZE:
        raise ArgumentError(
            f"`spacing` must not differ by more than about 1e30 from axis to axis, got {tuple(spacing)}"
        )
    return scaled, exponent


def distances_within(indices: NDArray[Any], spacing: tuple[float, ...]) -> Distances:
    """Return, for every voxel, the distance to the nearest voxel of another class.

    `indices` are unsigned, (*spatial). Where only one class is there, distances are infinite. All classes
    take one pass, which rounds to float32; with a spacing of 1 the squared distances are exact.
    """
    # 0 would be background to the transform, of which no distance is taken.
    return _transform(indices + indices.dtype.type(1), spacing)


def signed_distances(mask: NDArray[np.bool_], spacing: tuple[float, ...]) -> Distances:
    """Return the distance to the nearest voxel on the other side of the border, negative inside the mask.

    Infinite where there is no border.
    """
    distances = _transform(mask.astype(np.uint8) + np.uint8(1), spacing)
    return np.negative(distances, out=distances, where=mask)


def _transform(regions: NDArray[Any], spacing: tuple[float, ...]) -> Distances:
    regions = np.ascontiguousarray(regions)
    exponent = 0
    if min(spacing) < COMMON[0] or max(np.multiply(spacing, regions.shape)) > COMMON[1]:
        spacing, exponent = scaled_spacing(spacing, regions.shape)
    # Threads within a transform, not transforms side by side: edt keeps the GIL.
    distances = edt.edt(regions, anisotropy=spacing, black_border=False, parallel=thread_count())
    return np.asarray(distances if exponent == 0 else np.ldexp(distances, -exponent))
