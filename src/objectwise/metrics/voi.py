"""Variation of information between two partitions."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from objectwise.metrics.contingency import ContingencyTable, check_scorable
from objectwise.metrics.protocols import IGNORED_TRUTH


class VariationOfInformation(NamedTuple):
    """The two halves of the variation of information, in bits; 0 is perfect."""

    voi_split: float
    """H(segmentation given truth): one object cut in halves scores 1."""
    voi_merge: float
    """H(truth given segmentation): two equal objects made one score 1."""


def voi(
    *,
    truth: NDArray[Any],
    segmentation: NDArray[Any],
    ignored_truth: Collection[int] = IGNORED_TRUTH,
    ignored_segmentation: Collection[int] = (),
) -> VariationOfInformation:
    """Compute the variation of information, as its split and its merge half.

    Parameters
    ----------
    truth, segmentation : any equal shape, any integer dtypes, not negative
    ignored_truth, ignored_segmentation : ids
        Voxels that carry one of them take part in nothing. By default those that CREMI ignores:
        truth 0 and the reserved ids 2^64 - 1 to 2^64 - 3. Segmentation 0 is a segment like any other.

    Returns
    -------
    VariationOfInformation
        `voi_split` and `voi_merge`, float64, bits.

    Raises
    ------
    DtypeError, ArgumentError, ShapeError
        If an array holds no integers or negative ones, if the shapes differ, or if every voxel is ignored.

    References
    ----------
    M. Meila, "Comparing clusterings: an information based distance", 2007.

    Examples
    --------
    >>> truth = np.array([[1, 1, 1, 1]])
    >>> voi(truth=truth, segmentation=np.array([[1, 1, 2, 2]]))
    VariationOfInformation(voi_split=1.0, voi_merge=0.0)
    """
    table = ContingencyTable.from_labels(truth=truth, segmentation=segmentation)
    return voi_of_table(table.without(truth=ignored_truth, segmentation=ignored_segmentation), ignored_truth)


def voi_of_table(table: ContingencyTable, ignored_truth: Collection[int] = ()) -> VariationOfInformation:
    """Compute the variation of information of the voxels that a table counts.

    `ignored_truth` only completes the message for an empty table: ids that were taken out before.
    """
    check_scorable(table, ignored_truth)
    split = _conditional_entropy(table.counts, table.truth_counts())
    merge = _conditional_entropy(table.counts, table.segmentation_counts())
    return VariationOfInformation(voi_split=split, voi_merge=merge)


def _conditional_entropy(counts: NDArray[np.int64], condition_counts: NDArray[np.int64]) -> float:
    """Return the sum over rows of p(row) log2(condition count / count), in bits."""
    terms = counts * np.log2(condition_counts / counts)
    # fsum rounds once, so the score does not depend on the order of the rows, hence not on the ids.
    return math.fsum(terms.tolist()) / int(counts.sum())
