"""Which labelled voxel is nearest: an exact Euclidean feature transform, axis by axis.

Along a line, the squared distance to the object of voxel q is a parabola with its vertex at q; the nearest
object at each voxel is the lowest parabola there. The lower envelope of all parabolas is found in one sweep,
and three sweeps along the axes, each starting from the distances of the one before, give the distance in
space (Felzenszwalb and Huttenlocher 2012). The label travels with its parabola.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray


@njit(cache=True, nogil=True)
def sweep_planes(
    distances: NDArray[np.float32], labels: NDArray[np.int32], size: tuple[float, float]
) -> None:
    """Write the squared distance to the nearest object within each plane of (z, y, x) labels, and its label.

    Background is 0 and stays so in planes without an object; distances are infinite there. `size` is that of
    a voxel along y and x. Of equally near objects the one that comes first along x, then y, is taken.
    """
    for z in range(labels.shape[0]):
        for y in range(labels.shape[1]):
            for x in range(labels.shape[2]):
                distances[z, y, x] = 0 if labels[z, y, x] > 0 else np.inf
        sweep_lines(distances[z : z + 1], labels[z : z + 1], size[1])
        sweep_lines(distances[z : z + 1].transpose(0, 2, 1), labels[z : z + 1].transpose(0, 2, 1), size[0])


@njit(cache=True, nogil=True)
def sweep_lines(distances: NDArray[np.float32], labels: NDArray[np.int32], size: float) -> None:
    """Give each voxel the squared distance and label of the nearest object along the last axis, in place.

    Squared distances are those of the sweeps before, along other axes. Of equally near objects the one that
    comes first on the line is taken.
    """
    sweep = _line_memory(labels.shape[2])
    for i in range(labels.shape[0]):
        for j in range(labels.shape[1]):
            _lower_envelope(distances[i, j], labels[i, j], size, *sweep)


@njit(cache=True, nogil=True)
def _line_memory(
    longest: int,
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64], NDArray[np.int32]]:
    """Return memory for a line: vertices, where each parabola begins to be lowest, heights, labels."""
    return (
        np.empty(longest, np.int64),
        np.empty(longest, np.float64),
        np.empty(longest, np.float64),
        np.empty(longest, np.int32),
    )


@njit(cache=True, nogil=True)
def _lower_envelope(
    distances: NDArray[np.float32],
    labels: NDArray[np.int32],
    size: float,
    vertices: NDArray[np.int64],
    begins: NDArray[np.float64],
    heights: NDArray[np.float64],
    owners: NDArray[np.int32],
) -> None:
    """Replace squared distances and labels along a line by those of the lowest parabola."""
    square = size * size
    n = 0
    for q in range(distances.size):
        if labels[q] == 0:
            continue
        height = np.float64(distances[q])
        begin = -np.inf
        while n > 0:
            p = vertices[n - 1]
            begin = ((height - heights[n - 1]) / square + q * q - p * p) / (2.0 * (q - p))
            if begin > begins[n - 1]:
                break
            n -= 1
            begin = -np.inf
        vertices[n], begins[n], heights[n], owners[n] = q, begin, height, labels[q]
        n += 1
    k = 0
    for q in range(distances.size):
        if n == 0:
            break
        while k + 1 < n and begins[k + 1] < q:
            k += 1
        apart = q - vertices[k]
        distances[q] = heights[k] + square * apart * apart
        labels[q] = owners[k]
