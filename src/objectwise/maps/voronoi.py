"""The Voronoi partition: every voxel belongs to the object that is nearest."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectwise.checks import check_labels, check_not_empty, check_spacing
from objectwise.graph.axes import as_volume, check_spatial
from objectwise.kernels.voronoi import sweep_lines, sweep_planes
from objectwise.maps.distances import scaled_spacing
from objectwise.maps.instance_cells import dense_ids
from objectwise.threads import in_threads, thread_count


def voronoi_regions(labels: NDArray[Any], spacing: Sequence[float] | None = None) -> NDArray[Any]:
    """Give every voxel the id of the nearest object.

    Parameters
    ----------
    labels : (y, x) or (z, y, x) integer, not negative
        0 is background; any ids serve.
    spacing : (ndim,) float, optional
        Size of a voxel; 1 by default.

    Returns
    -------
    (*spatial), dtype of `labels`
        A new array; 0 everywhere if there is no object. Of objects equally near, always the same is taken,
        whatever the unit of `spacing`.

    Raises
    ------
    DtypeError, ShapeError, ArgumentError
        If `labels` are no integers, negative or empty, or `spacing` does not fit.

    Notes
    -----
    Exact, in O(voxels).

    References
    ----------
    Felzenszwalb, Huttenlocher: "Distance transforms of sampled functions", 2012. Voronoi regions of
    components: Jaus et al., "Every Component Counts", 2025.

    Examples
    --------
    >>> voronoi_regions(np.array([[7, 0, 0, 0, 0, 9]]))
    array([[7, 7, 7, 9, 9, 9]])
    """
    check_labels(labels)
    check_spatial(labels.shape, name="labels")
    check_not_empty(labels, name="labels")
    size = _relative_sizes(check_spacing(spacing, ndim=labels.ndim), labels.shape)
    if labels.max() > np.iinfo(np.int32).max:
        numbers, n = dense_ids(labels)
        ids = np.zeros(n + 1, labels.dtype)
        ids[numbers] = labels
        return np.asarray(ids[voronoi_regions(numbers, spacing)])
    regions = np.array(labels, np.int32, order="C")
    _spread(as_volume(regions), size if size.size == 3 else np.concatenate(([1.0], size)))
    return np.asarray(regions, labels.dtype)


def _relative_sizes(spacing: Sequence[float], shape: Sequence[int]) -> NDArray[np.float64]:
    """Return sizes of voxels of which the smallest is a power of two, so that the unit decides no tie.

    Squares of 0.1 are rounded, those of 1 are not. The others are taken as float32, as distances are: 0.3 is
    then 3 times 0.1, which in float64 it is not.
    """
    scaled = np.array(scaled_spacing(spacing, shape)[0])
    mantissa, _ = np.frexp(scaled.min())
    sizes: NDArray[np.float64] = (scaled / mantissa).astype(np.float32).astype(np.float64)
    return sizes


def _spread(labels: NDArray[np.int32], spacing: NDArray[np.float64]) -> None:
    """Give every voxel of (z, y, x) labels the label of the nearest voxel that has one, in place.

    Of voxels equally near the first in C order is taken; where float32 rounds the squares of `spacing`,
    whichever seems nearer. Lines do not depend on each other, so any number of threads gives the same.
    """
    distances = np.empty(labels.shape, np.float32)
    in_threads(
        lambda z: sweep_planes(distances[z], labels[z], (spacing[1], spacing[2])), _shares(len(labels))
    )
    if len(labels) > 1:
        columns = distances.transpose(1, 2, 0), labels.transpose(1, 2, 0)
        in_threads(
            lambda y: sweep_lines(columns[0][y], columns[1][y], spacing[0], True), _shares(labels.shape[1])
        )


def _shares(n: int) -> list[slice]:
    """Cut n planes into some shares for each thread, so that none waits long for another."""
    bounds = np.linspace(0, n, min(n, 4 * thread_count()) + 1, dtype=int)
    return [slice(*share) for share in pairwise(bounds)]
