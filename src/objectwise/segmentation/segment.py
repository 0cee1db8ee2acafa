"""From affinities to instances, by the name of a method."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectwise.checks import check_affinities, check_choice
from objectwise.errors import ArgumentError
from objectwise.graph import Offsets
from objectwise.segmentation.agglomeration import FRAGMENT_THRESHOLD, region_graph
from objectwise.segmentation.probabilities import check_probabilities, check_probability
from objectwise.segmentation.size import check_minimum_size
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
    affinities : (k, *spatial) float32 or float64, 0..1
        Channel i at voxel v is the edge (v, v + offsets[i]); edges that leave the volume are never read.
    offsets : Neighborhood or (k, ndim) int, voxels
    method : {"components", "watershed", "agglomeration"}
        `components` leaves voxels between objects background (`threshold_components`); `watershed`
        gives them to an object (`seeded_watershed`); `agglomeration` merges the fragments of a watershed by
        their mean affinity (`agglomerate`).
    threshold : float, 0..1
        An edge joins its voxels where its affinity is greater; with `agglomeration`, two fragments where
        their mean affinity is.
    minimum_size : int, voxels
        No object has fewer: smaller ones become background (`components`), or join a neighbour.
    fragment_threshold : float, 0..1, optional
        With `agglomeration` only: where the watershed cuts; 0.98 by default.

    Returns
    -------
    (*spatial) int64
        Objects are 1, 2, ... without gaps; 0 is background.

    Raises
    ------
    DtypeError, ShapeError, ArgumentError
        If an argument is not what it must be, does not fit the others, or has no effect; if affinities inside
        the volume, or a threshold, lie outside 0..1. `threshold_components` and `seeded_watershed` take any.

    Examples
    --------
    >>> affinities = np.array([[[0, 0.9, 0.3, 0.2, 0.8]]])
    >>> segment(affinities, [[0, -1]], threshold=0.5)
    array([[1, 1, 0, 2, 2]])
    """
    check_affinities(affinities)
    check_probability(threshold, affinities.dtype)
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
    table = check_segmentation(
        affinities, offsets, method=method, minimum_size=minimum_size, fragment_threshold=fragment_threshold
    )
    if method == "agglomeration":
        cut = FRAGMENT_THRESHOLD if fragment_threshold is None else fragment_threshold
        return region_graph(affinities, table, minimum_size=minimum_size, fragment_threshold=cut).cut
    function = threshold_components if method == "components" else seeded_watershed

    def segment_at(threshold: float) -> NDArray[np.int64]:
        check_probability(threshold, affinities.dtype)
        return function(affinities, table, threshold=threshold, minimum_size=minimum_size)

    return segment_at


def check_segmentation(
    affinities: NDArray[Any],
    offsets: Offsets,
    *,
    method: str,
    threshold: float | None = None,
    minimum_size: int = 0,
    fragment_threshold: float | None = None,
) -> NDArray[np.int64]:
    """Raise what `segment` would raise before it begins, else return the table of the offsets."""
    check_choice(method, METHODS, name="method")
    if fragment_threshold is not None and method != "agglomeration":
        raise ArgumentError(
            f"`fragment_threshold` must be left out with `method` {method!r}, got {fragment_threshold!r}; "
            "it has an effect with 'agglomeration' only"
        )
    check_minimum_size(minimum_size)
    check_affinities(affinities)
    for name, value in {"threshold": threshold, "fragment_threshold": fragment_threshold}.items():
        if value is not None:
            check_probability(value, affinities.dtype, name=name)
    return check_probabilities(affinities, offsets)
