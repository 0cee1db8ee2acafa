"""Adapted Rand error: precision and recall of pairs of voxels."""

from __future__ import annotations

from collections.abc import Collection
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from objectwise.checks import check_choice
from objectwise.metrics.contingency import ContingencyTable, check_scorable
from objectwise.metrics.protocols import IGNORED_TRUTH, RandPairs


class AdaptedRand(NamedTuple):
    """Adapted Rand error and what it is made of, each from 0 to 1."""

    error: float
    """1 - F, the harmonic mean of precision and recall; 0 is perfect."""
    precision: float
    """Of the pairs that the segmentation joins, those that the truth joins: falls with merges."""
    recall: float
    """Of the pairs that the truth joins, those that the segmentation joins: falls with splits."""


def adapted_rand(
    *,
    truth: NDArray[Any],
    segmentation: NDArray[Any],
    ignored_truth: Collection[int] = IGNORED_TRUTH,
    ignored_segmentation: Collection[int] = (),
    pairs: RandPairs = "cremi",
) -> AdaptedRand:
    """Compute the adapted Rand error with its precision and recall.

    Parameters
    ----------
    truth, segmentation : any equal shape, any integer dtypes, not negative
    ignored_truth, ignored_segmentation : ids
        Voxels that carry one of them take part in nothing; by default those that CREMI ignores.
    pairs : {"cremi", "distinct"}
        `cremi`: ordered pairs, a voxel with itself included (sums of squared counts). Voxels with
        segmentation 0 are in no segment; all of them together add their fraction of the whole volume,
        ignored voxels included, to the pairs that are joined and rightly so (in effect 0 pairs), while
        the pairs they should have been in are missed. This is what the challenge computes.
        `distinct`: pairs of two different voxels; segmentation 0 is one segment like any other.

    Returns
    -------
    AdaptedRand
        `error`, `precision` and `recall`, float64. A share of no pairs (`distinct`, where no segment, or
        no object, has two voxels) is 1: nothing wrong was joined, nothing missed.

    Raises
    ------
    DtypeError, ArgumentError, ShapeError
        If an array holds no integers or negative ones, if the shapes differ, or if every voxel is ignored.

    Notes
    -----
    The pair counts are exact integers of any size; only the final ratios are rounded.
    scikit-image's `adapted_rand_error` equals `pairs="distinct"`, but returns precision and recall exchanged.

    References
    ----------
    I. Arganda-Carreras et al., "Crowdsourcing the creation of image segmentation algorithms for
    connectomics", 2015.

    Examples
    --------
    >>> merged = np.ones((1, 4), int)
    >>> adapted_rand(truth=np.array([[1, 1, 2, 2]]), segmentation=merged)
    AdaptedRand(error=0.3333333333333333, precision=0.5, recall=1.0)
    """
    table = ContingencyTable.from_labels(truth=truth, segmentation=segmentation)
    kept = table.without(truth=ignored_truth, segmentation=ignored_segmentation)
    return rand_of_table(kept, n_voxels=table.n_voxels, pairs=pairs, ignored_truth=ignored_truth)


def rand_of_table(
    table: ContingencyTable, *, n_voxels: int, pairs: RandPairs = "cremi", ignored_truth: Collection[int] = ()
) -> AdaptedRand:
    """Compute the adapted Rand error of the voxels that a table counts.

    `n_voxels` counts the ignored voxels too: CREMI's weight of segmentation 0 depends on it.
    `ignored_truth` only completes the message for an empty table.
    """
    check_choice(pairs, ("cremi", "distinct"), name="pairs")
    check_scorable(table, ignored_truth)
    in_truth = _pairs_in(table.truth_counts(), table.counts)
    if pairs == "distinct":
        n_self = table.n_voxels
        in_both = Fraction(_pairs_in(table.counts, table.counts) - n_self)
        in_segmentation = Fraction(_pairs_in(table.segmentation_counts(), table.counts) - n_self)
        in_truth -= n_self
    else:
        segments = table.without(segmentation=(0,))
        background = Fraction(table.n_voxels - segments.n_voxels, n_voxels)
        in_both = _pairs_in(segments.counts, segments.counts) + background
        in_segmentation = _pairs_in(segments.segmentation_counts(), segments.counts) + background
    return AdaptedRand(
        error=float(1 - _share(2 * in_both, in_truth + in_segmentation)),
        precision=float(_share(in_both, in_segmentation)),
        recall=float(_share(in_both, Fraction(in_truth))),
    )


def _share(part: Fraction, whole: Fraction) -> Fraction:
    return part / whole if whole else Fraction(1)


def _pairs_in(counts: NDArray[np.int64], cells: NDArray[np.int64]) -> int:
    """Return the sum of counts * cells in Python's integers: int64 overflows from 2^32 voxels on.

    With `counts` the voxels of each row's id, that is the sum over ids of their voxels squared.
    """
    return sum(count * cell for count, cell in zip(counts.tolist(), cells.tolist(), strict=True))
