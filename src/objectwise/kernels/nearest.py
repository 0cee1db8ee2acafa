"""Nearest points by a grid whose cells hold about one point each."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray


@njit(cache=True, nogil=True)
def nearest_points(points: NDArray[np.float64], queries: NDArray[np.float64]) -> NDArray[np.int64]:
    """Find the nearest of the points (n, 3), at least one, to every query (m, 3); the first of several.

    Cells are searched in growing cubes around the query until nothing outside can be nearer. For points
    spread over space that is O(1) a query.
    """
    n = len(points)
    low, high = np.empty(3), np.empty(3)
    for axis in range(3):
        low[axis], high[axis] = points[:, axis].min(), points[:, axis].max()
    extent = np.maximum(high - low, 1e-9)
    # A flat cloud of points fills no volume: its thin axes get one cell.
    size = _cell_size(extent, n)
    shape = np.minimum((extent / size).astype(np.int64) + 1, n)
    begins, order = _listed(points, low, size, shape)
    nearest = np.empty(len(queries), np.int64)
    for i in range(len(queries)):
        nearest[i] = _nearest(points, queries[i], low, size, shape, begins, order)
    return nearest


@njit(cache=True, nogil=True)
def box_distances(
    first: NDArray[np.int64],
    second: NDArray[np.int64],
    partners: NDArray[np.int64],
    spacing: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return the distance of every first box (n, ndim, 2) to its partner among the second ones.

    1 - IoU + (distance of the middles / diagonal of the box around both)^2, in 0..2 (Zheng et al. 2020).
    """
    distances = np.empty(len(first))
    for i in range(len(first)):
        common, here, there, apart, diagonal = 1.0, 1.0, 1.0, 0.0, 0.0
        for axis in range(first.shape[1]):
            a, b = first[i, axis, 0], first[i, axis, 1]
            c, d = second[partners[i], axis, 0], second[partners[i], axis, 1]
            size = spacing[axis]
            common *= max(min(b, d) - max(a, c), 0) * size
            here *= (b - a) * size
            there *= (d - c) * size
            apart += ((a + b - c - d) * size / 2) ** 2
            diagonal += ((max(b, d) - min(a, c)) * size) ** 2
        distances[i] = 1 - common / (here + there - common) + apart / diagonal
    return distances


@njit(cache=True, nogil=True)
def _cell_size(extent: NDArray[np.float64], n: int) -> float:
    """Return the side of cubes of which about n cover the extent."""
    longest = extent.max()
    size = longest / n
    for _ in range(3):
        product, axes = 1.0, 0
        for axis in range(3):
            if extent[axis] > size:
                product *= extent[axis]
                axes += 1
        size = max(size, (product / n) ** (1.0 / max(axes, 1)))
    return size


@njit(cache=True, nogil=True)
def _cell_of(
    point: NDArray[np.float64], low: NDArray[np.float64], size: float, shape: NDArray[np.int64], axis: int
) -> int:
    return min(max(int(np.floor((point[axis] - low[axis]) / size)), 0), shape[axis] - 1)


@njit(cache=True, nogil=True)
def _listed(
    points: NDArray[np.float64], low: NDArray[np.float64], size: float, shape: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return where the list of every cell begins, and the points in the order of their cells."""
    cells = np.empty(len(points), np.int64)
    begins = np.zeros(shape[0] * shape[1] * shape[2] + 1, np.int64)
    for i in range(len(points)):
        cell = 0
        for axis in range(3):
            cell = cell * shape[axis] + _cell_of(points[i], low, size, shape, axis)
        cells[i] = cell
        begins[cell + 1] += 1
    begins = np.cumsum(begins)
    order = np.empty(len(points), np.int64)
    free = begins.copy()
    for i in range(len(points)):
        order[free[cells[i]]] = i
        free[cells[i]] += 1
    return begins, order


@njit(cache=True, nogil=True, inline="always")
def _aside(query: float, low: float, size: float, cell: int) -> float:
    """Return how far, at least, a query lies beside the points of a cell along one axis."""
    begin = low + cell * size
    slack = 1e-6 * size  # rounding lets points stick out of their cell
    return max(begin - query - slack, query - begin - size - slack, 0.0)


@njit(cache=True, nogil=True)
def _nearest(
    points: NDArray[np.float64],
    query: NDArray[np.float64],
    low: NDArray[np.float64],
    size: float,
    shape: NDArray[np.int64],
    begins: NDArray[np.int64],
    order: NDArray[np.int64],
) -> int:
    cz, cy, cx = (
        _cell_of(query, low, size, shape, 0),
        _cell_of(query, low, size, shape, 1),
        _cell_of(query, low, size, shape, 2),
    )
    best, least = -1, np.inf
    reach = 0
    while reach == 0 or reach <= shape.max():
        for z in range(max(cz - reach, 0), min(cz + reach, shape[0] - 1) + 1):
            aside_z = _aside(query[0], low[0], size, z) ** 2
            if aside_z > least:
                continue
            for y in range(max(cy - reach, 0), min(cy + reach, shape[1] - 1) + 1):
                aside = aside_z + _aside(query[1], low[1], size, y) ** 2
                if aside > least:
                    continue
                inside = abs(z - cz) < reach and abs(y - cy) < reach  # the last cube has been here
                step = max(1, 2 * reach) if inside else 1
                for x in range(cx - reach, cx + reach + 1, step):
                    if x < 0 or x >= shape[2] or aside + _aside(query[2], low[2], size, x) ** 2 > least:
                        continue
                    cell = (z * shape[1] + y) * shape[2] + x
                    for k in range(begins[cell], begins[cell + 1]):
                        i = order[k]
                        distance = (
                            (points[i, 0] - query[0]) ** 2
                            + (points[i, 1] - query[1]) ** 2
                            + (points[i, 2] - query[2]) ** 2
                        )
                        if distance < least or (distance == least and i < best):
                            best, least = i, distance
        # Whatever lies beyond the cube is at least this far away, also from a query outside the grid.
        if best >= 0 and (reach * size) ** 2 > least:
            break
        reach += 1
    return best
