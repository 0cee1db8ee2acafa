"""How far every object is from the nearest one of the other side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from objectwise.checks import check_spacing
from objectwise.kernels.boxes import box_distances
from objectwise.kernels.nearest import nearest_points
from objectwise.losses.inputs import on_device
from objectwise.losses.instances.batch import Batch
from objectwise.maps.instance_cells import ObjectPlaces

FARTHEST = 2.0
"""The limit of 1 - IoU + (distance / diagonal)^2, and the distance to nothing."""


def nearest_distances(batch: Batch, spacing: Sequence[float] | None) -> tuple[Tensor, Tensor]:
    """Return the box distance of every true object to the nearest predicted one, and of every predicted one.

    Nearest by centre of mass, found with a grid: O(1) an object. The distance of two boxes is
    1 - IoU + (distance of their middles / diagonal of the box around both)^2, in 0..2 (Zheng et al. 2020).

    Returns
    -------
    (t,) and (p,) float64
    """
    of_true, of_predicted = [], []
    for predicted, true in zip(batch.predicted_objects.places, batch.true_objects.places, strict=True):
        size = np.array(check_spacing(spacing, ndim=true.centers.shape[1]))
        here, there = _Present.of(true, size), _Present.of(predicted, size)
        of_true.append(_to_nearest(here, there, len(true.sizes), size))
        of_predicted.append(_to_nearest(there, here, len(predicted.sizes), size))
    device = batch.volume.device
    return (
        on_device(torch.from_numpy(np.concatenate(of_true)), device),
        on_device(torch.from_numpy(np.concatenate(of_predicted)), device),
    )


class _Present(NamedTuple):
    """The objects of one side that have voxels."""

    rows: NDArray[np.int64]
    boxes: NDArray[np.int64]
    points: NDArray[np.float64]
    """(n, 3) Centres of mass in units of the spacing."""

    @classmethod
    def of(cls, objects: ObjectPlaces, spacing: NDArray[np.float64]) -> _Present:
        rows = np.flatnonzero(objects.sizes)
        boxes, centers = objects.boxes, objects.centers_of_mass
        if rows.size < len(objects.sizes):
            boxes, centers = boxes[rows], centers[rows]
        points = np.zeros((rows.size, 3))
        np.multiply(centers, spacing, out=points[:, 3 - spacing.size :])
        return cls(rows, boxes, points)


def _to_nearest(
    objects: _Present, others: _Present, n: int, spacing: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the distance of each of n objects, those without voxels included, to the nearest other."""
    distances = np.full(n, FARTHEST)
    if objects.rows.size and others.rows.size:
        nearest = nearest_points(others.points, objects.points)
        distances[objects.rows] = box_distances(objects.boxes, others.boxes, nearest, spacing)
    return distances
