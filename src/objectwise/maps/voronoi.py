"""The Voronoi partition: every voxel belongs to the object that is nearest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectwise.checks import check_labels, check_not_empty, check_spacing
from objectwise.graph.axes import as_volume, check_spatial
from objectwise.kernels.instances import dense_ids
from objectwise.kernels.voronoi import nearest_labels


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
        A new array; 0 everywhere if there is no object. Of objects equally near, always the same is taken.

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
    size = np.array(check_spacing(spacing, ndim=labels.ndim))
    flat = np.ascontiguousarray(labels).reshape(-1)
    regions = np.empty(labels.shape, np.int32)
    n = dense_ids(flat.astype(np.uint64, copy=False), regions.reshape(-1))
    ids = np.zeros(n + 1, labels.dtype)
    ids[regions.reshape(-1)] = flat
    nearest_labels(as_volume(regions), size if size.size == 3 else np.concatenate(([1.0], size)))
    return ids[regions]
