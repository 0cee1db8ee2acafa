"""Precision and recall of joined pairs, at every threshold of a forest."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


class PairCurve(NamedTuple):
    """How well the cut at each threshold joins pairs of voxels of one object, from the highest down.

    One entry for each different segmentation: the first joins nothing, the last all that the graph joins.
    Pairs are of two different labelled voxels, each counted once.
    """

    threshold: NDArray[Any]
    """Descending: every affinity of the forest once, then the number below all of them."""
    precision: NDArray[np.float64]
    """Of the joined pairs, those of one object; 1 where none is joined: nothing wrong is."""
    recall: NDArray[np.float64]
    """Of the pairs of one object, those that are joined; 1 where there are no such pairs."""
    f_score: NDArray[np.float64]
    """Harmonic mean of both; 1 minus the Rand error."""
    correct_pairs: NDArray[np.int64]
    """Pairs of one object that are joined, exact."""
    joined_pairs: NDArray[np.int64]
    """Pairs that are joined, exact."""
    object_pairs: int
    """Pairs of one object, joined by the graph or not."""


def pair_curve_of(
    affinities: NDArray[Any], same: NDArray[np.int64], joined: NDArray[np.int64], object_pairs: int
) -> PairCurve:
    """Sum up the pairs of merges in order: those of one object, and all; `affinities` descend."""
    # A cut is strict: at the affinity of a merge, the merges before the first equal one are done.
    done = np.flatnonzero(np.concatenate([[True], affinities[1:] != affinities[:-1], [True]]))
    with np.errstate(over="ignore"):
        below = np.nextafter(affinities[-1:], -np.inf, dtype=affinities.dtype)
    threshold = np.concatenate([affinities, below])[done]
    correct_pairs, joined_pairs = (np.concatenate([[0], np.cumsum(one)])[done] for one in (same, joined))
    return PairCurve(
        threshold,
        precision=_share(correct_pairs, joined_pairs),
        recall=_share(correct_pairs, np.full_like(correct_pairs, object_pairs)),
        f_score=_share(2 * correct_pairs, joined_pairs + object_pairs),
        correct_pairs=correct_pairs,
        joined_pairs=joined_pairs,
        object_pairs=object_pairs,
    )


def _share(part: NDArray[np.int64], whole: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return part / whole, and 1 for a share of nothing."""
    return np.divide(part, whole, out=np.ones(len(part)), where=whole != 0)
