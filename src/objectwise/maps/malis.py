"""MALIS pair counts: for each edge, the pairs of voxels whose connection it decides."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from objectwise.checks import (
    check_affinities,
    check_bool,
    check_edges,
    check_labels,
    check_mask,
    check_unlabelled,
)
from objectwise.errors import ArgumentError, ShapeError
from objectwise.graph import Offsets, offsets_array
from objectwise.graph.axes import as_channels, as_steps, as_volume
from objectwise.kernels import malis
from objectwise.kernels.cycles import FIRST
from objectwise.kernels.edge_counts import EdgeCounts, dense
from objectwise.kernels.edge_lists import edge_states, most_voxels
from objectwise.kernels.edge_order import order_keys


class PairCounts(NamedTuple):
    """How many pairs of voxels each edge decides, shaped like the affinities, uint64."""

    positive: NDArray[np.uint64]
    """Pairs of one object: the edge should be high."""
    negative: NDArray[np.uint64]
    """Pairs of two objects: the edge should be low."""


def malis_pair_counts(
    affinities: NDArray[Any],
    labels: NDArray[Any],
    offsets: Offsets,
    *,
    constrained: bool = True,
    edge_mask: NDArray[np.bool_] | None = None,
    unlabelled: NDArray[np.bool_] | None = None,
) -> PairCounts:
    """Count, for each edge, the pairs of voxels for which it is the maximin edge.

    The maximin edge of a pair is the weakest edge on the best path between its two voxels. It alone decides
    whether thresholding the affinities leaves the pair connected.

    Parameters
    ----------
    affinities : (k, *spatial) float32 or float64, finite, no unit
        Higher means "same instance"; only the order of the values matters, so logits serve as well.
        Channel i at voxel v is the edge (v, v + offsets[i]); edges that leave the volume are never read.
    labels : (*spatial) integer, 2-D or 3-D
        0 is background: it makes no pair, and its edges join nothing that belongs together.
    offsets : Neighborhood or (k, ndim) int, voxels
    constrained : bool
        True (Funke et al. 2019): pairs of one object are counted on paths inside that object, and pairs of
        two objects on paths on which every object is already whole. False (Turaga et al. 2009): both kinds
        are counted on the one maximum spanning forest of the affinities.
    edge_mask : (k, *spatial) bool, optional
        False where the truth of an edge is unknown, as around a region that nobody labelled. Such an edge
        keeps its affinity in both passes and counts nothing. Unknown is not background.
    unlabelled : (*spatial) bool, optional
        True for voxels known to lie outside every labelled object and not resolved into objects themselves.
        Together they are one more object for the negative pairs; edges between two of them are unknown. Their
        label must be 0.

    Returns
    -------
    PairCounts
        `positive` and `negative`, (k, *spatial) uint64. Constrained positive counts stand on edges within an
        object only, negative ones on all other edges.

    Raises
    ------
    DtypeError, ShapeError, ArgumentError
        If an array has another dtype or shape, an affinity is not finite (the message names the first), a
        label is negative, or an offset is longer than the volume.

    Notes
    -----
    Ties go to the lower edge index; in the constrained negative pass edges within an object come before all
    others, so saturated predictions still blame the edges between objects. One sort and one union-find over
    the edges: O(E) for the sort, nearly O(E) for the forest.

    References
    ----------
    Turaga, Briggman, Helmstaedter, Denk, Seung: "Maximin affinity learning of image segmentation", 2009.
    Funke, Tschopp, Grisaitis, Sheridan, Singh, Saalfeld, Turaga: "Large scale image segmentation with
    structured loss based deep learning for connectome reconstruction", 2019.

    Examples
    --------
    The edge between objects 1 and 2 decides all four pairs of them.

    >>> chain = np.array([[[0.0, 0.9, 0.4, 0.8]]])
    >>> positive, negative = malis_pair_counts(chain, np.array([[1, 1, 2, 2]]), [[0, -1]])
    >>> positive[0, 0], negative[0, 0]
    (array([0, 1, 0, 1], dtype=uint64), array([0, 0, 4, 0], dtype=uint64))
    """
    check_bool(constrained, name="constrained")
    check_affinities(affinities)
    check_labels(labels)
    if affinities.shape[1:] != labels.shape:
        raise ShapeError(
            f"`labels` must have the spatial shape of `affinities` {affinities.shape[1:]}, got {labels.shape}"
        )
    table = offsets_array(offsets)
    check_edges(affinities, table)
    if edge_mask is not None:
        check_mask(edge_mask, name="edge_mask", like=affinities, like_name="affinities")
    if unlabelled is not None:
        check_unlabelled(unlabelled, labels)
    counts = edge_pair_counts(affinities, labels, table, edge_mask, unlabelled, constrained=constrained)
    return PairCounts(*(dense(one, affinities.shape) for one in counts))


def edge_pair_counts(
    affinities: NDArray[Any],
    labels: NDArray[Any],
    offsets: NDArray[np.int64],
    edge_mask: NDArray[np.bool_] | None,
    unlabelled: NDArray[np.bool_] | None,
    *,
    constrained: bool,
) -> tuple[EdgeCounts, EdgeCounts]:
    """Return the counts of `malis_pair_counts` without the zeros, of arguments that have passed its checks.

    The edges that decide pairs are fewer than voxels, a third of the edges at most.
    """
    _check_size(labels.size, len(offsets))
    if unlabelled is not None:
        labels, edge_mask = _with_unlabelled(labels, unlabelled, offsets, edge_mask)
    graph = (
        as_channels(order_keys(affinities)),
        as_volume(_same_bits(np.ascontiguousarray(labels))),
        as_steps(offsets),
    )
    if constrained and edge_mask is not None:
        return malis.masked_counts(*graph, as_channels(edge_mask))
    if constrained:
        return malis.constrained_counts(*graph)
    positive, negative = malis.unconstrained_counts(*graph)
    if unlabelled is not None:
        positive = _without_pairs_inside(positive, unlabelled, affinities, graph[2])
    if edge_mask is None:
        return positive, negative
    return positive.where(edge_mask), negative.where(edge_mask)


def _with_unlabelled(
    labels: NDArray[Any],
    unlabelled: NDArray[np.bool_],
    offsets: NDArray[np.int64],
    edge_mask: NDArray[np.bool_] | None,
) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Make the unlabelled voxels one object, under an id that is free, and the edges inside it unknown."""
    inside = edge_states(as_volume(unlabelled.view(np.uint8)), as_steps(offsets)) & FIRST
    known = (inside == 0).reshape(len(offsets), *labels.shape)
    labels = labels.astype(np.uint64)
    last = labels.max()
    if (
        last == np.iinfo(np.uint64).max
    ):  # taken: the id before the first gap; there are fewer ids than numbers
        ids = np.unique(labels)
        last = ids[np.flatnonzero(np.diff(ids) > 1)[0]]
    labels[unlabelled] = last + np.uint64(1)
    return labels, known if edge_mask is None else np.logical_and(edge_mask, known, out=known)


def _without_pairs_inside(
    counts: EdgeCounts, unlabelled: NDArray[np.bool_], affinities: NDArray[Any], steps: NDArray[np.int64]
) -> EdgeCounts:
    """Take away the pairs of unlabelled voxels on the one forest; if they belong together is unknown."""
    keys = as_channels(order_keys(affinities))
    inside, _ = malis.unconstrained_counts(keys, as_volume(unlabelled.view(np.uint8)), steps)
    pairs = counts.pairs - dense(inside, affinities.shape).reshape(-1)[counts.edges].view(np.int64)
    return EdgeCounts(counts.edges[pairs > 0], pairs[pairs > 0])


def _same_bits(labels: NDArray[Any]) -> NDArray[Any]:
    """View signed ids, none of them negative, as unsigned: half as many dtypes to compile kernels for."""
    return labels.view(np.dtype(f"u{labels.itemsize}"))


def _check_size(n_voxels: int, n_channels: int) -> None:
    """Require voxel and channel of an edge to fit into 32 bits, and a set's size into an int32."""
    most = most_voxels(n_channels)
    if n_voxels > most:
        raise ArgumentError(
            f"`labels` must have at most {most} voxels with {n_channels} channels, got {n_voxels}; "
            "count a large volume block by block"
        )
