"""The Voronoi diagram of balls, with the second nearest owner beside the nearest."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from objectwise.kernels.compiling import compiled

FAR = np.float32(1e3)


@compiled
def two_nearest_owners(
    balls: NDArray[np.float32],
    owners: NDArray[np.int32],
    margin: float,
    place: NDArray[np.float32],
    spacing: NDArray[np.float32],
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Find the ball with the nearest surface, and the nearest one of any other owner, at every voxel.

    `balls` (n, 4) are centre and radius. `place` (3, z, y, x) holds the position of each voxel, which is
    `spacing * index` or a warp of it. A ball is compared with the voxels whose unwarped position lies within
    its radius and `margin` along every axis. Returns surface distances, FAR where there is none, and balls,
    -1 there, both (2, z, y, x).
    """
    _, depth, height, width = place.shape
    distances = np.full((2, depth, height, width), FAR, np.float32)
    nearest = np.full((2, depth, height, width), -1, np.int32)
    for b in range(len(balls)):
        radius = balls[b, 3]
        reach = radius + margin
        z0, z1 = _range_within(balls[b, 0], reach, spacing[0], depth)
        y0, y1 = _range_within(balls[b, 1], reach, spacing[1], height)
        x0, x1 = _range_within(balls[b, 2], reach, spacing[2], width)
        for z in range(z0, z1):
            for y in range(y0, y1):
                for x in range(x0, x1):
                    dz = place[0, z, y, x] - balls[b, 0]
                    dy = place[1, z, y, x] - balls[b, 1]
                    dx = place[2, z, y, x] - balls[b, 2]
                    # Comparing squares first spares most square roots.
                    limit = distances[1, z, y, x] + radius
                    square = dz * dz + dy * dy + dx * dx
                    if limit <= 0 or square >= limit * limit:
                        continue
                    distance = np.float32(math.sqrt(square)) - radius
                    holder = nearest[0, z, y, x]
                    if distance < distances[0, z, y, x]:
                        if holder >= 0 and owners[holder] != owners[b]:
                            distances[1, z, y, x] = distances[0, z, y, x]
                            nearest[1, z, y, x] = holder
                        distances[0, z, y, x] = distance
                        nearest[0, z, y, x] = b
                    elif owners[holder] != owners[b]:
                        distances[1, z, y, x] = distance
                        nearest[1, z, y, x] = b
    return distances, nearest


@compiled
def _range_within(centre: float, reach: float, step: float, length: int) -> tuple[int, int]:
    """Return the first voxel of an axis within `reach` of `centre`, and one past the last."""
    first = max(0, math.ceil((centre - reach) / step))
    return first, min(length, math.floor((centre + reach) / step) + 1)
