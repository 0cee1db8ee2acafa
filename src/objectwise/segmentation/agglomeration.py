"""Instances by merging watershed fragments, the pair with the highest mean affinity first."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from objectwise.checks import check_affinities
from objectwise.errors import needs_extra
from objectwise.graph import Offsets
from objectwise.segmentation.probabilities import check_probabilities, check_probability
from objectwise.segmentation.size import check_minimum_size
from objectwise.segmentation.watershed import seeded_watershed

FRAGMENT_THRESHOLD = 0.98
"""Above it single edges join voxels to fragments. Set by trained networks on ISBI 2012 and SNEMI3D: at 0.95
fragments held mergers, at 0.99 they were too small for their mean affinities to tell much."""


class RegionGraph(NamedTuple):
    """Fragments, and the edges between each two that touch."""

    fragments: NDArray[np.int64]
    """(*spatial), 1, 2, ... without gaps; 0 = background."""
    pairs: NDArray[np.uint64]
    """(m, 2) fragment ids, the smaller first, in lexicographic order; no two rows are equal."""
    affinities: NDArray[np.float64]
    """(m,) mean affinity of the edges between the two, never beyond the lowest or the highest of them."""
    sizes: NDArray[np.int64]
    """(m,) number of those edges."""
    dtype: np.dtype[Any]
    """Of the edges' affinities; thresholds are compared in it."""

    def cut(self, threshold: float) -> NDArray[np.int64]:
        """Merge fragments until no two objects have a mean affinity above `threshold`: `agglomerate`."""
        # As components compare: an affinity of float32(0.4) is not above 0.4.
        limit = float(self.dtype.type(check_probability(threshold, self.dtype)))
        with needs_extra("objectwise.segmentation.agglomerate"):
            from bioimage_cpp.graph import UndirectedGraph
            from bioimage_cpp.graph.agglomeration import GaspClusterPolicy
        n_fragments = int(self.fragments.max(initial=0))
        if len(self.pairs) == 0:
            return self.fragments.copy()
        # Mean linkage on the distances to the threshold: it stops where none is positive.
        graph = UndirectedGraph.from_unique_edges(n_fragments + 1, self.pairs)
        objects = GaspClusterPolicy(linkage="mean").optimize(
            graph, self.affinities - limit, edge_sizes=self.sizes.astype(np.float64)
        )
        _, firsts, of_fragment = np.unique(objects[1:], return_index=True, return_inverse=True)
        numbers = np.zeros(n_fragments + 1, np.int64)
        numbers[1:] = (1 + firsts.argsort().argsort())[of_fragment]
        return numbers[self.fragments]


