"""From affinities to instances, by the name of a method."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectwise.checks import check_choice
from objectwise.errors import ArgumentError
from objectwise.graph import Offsets
from objectwise.segmentation.agglomeration import FRAGMENT_THRESHOLD, region_graph
from objectwise.segmentation.threshold import threshold_components
from objectwise.segmentation.watershed import seeded_watershed

METHODS = ("components", "watershed", "agglomeration")


def segment(
    affinities: NDArray[Any],
    offsets: Offsets,
    *,
    method: str = "components",
    threshold: float,
    minimum_size: int = 0,
    fragment_threshold: float | None = None,
) -> NDArray[np.int64]:
    """Segment a volume of affinities.

    Parameters
    ----------
    affinities : (k, *spatial) float32 or float64, finite
        Channel i at voxel v is the edge (v, v + offsets[i]); edges that leave the volume are never read.
    offsets : Neighborhood or (k, ndim) int, voxels
    method : {"components", "watershed", "agglomeration"}
        `components` leaves voxels between objects background (`threshold_components`); `watershed`
        gives them to an object (`seeded_watershed`); `agglomeration` merges the fragments of a watershed by
        their mean affinity (`agglomerate`).
    threshold : float
        An edge joins its voxels where its affinity is greater; with `agglomeration`, two fragments where
        their mean affinity is.
    minimum_size : int, voxels
        No object has fewer: smaller ones become background (`components`), or join a neighbour.
    fragment_threshold : float, optional
        With `agglomeration` only: where the watershed cuts; 0.98 by default.

    Returns
    -------
    (*spatial) int64
        Objects are 1, 2, ... without gaps; 0 is background.

    Raises
    ------
    DtypeError, ShapeError, ArgumentError
        If an argument is not what it must be, does not fit the others, or has no effect.

    Examples
    --------
    >>> affinities = np.array([[[0, 0.9, 0.3, 0.2, 0.8]]])
    >>> segment(affinities, [[0, -1]], threshold=0.5)
    array([[1, 1, 0, 2, 2]])
    """
    segment_at = segmenter(
        affinities, offsets, method=method, minimum_size=minimum_size, fragment_threshold=fragment_threshold
    )
    return segment_at(threshold)


def segmenter(
    affinities: NDArray[Any],
    offsets: Offsets,
    *,
    method: str = "components",
    minimum_size: int = 0,
    fragment_threshold: float | None = None,
) -> Callable[[float], NDArray[np.int64]]:
    """Return `segment` as a function of the threshold alone; what all thresholds share is done once, here.

    Parameters and errors are those of `segment`.
    """
    check_choice(method, METHODS, name="method")
    if method == "agglomeration":
        cut = FRAGMENT_THRESHOLD if fragment_threshold is None else fragment_threshold
        return region_graph(affinities, offsets, minimum_size=minimum_size, fragment_threshold=cut).cut
    if fragment_threshold is not None:
        raise ArgumentError(
            f"`fragment_threshold` must be left out with `method` {method!r}, got {fragment_threshold!r}; "
            "it has an effect with 'agglomeration' only"
        )
    function = threshold_components if method == "components" else seeded_watershed

    def segment_at(threshold: float) -> NDArray[np.int64]:
        return function(affinities, offsets, threshold=threshold, minimum_size=minimum_size)

    return segment_at
