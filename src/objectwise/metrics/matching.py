"""Which predicted object is which true one: an exact one-to-one matching by overlap."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import min_weight_full_bipartite_matching

from objectwise.checks import check_choice, check_number
from objectwise.errors import ArgumentError
from objectwise.maps.instances import counted_objects
from objectwise.metrics.contingency import ContingencyTable
from objectwise.metrics.protocols import RESERVED_IDS

Overlap = Literal["iou", "dice"]
OVERLAPS: tuple[Overlap, ...] = ("iou", "dice")


class Objects(NamedTuple):
    """Some objects: their ids and how many voxels each has."""

    ids: NDArray[np.uint64]
    """(n,), ascending."""
    sizes: NDArray[np.int64]
    """(n,), voxels."""


class Matching(NamedTuple):
    """A one-to-one matching of true and predicted objects."""

    truth: Objects
    """All true objects."""
    predicted: Objects
    """All predicted objects."""
    pairs: NDArray[np.int64]
    """(p, 2), matched pairs as indices into `truth` and `predicted`, ascending in the first."""
    overlaps: NDArray[np.float64]
    """(p,), the overlap of each pair, above the threshold."""

    @property
    def missed(self) -> Objects:
        """True objects without a partner."""
        return _without(self.truth, self.pairs[:, 0])

    @property
    def false(self) -> Objects:
        """Predicted objects without a partner."""
        return _without(self.predicted, self.pairs[:, 1])


def match_objects(
    *,
    truth: NDArray[Any],
    segmentation: NDArray[Any],
    threshold: float = 0.5,
    overlap: Overlap = "iou",
    ignored_truth: Collection[int] = RESERVED_IDS,
) -> Matching:
    """Match true and predicted objects one to one.

    A pair may match if its overlap is *greater* than `threshold`. Where each object has one such partner at
    most, that is the matching; it is always so from an IoU of 1/2 or a Dice of 2/3 on, because two disjoint
    objects cannot both cover that much of a third. Below, where objects have several candidates, the matching
    with the most pairs is taken, and of those one with the largest sum of overlaps.

    Parameters
    ----------
    truth, segmentation : any equal shape, any integer dtypes, not negative
        Objects are ids, 0 is background: an id that occurs in several places is one object. Number the
        connected components first where the labels are a mask.
    threshold : float, 0 or more and below 1
        The least overlap that is not enough. 0.5 is that of panoptic quality.
    overlap : {"iou", "dice"}
        With i voxels in common, and a and b voxels: i / (a + b - i), or 2 i / (a + b).
    ignored_truth : ids
        Voxels that carry one of them take part in nothing; by default the reserved ids of CREMI's volumes.
        What a predicted object has elsewhere still counts.

    Returns
    -------
    Matching
        Independent of the ids, but where two matchings are equally good.

    Raises
    ------
    DtypeError, ArgumentError, ShapeError
        If an array holds no integers or negative ones, if the shapes differ, or for a threshold outside 0..1.

    Notes
    -----
    Memory for the pairs of objects that touch, never for all pairs.

    References
    ----------
    A. Kirillov et al., "Panoptic segmentation", 2019, for the uniqueness above 1/2.

    Examples
    --------
    >>> truth = np.array([[1, 1, 1, 0, 2, 2]])
    >>> matching = match_objects(truth=truth, segmentation=np.array([[9, 9, 9, 9, 0, 0]]))
    >>> matching.pairs.tolist(), matching.overlaps.tolist(), matching.missed.ids.tolist()
    ([[0, 0]], [0.75], [2])
    """
    table = ContingencyTable.from_labels(truth=truth, segmentation=segmentation)
    kept = table.without(truth=ignored_truth)
    return matching_of_table(kept, threshold=threshold, overlap=overlap)


def matching_of_table(
    table: ContingencyTable, *, threshold: float = 0.5, overlap: Overlap = "iou"
) -> Matching:
    """Match the objects whose voxels a table counts, a whole volume or the sum of its blocks.

    As `match_objects`; take ids to ignore out of the table first (`ContingencyTable.without`).
    """
    check_choice(overlap, OVERLAPS, name="overlap")
    check_number(threshold, name="threshold")
    if not 0 <= threshold < 1:  # also refuses nan
        raise ArgumentError(f"`threshold` must be at least 0 and below 1, got {threshold}")
    true_ids, true_sizes, rows = counted_objects(table.truth_ids, table.counts)
    predicted_ids, predicted_sizes, columns = counted_objects(table.segmentation_ids, table.counts)
    truth, predicted = Objects(true_ids, true_sizes), Objects(predicted_ids, predicted_sizes)
    touch = (rows >= 0) & (columns >= 0)
    rows, columns, common = rows[touch], columns[touch], table.counts[touch]
    both = truth.sizes[rows] + predicted.sizes[columns]
    overlaps = common / (both - common) if overlap == "iou" else 2 * common / both
    enough = overlaps > threshold
    pairs, overlaps = np.stack([rows, columns], axis=1)[enough], overlaps[enough]
    chosen = _best_pairs(pairs, overlaps)
    return Matching(truth, predicted, pairs[chosen], overlaps[chosen])


def _best_pairs(pairs: NDArray[np.int64], overlaps: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the rows of `pairs`, ascending by their first column, that make the best matching."""
    rows, row_of = np.unique(pairs[:, 0], return_inverse=True)
    columns, column_of = np.unique(pairs[:, 1], return_inverse=True)
    if rows.size == columns.size == len(pairs):
        return np.arange(len(pairs))
    # Every row may stay alone: a column of its own, weight 1. A pair adds 1 and, of its overlap, so little
    # that all overlaps together weigh less than one pair more.
    alone = np.arange(rows.size)
    weights = np.concatenate([2 + overlaps / (2 * rows.size), np.ones(rows.size)])
    graph = csr_array(
        (weights, (np.concatenate([row_of, alone]), np.concatenate([column_of, columns.size + alone]))),
        shape=(rows.size, columns.size + rows.size),
    )
    matched_rows, matched_columns = min_weight_full_bipartite_matching(graph, maximize=True)
    partner = np.empty(rows.size, np.int64)
    partner[matched_rows] = matched_columns
    return np.flatnonzero(partner[row_of] == column_of)


def _without(objects: Objects, matched: NDArray[np.int64]) -> Objects:
    rest = np.delete(np.arange(objects.ids.size), matched)
    return Objects(objects.ids[rest], objects.sizes[rest])
