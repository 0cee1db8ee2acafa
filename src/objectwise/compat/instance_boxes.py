"""The boxes of the published instance losses: around centers, and grown ones for the proximity."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from objectwise.kernels.boxes import least_distances
from objectwise.losses.inputs import on_device
from objectwise.maps.instance_cells import ObjectPlaces

DIAGONAL_SMOOTHER = 1e-7
"""The published constant against division by zero; `smoother` does not reach it."""


def center_mask(
    objects: ObjectPlaces, which: NDArray[np.int64], offset: float, level: float, like: Tensor
) -> Tensor:
    """Return a tensor like another with boxes of `level` around the middles of some objects, 0 elsewhere."""
    spatial = tuple(like.shape[2:])
    mask = np.zeros(spatial)
    reach = np.array([math.ceil(length / max(spatial) * offset) for length in spatial])
    middles = np.ceil(objects.centers_of_mass[which]).astype(np.int64)
    starts = np.maximum(middles - reach - 1, 0)  # one further down than up, as published
    stops = np.minimum(middles + reach, spatial)
    for start, stop in zip(starts.tolist(), stops.tolist(), strict=True):
        mask[tuple(slice(a, b) for a, b in zip(start, stop, strict=True))] = level
    return on_device(torch.from_numpy(mask).to(like.dtype), like.device)[None, None]


def grown_boxes(
    objects: ObjectPlaces, which: NDArray[np.int64], spatial: tuple[int, ...]
) -> NDArray[np.int64]:
    """Return (b, ndim, 2) boxes grown by their own length on each side, and one voxel more at the start."""
    first, last = objects.boxes[which, :, 0], objects.boxes[which, :, 1] - 1
    length = np.maximum(last - first, 1)
    return np.stack([np.maximum(first - length - 1, 0), np.minimum(last + length, spatial)], -1)


def nearest_distances(
    first: NDArray[np.int64], second: NDArray[np.int64], spatial: tuple[int, ...], dtype: type[np.floating]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return how far every first box is from the nearest second one, and every second from the nearest first.

    Where a side has no box, one of two voxels amid the sample stands for it, whose corners are of `dtype`.
    """
    if len(first) and len(second):
        return least_distances(first, second), least_distances(second, first)
    if not (len(first) or len(second)):
        return np.zeros(1), np.zeros(1)
    distances = _distances_to_middle(first if len(first) else second, spatial, dtype)
    nearest = distances.min(keepdims=True)
    return (distances, nearest) if len(first) else (nearest, distances)


def _distances_to_middle(
    boxes: NDArray[np.int64], spatial: tuple[int, ...], dtype: type[np.floating]
) -> NDArray[np.float64]:
    middle = np.array([length // 2 for length in spatial])
    starts, stops = boxes[..., 0], boxes[..., 1]
    common = np.clip(np.minimum(stops, middle + 1) - np.maximum(starts, middle - 1), 0, None).prod(1)
    volumes = (stops - starts).prod(1) + 2 ** len(spatial)
    apart = ((starts + (stops - starts + 1) // 2 - middle) ** 2).sum(1)
    diagonal = ((np.maximum(stops, middle + 1) - np.minimum(starts, middle - 1)) ** 2).sum(1)
    iou = common.astype(dtype) / (volumes - common).astype(dtype)
    farther = apart.astype(dtype) / (diagonal.astype(dtype) + dtype(DIAGONAL_SMOOTHER))
    distances: NDArray[np.float64] = (1 - iou + farther).astype(np.float64)
    return distances
