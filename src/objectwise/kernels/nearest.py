"""Nearest points by a grid whose cells hold about one point each."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from objectwise.kernels.compiling import compiled, inlined
from objectwise.kernels.nearest_in_tree import nearest_in_tree

MARGIN = 2.0
"""Cells that a query may lie outside of all points and still look at few of them."""
MOST_LOOKED_AT = 32
"""Points in the cell of a query, on average, up to which the grid is faster than the tree."""


@compiled
def nearest_points(points: NDArray[np.float64], queries: NDArray[np.float64]) -> NDArray[np.int64]:
    """Find the nearest of the points (n, 3), at least one, to every query (m, 3); the first of several.

    Cubes of cells around the query grow until one holds a point; then all cells are searched that may hold a
    nearer one. For points spread over space, and queries among them, that is O(1) a query. A tree takes over,
    O(log n), where a few points far off leave one cell to all others or queries come from far away. Point 0
    answers a query from which no distance is finite.
    """
    n = len(points)
    low, high = np.empty(3), np.empty(3)
    for axis in range(3):
        low[axis], high[axis] = points[:, axis].min(), points[:, axis].max()
    extent = np.maximum(high - low, 1e-9)
    # A flat cloud of points fills no volume: its thin axes get one cell.
    density = 1 / _cell_size(extent, n)
    shape = np.minimum((extent * density).astype(np.int64) + 1, n)
    begins, order = _listed(points, low, density, shape)
    if _is_slow(begins, queries, low, high, density):
        return nearest_in_tree(points, queries)
    listed = points[order]
    nearest = np.empty(len(queries), np.int64)
    for i in range(len(queries)):
        nearest[i] = _nearest(listed, queries[i], low, density, shape, begins, order)
    return nearest


@compiled
def _is_slow(
    begins: NDArray[np.int64],
    queries: NDArray[np.float64],
    low: NDArray[np.float64],
    high: NDArray[np.float64],
    density: float,
) -> bool:
    """Say whether cells are so full, or queries so far outside, that a tree takes less time than the grid.

    Queries among the points meet full cells as often as points do. One from outside may meet every point.
    """
    n, in_company, outside, margin = begins[-1], 0, 0, MARGIN / density
    for cell in range(len(begins) - 1):
        in_company += (begins[cell + 1] - begins[cell]) ** 2
    for i in range(len(queries)):
        out = False
        for axis in range(3):
            out |= queries[i, axis] < low[axis] - margin or queries[i, axis] > high[axis] + margin
        outside += out
    return in_company / n * len(queries) + outside * n > MOST_LOOKED_AT * (n + len(queries))


@compiled
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


@compiled
def _cell_of(place: float, low: float, density: float, cells: int) -> int:
    """Return the cell of a place along one axis, the first or last for those outside."""
    cell = (place - low) * density
    if not cell > 0:  # NaN too
        return 0
    return int(cell) if cell < cells else cells - 1


@compiled
def _listed(
    points: NDArray[np.float64], low: NDArray[np.float64], density: float, shape: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return where the list of every cell begins, and the points in the order of their cells."""
    cells = np.empty(len(points), np.int64)
    begins = np.zeros(shape[0] * shape[1] * shape[2] + 1, np.int64)
    for i in range(len(points)):
        cell = 0
        for axis in range(3):
            cell = cell * shape[axis] + _cell_of(points[i, axis], low[axis], density, shape[axis])
        cells[i] = cell
        begins[cell + 1] += 1
    begins = np.cumsum(begins)
    order = np.empty(len(points), np.int64)
    free = begins.copy()
    for i in range(len(points)):
        order[free[cells[i]]] = i
        free[cells[i]] += 1
    return begins, order


@compiled
def _nearest(
    points: NDArray[np.float64],
    query: NDArray[np.float64],
    low: NDArray[np.float64],
    density: float,
    shape: NDArray[np.int64],
    begins: NDArray[np.int64],
    order: NDArray[np.int64],
) -> int:
    """Search cubes of cells around the query until one holds a point, then all that may hold a nearer one."""
    best, least, reach = -1, np.inf, 0.0
    while best < 0 and reach < np.inf:
        best, least = _nearest_in_cube(points, query, reach, low, density, shape, begins, order, best, least)
        reach = max(2 * reach, 1 / density)
    if best < 0:
        return 0
    # Rounding lets points stick out of their cell.
    reach = np.sqrt(least) + 1e-6 / density
    return _nearest_in_cube(points, query, reach, low, density, shape, begins, order, best, least)[0]


@inlined
def _nearest_in_cube(
    points: NDArray[np.float64],
    query: NDArray[np.float64],
    reach: float,
    low: NDArray[np.float64],
    density: float,
    shape: NDArray[np.int64],
    begins: NDArray[np.int64],
    order: NDArray[np.int64],
    best: int,
    least: float,
) -> tuple[int, float]:
    """Improve on the best point so far by those in the cells that lie within `reach` along every axis."""
    first, last = (
        _cell_of(query[2] - reach, low[2], density, shape[2]),
        _cell_of(query[2] + reach, low[2], density, shape[2]),
    )
    for z in range(
        _cell_of(query[0] - reach, low[0], density, shape[0]),
        _cell_of(query[0] + reach, low[0], density, shape[0]) + 1,
    ):
        for y in range(
            _cell_of(query[1] - reach, low[1], density, shape[1]),
            _cell_of(query[1] + reach, low[1], density, shape[1]) + 1,
        ):
            row = (z * shape[1] + y) * shape[2]
            for k in range(begins[row + first], begins[row + last + 1]):  # cells of a row lie side by side
                distance = (
                    (points[k, 0] - query[0]) ** 2
                    + (points[k, 1] - query[1]) ** 2
                    + (points[k, 2] - query[2]) ** 2
                )
                if distance < least or (distance == least and order[k] < best):
                    best, least = order[k], distance
    return best, least
