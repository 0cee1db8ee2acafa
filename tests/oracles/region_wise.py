"""Region-wise maps as a student would make them: SciPy, one transform a class, a side and a sample."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import distance_transform_edt


def masks_of(labels: np.ndarray, n_classes: int) -> np.ndarray:
    """Return (n, c, *spatial) masks of (n, *spatial) class indices; an ignored voxel is in none."""
    return np.stack([labels == c for c in range(n_classes)], 1)


def side(mask: np.ndarray, kind: str, spacing: tuple[float, ...]) -> np.ndarray:
    """Return what stands inside a mask, whose border is there or not."""
    if kind == "constant":
        return np.ones(mask.shape)
    if mask.all():  # no border
        return np.full(mask.shape, 0.0 if kind == "distance" else 1.0)
    distances = distance_transform_edt(mask, sampling=spacing)
    return distances / max(distances.max(), 1e-300) if kind == "normalized" else distances


def region_wise_map(
    masks: np.ndarray, inside: str, outside: str, spacing: tuple[float, ...] | None = None
) -> np.ndarray:
    """Return the map of (n, c, *spatial) masks, float64."""
    spacing = spacing or (1.0,) * (masks.ndim - 2)
    maps = np.empty(masks.shape)
    for sample, channel in np.ndindex(masks.shape[:2]):
        mask = masks[sample, channel]
        maps[sample, channel] = np.where(mask, -side(mask, inside, spacing), side(~mask, outside, spacing))
    return maps


def published_boundary_map(masks: np.ndarray) -> np.ndarray:
    """Return the map of jmlipman's BoundaryLoss, float32, with its two faults.

    A class that is absent takes the distances of the class before; one that fills the patch has the distances
    that SciPy gives where there is no border, to a voxel outside the first corner.
    """
    maps = np.zeros(masks.shape, np.float32)
    for sample, channel in np.ndindex(masks.shape[:2]):
        mask = masks[sample, channel]
        if mask.any():
            within, beyond = distance_transform_edt(mask), distance_transform_edt(~mask)
        maps[sample, channel] = beyond * ~mask - within * mask
    return maps


def published_rectified_map(masks: np.ndarray) -> np.ndarray:
    """Return the map of jmlipman's RWLoss, float32: a class that fills the patch has SciPy's distances."""
    maps = np.ones(masks.shape, np.float32)
    for sample, channel in np.ndindex(masks.shape[:2]):
        mask = masks[sample, channel]
        distances = distance_transform_edt(mask).astype(np.float32)
        if mask.any():
            maps[sample, channel] = np.where(mask, -distances / distances.max(), 1)
    return maps
