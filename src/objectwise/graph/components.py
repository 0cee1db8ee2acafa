"""Objects as connected components of an affinity graph."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectwise.checks import check_affinities, check_edges, check_threshold
from objectwise.graph.axes import as_channels, as_steps
from objectwise.graph.neighborhood import Offsets, offsets_array
from objectwise.kernels.components import components_above


def components_from_affinities(
    affinities: NDArray[Any], offsets: Offsets, threshold: float
) -> NDArray[np.int64]:
    """Label the connected components of the edges above a threshold.

    Parameters
    ----------
    affinities : (k, *spatial) float32 or float64, finite
        Channel i at voxel v is the edge (v, v + offsets[i]); edges that leave the volume are never read.
    offsets : Neighborhood or (k, ndim) int, voxels
    threshold : float
        An edge joins its voxels where its affinity is strictly greater, compared in the affinities' dtype.

    Returns
    -------
    (*spatial) int64
        1, 2, ... in C order of each component's first voxel; 0 for a voxel that no edge joins to another.

    Raises
    ------
    DtypeError, ShapeError, ArgumentError
        If affinities and offsets do not fit each other, are empty or not finite, or `threshold` is no number
        that the affinities' dtype can hold.

    Examples
    --------
    >>> components_from_affinities(np.array([[[0, 0.9, 0.2, 0.8, 0.1]]]), [[0, -1]], threshold=0.5)
    array([[1, 1, 2, 2, 0]])
    """
    check_affinities(affinities)
    table = offsets_array(offsets)
    check_edges(affinities, table)
    value = affinities.dtype.type(check_threshold(threshold, affinities.dtype))
    labels: NDArray[np.int64] = components_above(as_channels(affinities), as_steps(table), value)
    return labels.reshape(affinities.shape[1:])
