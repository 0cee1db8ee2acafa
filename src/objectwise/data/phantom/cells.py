"""From balls to cells: which neurite owns a voxel, and how far away its nearest neighbour begins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from objectwise.data.phantom.neurites import Balls
from objectwise.data.phantom.noise import Float32, smooth_noise
from objectwise.kernels.balls import FAR, two_nearest_owners


class Cells(NamedTuple):
    """The partition of space among neurites, all arrays (z, y, x), lengths in voxels of the finest axis."""

    owner: NDArray[np.int32]
    """Neurite of each voxel, from 0."""
    neighbour: NDArray[np.int32]
    """Neurite beyond the nearest border; -1 where it is far."""
    border: Float32
    """Distance to that border, within the section and across sections alike; large where it is far."""
    tilt: Float32
    """Change of that distance per unit along z: 0 for a membrane cut upright, 1 or -1 for one cut flat."""


def warped_coordinates(
    rng: np.random.Generator, shape: Sequence[int], spacing: Sequence[float], cell_size: float
) -> Float32:
    """Return the place in the straight tissue of every voxel: growing cells push and bend each other."""
    grids = np.meshgrid(
        *(np.arange(n, dtype=np.float32) * np.float32(s) for n, s in zip(shape, spacing, strict=True)),
        indexing="ij",
    )
    warped = [
        grid
        + np.float32(0.18 * cell_size) * smooth_noise(rng, shape, spacing, [1.5 * cell_size] * 3)
        + np.float32(0.04 * cell_size) * smooth_noise(rng, shape, spacing, [0.4 * cell_size] * 3)
        for grid in grids
    ]
    return np.stack(warped)


def divide_space(balls: Balls, place: Float32, spacing: Sequence[float], cell_size: float) -> Cells:
    """Give each voxel to the neurite with the nearest surface (a Voronoi diagram of balls).

    Parameters
    ----------
    balls : Balls
    place : (3, z, y, x) float32
        Of `warped_coordinates`.
    spacing : (3,) float
        Voxel size, with 1 for the finest axis.
    cell_size : float
    """
    owners = balls.owner.astype(np.int32)
    # No place is further from a ball than a thin neurite is wide; the warp moves it by up to half a cell.
    distances, nearest = two_nearest_owners(
        np.column_stack([balls.centre, balls.radius]).astype(np.float32),
        owners,
        0.9 * cell_size,
        place,
        np.asarray(spacing, dtype=np.float32),
    )
    _fill_unreached(nearest[0], spacing)
    border, tilt = _borders(balls, place, nearest, distances)
    neighbour = np.where(nearest[1] >= 0, owners[nearest[1]], np.int32(-1))
    return Cells(owners[nearest[0]], neighbour, border, tilt)


def _fill_unreached(nearest: NDArray[np.int32], spacing: Sequence[float]) -> None:
    """Give voxels that no ball reached to the owner of the nearest voxel, in place."""
    unreached = nearest < 0
    if unreached.all():
        nearest[:] = 0
    elif unreached.any():
        index = ndimage.distance_transform_edt(
            unreached, sampling=spacing, return_distances=False, return_indices=True
        )
        nearest[:] = nearest[tuple(index)]


def _borders(
    balls: Balls, place: Float32, nearest: NDArray[np.int32], distances: Float32
) -> tuple[Float32, Float32]:
    """Turn the difference of two surface distances into a distance from the border between them.

    That difference grows by |u2 - u1| per unit, with u the direction away from each ball: by 2 between two
    balls that face each other, and by less beside them, where membranes would come out too thick.
    """
    centres = balls.centre.astype(np.float32)
    border = np.full(place.shape[1:], FAR, dtype=np.float32)
    tilt = np.zeros(place.shape[1:], dtype=np.float32)
    at = np.nonzero((nearest[1] >= 0) & (distances[1] < FAR))
    here = np.stack([axis[at] for axis in place], axis=1)
    to_first = here - centres[nearest[0][at]]
    to_second = here - centres[nearest[1][at]]
    to_first /= np.maximum(np.linalg.norm(to_first, axis=1, keepdims=True), 1e-3)
    to_second /= np.maximum(np.linalg.norm(to_second, axis=1, keepdims=True), 1e-3)
    gradient = to_second - to_first
    steepness = np.maximum(np.linalg.norm(gradient, axis=1), 0.5)
    border[at] = (distances[1][at] - distances[0][at]) / steepness
    tilt[at] = gradient[:, 0] / steepness
    return border, tilt
