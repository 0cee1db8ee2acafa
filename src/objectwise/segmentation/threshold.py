"""Instances as connected components of the affinity graph."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectwise.graph import Offsets, components_from_affinities
from objectwise.segmentation.size import check_minimum_size, number_objects, remove_small_objects


def threshold_components(
    affinities: NDArray[Any], offsets: Offsets, *, threshold: float, minimum_size: int = 0
) -> NDArray[np.int64]:
    """Label the connected components of the edges with an affinity above `threshold`.

    Parameters
    ----------
    affinities : (k, *spatial) float32 or float64, finite
        Channel i at voxel v is the edge (v, v + offsets[i]); edges that leave the volume are never read.
    offsets : Neighborhood or (k, ndim) int, voxels
        With 2-D offsets embedded as (0, dy, dx), no object reaches from one section into another.
    threshold : float
        Strict: an edge joins its voxels where its affinity is greater.
    minimum_size : int, voxels
        Components with fewer voxels become background.

    Returns
    -------
    (*spatial) int64
        1, 2, ... without gaps, in C order of each component's first voxel; 0 for a voxel that no edge
        joins to another, and for components that are too small.

    Raises
    ------
    DtypeError, ShapeError, ArgumentError
        If affinities and offsets do not fit each other, are empty or not finite; if `threshold` is not finite
        or `minimum_size` is negative.

    Examples
    --------
    >>> affinities = np.array([[[0, 0.9, 0.2, 0.8, 0.7]]])
    >>> threshold_components(affinities, [[0, -1]], threshold=0.5)
    array([[1, 1, 2, 2, 2]])
    >>> threshold_components(affinities, [[0, -1]], threshold=0.5, minimum_size=3)
    array([[0, 0, 1, 1, 1]])
    """
    check_minimum_size(minimum_size)
    components = components_from_affinities(affinities, offsets, threshold)
    if minimum_size <= 2:  # no component is smaller than two voxels
        return components
    return number_objects(remove_small_objects(components, minimum_size))
