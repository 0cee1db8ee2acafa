"""How far every object is from the nearest one of the other side."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from objectwise.checks import check_spacing
from objectwise.kernels.nearest import box_distances, nearest_points
from objectwise.losses.inputs import on_device
from objectwise.losses.instance_batch import Batch
from objectwise.maps.instance_cells import Objects

FARTHEST = 2.0
"""The limit of 1 - IoU + (distance / diagonal)^2, and the distance to nothing."""


def nearest_distances(batch: Batch, spacing: Sequence[float] | None) -> tuple[Tensor, Tensor]:
    """Return the box distance of every true object to the nearest predicted one, and of every predicted one.

    Nearest by centre of mass, found with a grid: O(1) an object. The distance
    of two boxes is 1 - IoU + (distance of their middles / diagonal of the box around both)^2, in 0..2
    (Zheng et al. 2020).

    Returns
    -------
    (t,) and (p,) float64
    """
    of_true, of_predicted = [], []
    for predicted, true in zip(batch.predicted_objects.places, batch.true_objects.places, strict=True):
        size = np.array(check_spacing(spacing, ndim=true.centers.shape[1]))
        of_true.append(_to_nearest(true, predicted, size))
        of_predicted.append(_to_nearest(predicted, true, size))
    device = batch.volume.device
    return (
        on_device(torch.from_numpy(np.concatenate(of_true)), device),
        on_device(torch.from_numpy(np.concatenate(of_predicted)), device),
    )


def _to_nearest(objects: Objects, others: Objects, spacing: NDArray[np.float64]) -> NDArray[np.float64]:
    there, here = np.flatnonzero(others.sizes > 0), np.flatnonzero(objects.sizes > 0)
    distances = np.full(len(objects.sizes), FARTHEST)
    if there.size and here.size:
        points = _in_space(others.centers_of_mass[there], spacing)
        nearest = there[nearest_points(points, _in_space(objects.centers_of_mass[here], spacing))]
        distances[here] = box_distances(objects.boxes[here], others.boxes, nearest, spacing)
    return distances


def _in_space(places: NDArray[np.float64], spacing: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return positions (n, ndim) in voxels as (n, 3) in units of the spacing."""
    space = np.zeros((len(places), 3))
    np.multiply(places, spacing, out=space[:, 3 - places.shape[1] :])
    return space
