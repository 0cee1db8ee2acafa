"""From affinities to instances, by the name of a method."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectwise.checks import check_choice
from objectwise.graph import Offsets
from objectwise.segmentation.threshold import threshold_components
from objectwise.segmentation.watershed import seeded_watershed

METHODS = {"components": threshold_components, "watershed": seeded_watershed}


def segment(
    affinities: NDArray[Any],
    offsets: Offsets,
    *,
    method: str = "components",
    threshold: float,
    minimum_size: int = 0,
) -> NDArray[np.int64]:
    """Segment a volume of affinities.

    Parameters
    ----------
    affinities : (k, *spatial) float32 or float64, finite
        Channel i at voxel v is the edge (v, v + offsets[i]); edges that leave the volume are never read.
    offsets : Neighborhood or (k, ndim) int, voxels
    method : {"components", "watershed"}
        `components` leaves voxels between objects background (`threshold_components`); `watershed`
        gives them to an object (`seeded_watershed`).
    threshold : float
        An edge joins its voxels where its affinity is greater.
    minimum_size : int, voxels
        No object has fewer: smaller ones become background, or join a neighbour (`watershed`).

    Returns
    -------
    (*spatial) int64
        Objects are 1, 2, ... without gaps; 0 is background.

    Raises
    ------
    DtypeError, ShapeError, ArgumentError
        If an argument is not what it must be, or does not fit the others.

    Examples
    --------
    >>> affinities = np.array([[[0, 0.9, 0.3, 0.2, 0.8]]])
    >>> segment(affinities, [[0, -1]], threshold=0.5)
    array([[1, 1, 0, 2, 2]])
    """
    check_choice(method, tuple(METHODS), name="method")
    return METHODS[method](affinities, offsets, threshold=threshold, minimum_size=minimum_size)
