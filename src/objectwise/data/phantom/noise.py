"""Smooth random fields with a physical grain, and the boxes that small objects are painted into."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]


def smooth_noise(
    rng: np.random.Generator, shape: Sequence[int], spacing: Sequence[float], grain: Sequence[float]
) -> Float32:
    """Return cubic B-spline noise of mean 0 and variance 1 everywhere.

    A lattice of normal numbers, one node per `grain` (same unit as `spacing`), is interpolated axis by
    axis. Three small matrix products cost less than a filter, and the grain is independent of the voxel size.
    """
    weights = [_spline_weights(n, s / g) for n, s, g in zip(shape, spacing, grain, strict=True)]
    field = rng.standard_normal([w.shape[1] for w in weights]).astype(np.float32)
    for axis, weight in enumerate(weights):
        field = np.moveaxis(np.tensordot(weight, field, axes=(1, axis)), 0, axis)
    return np.ascontiguousarray(field)


def _spline_weights(n: int, step: float) -> Float32:
    """Return (n, nodes) B-spline weights of the points 0, step, 2 step..., rows of unit length."""
    position = np.arange(n) * step
    first = np.floor(position).astype(np.int64)
    t = position - first
    rows = np.stack(
        [(1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3],
        axis=1,
    )
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    weights = np.zeros((n, int(first[-1]) + 4), dtype=np.float32)
    np.put_along_axis(weights, first[:, None] + np.arange(4), rows.astype(np.float32), axis=1)
    return weights


def box_around(
    centre: NDArray[Any], reach: float, spacing: Sequence[float], shape: Sequence[int]
) -> tuple[slice, ...] | None:
    """Return the voxels within `reach` of `centre` along every axis, or None where there are none."""
    box = []
    for c, s, n in zip(centre, spacing, shape, strict=True):
        low = max(0, int(np.ceil((c - reach) / s)))
        high = min(n, int(np.floor((c + reach) / s)) + 1)
        if low >= high:
            return None
        box.append(slice(low, high))
    return tuple(box)


def squared_distances(centre: NDArray[Any], box: tuple[slice, ...], spacing: Sequence[float]) -> Float32:
    """Return the squared distances of a box's voxels from a point."""
    z, y, x = (
        (np.arange(part.start, part.stop, dtype=np.float32) * np.float32(s) - np.float32(c)) ** 2
        for part, s, c in zip(box, spacing, centre, strict=True)
    )
    total: Float32 = z[:, None, None] + y[:, None] + x
    return total
