"""Exact Euclidean distances to the border of a class, several classes in one pass where that is possible."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import edt
import numba
import numpy as np
from numpy.typing import NDArray

Distances = NDArray[np.float32]


def distances_within(indices: NDArray[Any], spacing: tuple[float, ...], threads: int = 1) -> Distances:
    """Return, for every voxel, the distance to the nearest voxel of another class.

    `indices` are unsigned, (*spatial). Where only one class is there, distances are infinite. All classes
    take one pass, which rounds to float32; with a spacing of 1 the squared distances are exact.
    """
    # 0 would be background to the transform, of which no distance is taken.
    return _transform(indices + indices.dtype.type(1), spacing, threads)


def signed_distances(mask: NDArray[np.bool_], spacing: tuple[float, ...], threads: int = 1) -> Distances:
    """Return the distance to the nearest voxel on the other side of the border, negative inside the mask.

    Infinite where there is no border.
    """
    distances = _transform(mask.astype(np.uint8) + np.uint8(1), spacing, threads)
    return np.negative(distances, out=distances, where=mask)


def _transform(regions: NDArray[Any], spacing: tuple[float, ...], threads: int) -> Distances:
    regions = np.ascontiguousarray(regions)
    return np.asarray(edt.edt(regions, anisotropy=spacing, black_border=False, parallel=threads))


def in_threads(tasks: Sequence[Callable[[int], None]]) -> None:
    """Run tasks on as many threads as Numba may use, each told how many of them are its own.

    Whole transforms side by side: within one, more threads gain little (128^3 on two cores: nothing).
    """
    threads = numba.get_num_threads()
    own = max(1, threads // max(1, len(tasks)))
    if threads == 1 or len(tasks) < 2:
        for task in tasks:
            task(own)
        return
    with ThreadPoolExecutor(min(threads, len(tasks))) as pool:
        for done in [pool.submit(task, own) for task in tasks]:
            done.result()
