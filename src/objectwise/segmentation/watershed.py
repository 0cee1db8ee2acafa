"""Instances by a seeded watershed on the affinity graph."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectwise.checks import check_affinities, check_edges, check_mask
from objectwise.graph import Offsets, affinities_from_labels, offsets_array
from objectwise.graph.axes import as_channels, as_steps, as_volume
from objectwise.kernels.watershed import flood
from objectwise.segmentation.threshold import threshold_components


def seeded_watershed(
    affinities: NDArray[Any],
    offsets: Offsets,
    *,
    threshold: float,
    minimum_size: int = 0,
    mask: NDArray[np.bool_] | None = None,
) -> NDArray[np.int64]:
    """Grow the large components above a threshold until they meet.

    Seeds are the connected components of the edges above `threshold` with at least `minimum_size` voxels.
    Then the other edges join, from the highest affinity down, voxels and small components to seeds: each
    voxel goes to the seed that it reaches by the best path, the one whose weakest edge is strongest. So
    small components are absorbed by a neighbour, where `threshold_components` makes them background.

    Parameters
    ----------
    affinities : (k, *spatial) float32 or float64, finite
        Channel i at voxel v is the edge (v, v + offsets[i]); edges that leave the volume are never read.
    offsets : Neighborhood or (k, ndim) int, voxels
        Any edges, long ones too; with 2-D offsets embedded as (0, dy, dx), no object reaches from one section
        into another.
    threshold : float
        Of the seeds; strict.
    minimum_size : int, voxels
        Of the seeds, hence of every object. At 0 or 1, every pair of joined voxels is a seed.
    mask : (*spatial) bool, optional
        Foreground. Voxels outside stay 0, seed nothing, and no object passes through them.

    Returns
    -------
    (*spatial) int64
        1, 2, ... without gaps, in C order of each seed's first voxel; 0 outside the mask and for voxels that
        no path joins to a seed.

    Raises
    ------
    DtypeError, ShapeError, ArgumentError
        If affinities, offsets and mask do not fit each other, are empty or not finite; if `threshold` is not
        finite or `minimum_size` is negative.

    Notes
    -----
    A maximum spanning forest rooted in the seeds, that is, a watershed cut. Equal affinities are taken by
    ascending edge index, so the result is one and the same everywhere. The sort dominates:
    O(e log e) for the e edges outside the seeds. Seeds are components because maxima of the distance to the
    boundary cut long thin processes: on the FIB-SEM example of gala (classifier boundaries), flooding the
    same affinities scored CREMI 0.23 from components at 0.5, and 0.79 from the best of six settings of
    distance-transform seeds.

    References
    ----------
    J. Cousty, G. Bertrand, L. Najman, M. Couprie, "Watershed cuts: minimum spanning forests and the drop of
    water principle", 2009. A. Zlateski, H. S. Seung, "Image segmentation by size-dependent single linkage
    clustering of a watershed basin graph", 2015.

    Examples
    --------
    >>> affinities = np.array([[[0, 0.9, 0.3, 0.2, 0.8]]])
    >>> seeded_watershed(affinities, [[0, -1]], threshold=0.5)
    array([[1, 1, 1, 2, 2]])
    """
    check_affinities(affinities)
    table = offsets_array(offsets)
    check_edges(affinities, table)
    spatial = affinities.shape[1:]
    if mask is None:
        mask = np.ones(spatial, np.bool_)
        seeds = threshold_components(affinities, table, threshold=threshold, minimum_size=minimum_size)
    else:
        check_mask(mask, name="mask", like=affinities[0], like_name="one channel of `affinities`")
        inside = _only_inside(affinities, table, mask)
        seeds = threshold_components(inside, table, threshold=threshold, minimum_size=minimum_size)
    labels = flood(as_channels(affinities), as_steps(table), as_volume(seeds), as_volume(mask))
    return labels.reshape(spatial)


def _only_inside(
    affinities: NDArray[Any], offsets: NDArray[np.int64], mask: NDArray[np.bool_]
) -> NDArray[Any]:
    """Return the affinities with every edge that touches a voxel outside the mask below any threshold."""
    is_inside = affinities_from_labels(mask.astype(np.uint8), offsets) == 1
    kept: NDArray[Any] = np.where(is_inside, affinities, np.finfo(affinities.dtype).min)
    return kept
