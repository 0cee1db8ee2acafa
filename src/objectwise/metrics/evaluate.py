"""The scores of a segmentation under a named protocol."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from numpy.typing import NDArray

from objectwise.errors import ArgumentError
from objectwise.metrics.borders import mask_borders
from objectwise.metrics.contingency import ContingencyTable
from objectwise.metrics.protocols import Protocol, find_protocol
from objectwise.metrics.rand import rand_of_table
from objectwise.metrics.section_tables import section_tables
from objectwise.metrics.voi import voi_of_table


class Scores(NamedTuple):
    """The scores of one segmentation; 0 is perfect, lower is better."""

    voi_split: float
    """H(segmentation given truth), bits: grows with splits."""
    voi_merge: float
    """H(truth given segmentation), bits: grows with merges."""
    adapted_rand_error: float
    """1 - F of pair precision and pair recall, 0 to 1."""
    cremi_score: float
    """sqrt((voi_split + voi_merge) * adapted_rand_error)."""


NO_SCORES = Scores(math.nan, math.nan, math.nan, math.nan)
"""What `evaluate_sections` returns for a section without a voxel to score."""


def evaluate(
    *, truth: NDArray[Any], segmentation: NDArray[Any], protocol: str | Protocol = "cremi"
) -> Scores:
    """Score a segmentation against the truth.

    Parameters
    ----------
    truth, segmentation : any equal shape, any integer dtypes, not negative
        Objects are ids: an id that occurs in several places is one object.
    protocol : str or Protocol
        What is ignored and how pairs are counted; the names are those of `PROTOCOLS`.

    Returns
    -------
    Scores
        `voi_split`, `voi_merge`, `adapted_rand_error`, `cremi_score`, float64; independent of the ids.

    Raises
    ------
    DtypeError, ArgumentError, ShapeError
        If an array holds no integers or negative ones, if the shapes differ, if every voxel is ignored,
        or if there is no such protocol.

    References
    ----------
    CREMI, "MICCAI challenge on circuit reconstruction from electron microscopy images", cremi.org.

    Examples
    --------
    >>> import numpy as np
    >>> truth = np.array([[1, 1, 2, 2, 0]])
    >>> evaluate(truth=truth, segmentation=np.array([[3, 3, 5, 5, 5]]))
    Scores(voi_split=0.0, voi_merge=0.0, adapted_rand_error=0.0, cremi_score=0.0)
    """
    rules = find_protocol(protocol)
    if rules.border_distance is not None:
        truth = mask_borders(truth, rules.border_distance)
    table = ContingencyTable.from_labels(truth=truth, segmentation=segmentation)
    return scores_of_table(table, protocol=rules)


def scores_of_table(table: ContingencyTable, *, protocol: str | Protocol = "cremi") -> Scores:
    """Score the voxels that a table counts, a whole volume or the sum of its blocks.

    The table holds all voxels, the ignored ones too; the protocol takes them out here. Its
    `border_distance` concerns label arrays, so mask those before counting (`mask_borders`).
    """
    rules = find_protocol(protocol)
    return _scores(table, table.without(**_ignored(rules)), rules)


def _ignored(rules: Protocol) -> dict[str, tuple[int, ...]]:
    return {"truth": rules.ignored_truth, "segmentation": rules.ignored_segmentation}


def _scores(table: ContingencyTable, kept: ContingencyTable, rules: Protocol) -> Scores:
    information = voi_of_table(kept, rules.ignored_truth)
    rand = rand_of_table(kept, n_voxels=table.n_voxels, pairs=rules.rand_pairs)
    return Scores(*information, rand.error, cremi_score(*information, rand.error))


def cremi_score(voi_split: float, voi_merge: float, adapted_rand_error: float) -> float:
    """Return the geometric mean of the variation of information and the adapted Rand error."""
    return math.sqrt((voi_split + voi_merge) * adapted_rand_error)


def evaluate_sections(
    *, truth: NDArray[Any], segmentation: NDArray[Any], protocol: str | Protocol = "cremi"
) -> list[Scores]:
    """Score every section of a stack as an image of its own.

    Parameters
    ----------
    truth, segmentation : (z, y, x), any integer dtypes, not negative
    protocol : str or Protocol
        As for `evaluate`.

    Returns
    -------
    list of Scores, one per z
        NaN in every field for a section whose voxels are all ignored: real stacks have empty sections,
        and the other scores stand. `mean_scores` leaves them out.

    Raises
    ------
    DtypeError, ArgumentError, ShapeError
        As `evaluate`, and if the arrays are not 3-D; not for single sections without a voxel to score.
    """
    tables = section_tables(truth=truth, segmentation=segmentation, protocol=protocol)
    return scores_of_sections(tables, protocol=protocol)


def scores_of_sections(
    tables: Sequence[ContingencyTable], *, protocol: str | Protocol = "cremi"
) -> list[Scores]:
    """Score the sections that tables count (`section_tables`), as `evaluate_sections`."""
    rules = find_protocol(protocol)
    kept = [table.without(**_ignored(rules)) for table in tables]
    return [
        _scores(table, rest, rules) if rest.n_voxels else NO_SCORES
        for table, rest in zip(tables, kept, strict=True)
    ]


def mean_scores(scores: Sequence[Scores]) -> Scores:
    """Return the mean of every score over sections or volumes, each counting alike.

    The mean CREMI score is the mean of the CREMI scores, as on the challenge's leaderboard, not the score of
    the means. Entries without a score (NaN, see `evaluate_sections`) are left out.

    Raises
    ------
    ArgumentError
        If no entry has a score.
    """
    scored = [entry for entry in scores if not any(map(math.isnan, entry))]
    if not scored:
        raise ArgumentError(f"`scores` must hold a section or volume with scores, got {len(scores)} without")
    return Scores(*(math.fsum(values) / len(scored) for values in zip(*scored, strict=True)))
