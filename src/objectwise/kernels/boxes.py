"""How far boxes are from each other: 1 - IoU + (distance of the middles / diagonal of the box around both)^2.

In 0..2 (Zheng et al. 2020). A box is its first corner and the one behind its last, (ndim, 2) integers.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from objectwise.kernels.compiling import compiled, inlined

SLACK = 1e-5
"""Of bounds in double precision against distances in single precision."""


@compiled
def box_distances(
    first: NDArray[np.int64],
    second: NDArray[np.int64],
    partners: NDArray[np.int64],
    spacing: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return the distance of every first box (n, ndim, 2) to its partner among the second ones."""
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


@compiled
def least_distances(first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the distance of every first box to the nearest of the second ones, at least one.

    Middles are rounded up and quotients taken in single precision, as PyTorch does with integers. A walk goes
    both ways from each box along the sorted middles of the others, until none that follows can be nearer.
    """
    middles = second[:, :, 0] + (second[:, :, 1] - second[:, :, 0] + 1) // 2
    axis = _widest_axis(middles)
    order = np.argsort(middles[:, axis])
    listed, middles = second[order], middles[order]
    longest = np.zeros(second.shape[1], np.int64)
    for k in range(second.shape[1]):
        longest[k] = (second[:, k, 1] - second[:, k, 0]).max()
    places = middles[:, axis].copy()
    least = np.empty(len(first))
    for i in range(len(first)):
        box, best, square = first[i], np.inf, 0.0
        for k in range(len(longest)):
            square += (max(box[k, 1] - box[k, 0], longest[k]) + 1) ** 2
        reach = np.sqrt(square)
        behind = np.searchsorted(places, box[axis, 0] + (box[axis, 1] - box[axis, 0] + 1) // 2)
        for step in (1, -1):
            j = behind if step > 0 else behind - 1
            while 0 <= j < len(listed) and not _is_farther(box, middles[j], longest, reach, axis, best):
                farther = False
                for k in range(len(longest)):
                    farther |= k != axis and _is_farther(box, middles[j], longest, reach, k, best)
                if not farther:
                    best = min(best, _distance(box, listed[j]))
                j += step
        least[i] = best
    return least


@compiled
def _widest_axis(points: NDArray[np.int64]) -> int:
    widest, best = 0, -1
    for axis in range(points.shape[1]):
        extent = points[:, axis].max() - points[:, axis].min()
        if extent > best:
            widest, best = axis, extent
    return widest


@inlined
def _is_farther(
    box: NDArray[np.int64],
    middle: NDArray[np.int64],
    longest: NDArray[np.int64],
    reach: float,
    axis: int,
    best: float,
) -> bool:
    """Say whether boxes with a middle so far along an axis, and not too long, are farther than `best`.

    The box around both is along no axis longer than the gap of the middles and the longer of the two; `reach`
    is the diagonal of the latter.
    """
    gap = abs(box[axis, 0] + (box[axis, 1] - box[axis, 0] + 1) // 2 - middle[axis])
    bound = (gap / (gap + reach)) ** 2
    if 2 * gap > box[axis, 1] - box[axis, 0] + longest[axis] + 2:  # apart, so that their IoU is 0
        bound += 1
    return bound > best + SLACK


@inlined
def _distance(a: NDArray[np.int64], b: NDArray[np.int64]) -> float:
    common, here, there, diagonal = 1, 1, 1, 0
    apart = np.float32(0)
    for k in range(len(a)):
        common *= max(min(a[k, 1], b[k, 1]) - max(a[k, 0], b[k, 0]), 0)
        here *= a[k, 1] - a[k, 0]
        there *= b[k, 1] - b[k, 0]
        step = a[k, 0] + (a[k, 1] - a[k, 0] + 1) // 2 - b[k, 0] - (b[k, 1] - b[k, 0] + 1) // 2
        apart += np.float32(step) * np.float32(step)
        diagonal += (max(a[k, 1], b[k, 1]) - min(a[k, 0], b[k, 0])) ** 2
    iou = np.float32(common) / np.float32(here + there - common)
    return np.float64(np.float32(1) - iou + apart / (np.float32(diagonal) + np.float32(1e-7)))
