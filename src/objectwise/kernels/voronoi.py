"""Which labelled voxel is nearest: an exact Euclidean feature transform, axis by axis.

Along a line, the squared distance to the object of voxel q is a parabola with its vertex at q; the nearest
object at each voxel is the lowest parabola there. The lower envelope of all parabolas is found in one sweep,
and three sweeps along the axes, each starting from the distances of the one before, give the distance in
space (Felzenszwalb and Huttenlocher 2012). The label travels with its parabola.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from objectwise.kernels.compiling import compiled


@compiled
def sweep_planes(
    distances: NDArray[np.float32], labels: NDArray[np.int32], size: tuple[float, float]
) -> None:
    """Write the squared distance to the nearest object within each plane of (z, y, x) labels, and its label.

    Background is 0 and stays so in planes without an object; distances are infinite there. `size` is that of
    a voxel along y and x. Of equally near voxels the first in C order is taken.
    """
    for z in range(labels.shape[0]):
        for y in range(labels.shape[1]):
            for x in range(labels.shape[2]):
                distances[z, y, x] = 0 if labels[z, y, x] > 0 else np.inf
        sweep_lines(distances[z : z + 1], labels[z : z + 1], size[1], False)
        sweep_lines(
            distances[z : z + 1].transpose(0, 2, 1), labels[z : z + 1].transpose(0, 2, 1), size[0], False
        )


@compiled
def sweep_lines(distances: NDArray[np.float32], labels: NDArray[np.int32], size: float, last: bool) -> None:
    """Give each voxel the squared distance and label of the nearest object along the last axis, in place.

    Squared distances are those of the sweeps before, along other axes; the `last` sweep leaves them, for
    nobody reads them. Of equally near objects the one that comes first on the line is taken.
    """
    n = labels.shape[2]
    memory = np.empty(n, np.int64), np.empty(n), np.empty(n), np.empty(n, np.int32), _half_inverses(n)
    for i in range(labels.shape[0]):
        for j in range(labels.shape[1]):
            _lower_envelope(distances[i, j], labels[i, j], size * size, last, *memory)


@compiled
def _half_inverses(n: int) -> NDArray[np.float64]:
    """Return 1 / (2 d) for d < n, and a hair more: in a tie, rounded or not, the first parabola stays."""
    inverses = np.empty(n)
    for d in range(1, n):
        inverses[d] = (0.5 + 1e-12) / d
    return inverses


@compiled
def _lower_envelope(
    distances: NDArray[np.float32],
    labels: NDArray[np.int32],
    square: float,
    last: bool,
    vertices: NDArray[np.int64],
    begins: NDArray[np.float64],
    constants: NDArray[np.float64],
    owners: NDArray[np.int32],
    half_inverses: NDArray[np.float64],
) -> None:
    """Replace squared distances and labels along a line by those of the lowest parabola.

    That of vertex q is `square` (x^2 - 2 q x + c); it is lower than that of p < q from
    (c_q - c_p) / (2 (q - p)) on.
    """
    n, per_square = 0, 1 / square
    for q in range(labels.size):
        if labels[q] == 0:
            continue
        constant = np.float64(distances[q]) * per_square + q * q
        begin = -np.inf
        while n > 0:
            begin = (constant - constants[n - 1]) * half_inverses[q - vertices[n - 1]]
            if begin > begins[n - 1]:
                break
            n -= 1
            begin = -np.inf
        vertices[n], begins[n], constants[n], owners[n] = q, begin, constant, labels[q]
        n += 1
    start = 0
    for k in range(n):
        vertex, stop = vertices[k], labels.size
        # Compared as a float: with an odd spacing it lies beyond all integers.
        if k + 1 < n and begins[k + 1] < stop:
            stop = min(stop, max(start, np.int64(np.floor(begins[k + 1])) + 1))
        if not last:
            own, height = distances[vertex], constants[k] - vertex * vertex
            for x in range(start, stop):
                distances[x] = square * (height + (x - vertex) * (x - vertex))
            if start <= vertex < stop:  # `height` has lost what is small beside `vertex` squared
                distances[vertex] = own
        for x in range(start, stop):
            labels[x] = owners[k]
        start = stop