def agglomerate(
    affinities: NDArray[Any],
    offsets: Offsets,
    *,
    threshold: float,
    minimum_size: int = 0,
    fragment_threshold: float = FRAGMENT_THRESHOLD,
) -> NDArray[np.int64]:
    """Cut the volume into fragments, and merge them while their mean affinity is above a threshold.

    A component, or a watershed, joins two objects through a single wrong edge. Here such an edge counts as
    one of the hundreds that the two objects share: of all pairs of objects the one with the highest mean
    affinity merges first, means are taken anew, and so on down to `threshold`.

    Parameters
    ----------
    affinities : (k, *spatial) float32 or float64, 0..1
        Channel i at voxel v is the edge (v, v + offsets[i]); edges that leave the volume are never read.
        Probabilities, because means are taken: of logits, one sure edge would outvote the others.
    offsets : Neighborhood or (k, ndim) int, voxels
        Any edges; all edges between two fragments count alike. With 2-D offsets embedded as (0, dy, dx), no
        object reaches from one section into another.
    threshold : float, 0..1
        Of the mean affinity of two objects; strict, compared in the affinities' dtype.
    minimum_size : int, voxels
        Of the fragments' seeds, hence of every object.
    fragment_threshold : float, 0..1
        Fragments are `seeded_watershed` at this threshold: high, because what a fragment joins stays joined.

    Returns
    -------
    (*spatial) int64
        1, 2, ... without gaps, in the order of each object's first fragment; 0 for voxels that no path joins
        to a fragment.

    Raises
    ------
    DtypeError, ShapeError, ArgumentError
        If affinities and offsets do not fit each other, are empty or not in 0..1; if a threshold is not in
        0..1 or `minimum_size` is negative.
    MissingPackageError
        If bioimage-cpp (extra `pipeline`) is not installed.

    References
    ----------
    K. Lee, J. Zung, P. Li, V. Jain, H. S. Seung, "Superhuman accuracy on the SNEMI3D connectomics challenge",
    2017 (mean affinity agglomeration). A. Bailoni et al., "GASP, a generalized framework for agglomerative
    clustering of signed graphs", CVPR 2022 (the implementation, through bioimage-cpp).

    Examples
    --------
    >>> to_left = [[0, 0.99, 0.2, 0.99], [0, 0.99, 0.4, 0.99]]
    >>> upwards = [[0, 0, 0, 0], [0.99, 0.99, 0.99, 0.99]]
    >>> affinities = np.array([to_left, upwards])
    >>> agglomerate(affinities, [[0, -1], [-1, 0]], threshold=0.5)
    array([[1, 1, 2, 2],
           [1, 1, 2, 2]])
    >>> agglomerate(affinities, [[0, -1], [-1, 0]], threshold=0.2)
    array([[1, 1, 1, 1],
           [1, 1, 1, 1]])
    """
    check_affinities(affinities)
    check_probability(threshold, affinities.dtype)
    graph = region_graph(
        affinities, offsets, minimum_size=minimum_size, fragment_threshold=fragment_threshold
    )
    return graph.cut(threshold)


def region_graph(
    affinities: NDArray[Any],
    offsets: Offsets,
    *,
    minimum_size: int = 0,
    fragment_threshold: float = FRAGMENT_THRESHOLD,
) -> RegionGraph:
    """Return the fragments of `agglomerate` and what lies between them: one graph, cut at many thresholds.

    Parameters and errors are those of `agglomerate`.
    """
    table = check_probabilities(affinities, offsets)
    check_minimum_size(minimum_size)
    check_probability(fragment_threshold, affinities.dtype, name="fragment_threshold")
    fragments = seeded_watershed(affinities, table, threshold=fragment_threshold, minimum_size=minimum_size)
    n_keys = int(fragments.max(initial=0)) + 1
    keys, crossing = [], []
    for channel, offset in zip(affinities, table, strict=True):
        here, there = _ends(offset, fragments.shape)
        first, second = fragments[here], fragments[there]
        crosses = (first != second) & (first > 0) & (second > 0)
        first, second = first[crosses], second[crosses]
        keys.append(np.minimum(first, second) * n_keys + np.maximum(first, second))
        crossing.append(channel[here][crosses])
    values = np.concatenate(crossing)
    pairs, of_edge = np.unique(np.concatenate(keys), return_inverse=True)
    sizes = np.bincount(of_edge, minlength=len(pairs))
    sums = np.bincount(of_edge, values, minlength=len(pairs))
    ids = np.stack(np.divmod(pairs, n_keys), axis=1).astype(np.uint64)
    means = np.clip(sums / sizes, *_extremes(of_edge, values, len(pairs)))
    return RegionGraph(fragments, ids, means, sizes, affinities.dtype)


def _extremes(of_edge: NDArray[np.intp], values: NDArray[Any], n_pairs: int) -> list[NDArray[Any]]:
    """Return the lowest and the highest value of each pair: rounding gives three times 0.4 a mean above."""
    lowest, highest = np.full(n_pairs, np.inf, values.dtype), np.full(n_pairs, -np.inf, values.dtype)
    np.minimum.at(lowest, of_edge, values)
    np.maximum.at(highest, of_edge, values)
    return [lowest, highest]


def _ends(offset: NDArray[np.int64], spatial: tuple[int, ...]) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Return the boxes of the first and of the second ends of the edges that stay inside."""
    steps = [(int(step), size) for step, size in zip(offset, spatial, strict=True)]
    here = tuple(slice(max(-step, 0), size - max(step, 0)) for step, size in steps)
    there = tuple(slice(max(step, 0), size + min(step, 0)) for step, size in steps)
    return here, there
