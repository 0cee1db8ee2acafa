"""Which objects are found, missed and invented, how large they are, and where they are seen best.

All of it is read from the overlap tables of the sections, and matched as the scores are: one to one, by an
IoU above 0.5 (`objectwise.metrics.match_objects`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from objectwise.metrics import ContingencyTable, Matching, Objects, matching_of_table, section_tables
from objectwise.metrics.protocols import RESERVED_IDS

AnyArray = NDArray[Any]
Mask = NDArray[np.bool_]
Ids = NDArray[np.uint64]
ObjectKind = Literal["found", "missed", "false"]
OBJECT_KINDS: tuple[ObjectKind, ...] = ("found", "missed", "false")


class Counts(NamedTuple):
    """How many objects there are of each kind."""

    found: int
    missed: int
    false: int

    def __add__(self, other: object) -> Counts:
        """Return the counts of both."""
        if not isinstance(other, Counts):
            return NotImplemented
        return Counts(self.found + other.found, self.missed + other.missed, self.false + other.false)


@dataclass(frozen=True)
class FoundObject:
    """A true object that was found or missed, or a predicted one that is none.

    Parameters
    ----------
    kind : "found", "missed" or "false"
    truth_id, segment_id : int or None
        Its own id, and that of its partner; without a partner that of what overlaps it most, None where
        nothing does.
    voxels : int
        Of the true object, of a false one its own.
    overlap : float
        IoU with the other one.
    section : int
        The one that shows most of it.
    pieces : tuple of int
        The segments, for a false one the objects, of which more than half lies in it.
    company : tuple of int
        Without a partner: the others that lie in `segment_id`, for a false one in `truth_id`, as it does
        itself by more than half.
    """

    kind: ObjectKind
    truth_id: int | None
    segment_id: int | None
    voxels: int
    overlap: float
    section: int
    pieces: tuple[int, ...] = ()
    company: tuple[int, ...] = ()


@dataclass(frozen=True, eq=False)
class VolumeObjects:
    """All objects of one class of a volume.

    Parameters
    ----------
    matchings : one `Matching` for the volume, or one a section where sections are images of their own
    objects : largest first
    counts : how many of them are found, missed and false
    wrong_voxels : (z,) int64, voxels of missed and false objects per section
    object_voxels : (z,) int64, voxels of true and predicted objects per section
    """

    matchings: tuple[Matching, ...]
    objects: tuple[FoundObject, ...]
    counts: Counts
    wrong_voxels: NDArray[np.int64]
    object_voxels: NDArray[np.int64]

    def matching(self, z: int) -> Matching:
        """Return the matching that holds in section `z`."""
        return self.matchings[z] if len(self.matchings) > 1 else self.matchings[0]

    def masks(self, z: int, truth: AnyArray, segmentation: AnyArray) -> dict[ObjectKind, Mask]:
        """Return where section `z` shows found (as predicted), missed and false objects, (y, x) each."""
        ids = ids_by_kind(self.matching(z))
        return {
            "found": among(segmentation, ids["found"]),
            "missed": among(truth, ids["missed"]),
            "false": among(segmentation, ids["false"]),
        }


def find_objects(*, truth: AnyArray, segmentation: AnyArray, linked_sections: bool = True) -> VolumeObjects:
    """Match the objects of a class of a volume, and find the section that shows each best.

    Parameters
    ----------
    truth, segmentation : (z, y, x) integer, 0 = none
    linked_sections : bool
        False where every section is an image of its own: an object is then what carries an id in one section.

    Returns
    -------
    VolumeObjects
        Objects ordered by voxels, largest first; then found, missed, false.

    Raises
    ------
    DtypeError, ArgumentError, ShapeError
        If an array is not 3-D, holds no integers or negative ones, or if the shapes differ.
    """
    tables = [
        table.without(truth=RESERVED_IDS) for table in section_tables(truth=truth, segmentation=segmentation)
    ]
    groups = [tables] if linked_sections else [[table] for table in tables]
    wholes = [ContingencyTable.merged(group) for group in groups]
    matchings = tuple(matching_of_table(whole) for whole in wholes)
    found = [
        one
        for first, (group, whole, matching) in enumerate(zip(groups, wholes, matchings, strict=True))
        for one in _objects(whole, matching, group, first)
    ]
    order = sorted(found, key=lambda one: (-one.voxels, OBJECT_KINDS.index(one.kind), one.section))
    counts = Counts(*(sum(one.kind == kind for one in found) for kind in OBJECT_KINDS))
    held = matchings if len(matchings) == len(tables) else matchings * len(tables)
    voxels = [_voxels(table, matching) for table, matching in zip(tables, held, strict=True)]
    wrong, shown = np.array(voxels, dtype=np.int64).reshape(-1, 2).T
    return VolumeObjects(matchings, tuple(order), counts, wrong, shown)


def ids_by_kind(matching: Matching) -> dict[ObjectKind, Ids]:
    """Return the ids of found and false segments, and of missed true objects."""
    return {
        "found": matching.predicted.ids[matching.pairs[:, 1]],
        "missed": matching.missed.ids,
        "false": matching.false.ids,
    }


def among(labels: AnyArray, ids: Ids) -> Mask:
    """Return where labels carry one of some ids, none of them 0."""
    marked: Mask = np.isin(labels.astype(np.uint64, copy=False), ids)
    return marked


class _Side(NamedTuple):
    """What a table says of the objects of one side, true or predicted, seen from the other."""

    ids: Ids
    """(n,), ascending."""
    sizes: NDArray[np.int64]
    """(n,), voxels."""
    sections: NDArray[np.int64]
    """(n,), the section that shows most of each."""
    rivals: Ids
    """(n,), the object of the other side with the highest IoU, 0 for none."""
    overlaps: NDArray[np.float64]
    """(n,), that IoU."""
    pieces: dict[int, tuple[int, ...]]
    """Of the other side, those of which more than half lies in each."""


def _objects(
    whole: ContingencyTable, matching: Matching, sections: Sequence[ContingencyTable], first: int
) -> Iterator[FoundObject]:
    true = _side(whole, matching.truth, sections, is_truth=True)
    own = _side(whole, matching.predicted, sections, is_truth=False)
    rows, columns = matching.pairs.T
    for row, column, overlap in zip(rows, columns, matching.overlaps, strict=True):
        truth_id, segment_id, size = int(true.ids[row]), int(own.ids[column]), int(true.sizes[row])
        section = first + int(true.sections[row])
        yield FoundObject(
            "found", truth_id, segment_id, size, float(overlap), section, true.pieces.get(truth_id, ())
        )
    sides: tuple[tuple[ObjectKind, _Side, _Side, Any], ...] = (
        ("missed", true, own, rows),
        ("false", own, true, columns),
    )
    for kind, side, other, matched in sides:
        for at in np.setdiff1d(np.arange(len(side.ids)), matched):
            me, rival = int(side.ids[at]), int(side.rivals[at])
            company = other.pieces.get(rival, ())
            yield FoundObject(
                kind,
                me if kind == "missed" else (rival or None),
                me if kind == "false" else (rival or None),
                int(side.sizes[at]),
                float(side.overlaps[at]),
                first + int(side.sections[at]),
                side.pieces.get(me, ()),
                tuple(one for one in company if one != me) if me in company else (),
            )


def _side(
    whole: ContingencyTable, objects: Objects, sections: Sequence[ContingencyTable], *, is_truth: bool
) -> _Side:
    """Sum up a table for the true or for the predicted objects."""
    truth, segments = whole.truth_ids, whole.segmentation_ids
    sizes = whole.truth_counts(), whole.segmentation_counts()
    own, other = (truth, segments) if is_truth else (segments, truth)
    other_size = sizes[1] if is_truth else sizes[0]
    overlap = whole.counts / (sizes[0] + sizes[1] - whole.counts)
    touch = (own != 0) & (other != 0)
    rivals, overlaps = np.zeros(len(objects.ids), np.uint64), np.zeros(len(objects.ids))
    # The highest IoU of each comes first, that with the lower id at a tie.
    order = np.flatnonzero(touch)[np.lexsort((other[touch], -overlap[touch], own[touch]))]
    ids, starts = np.unique(own[order], return_index=True)
    at = np.searchsorted(objects.ids, ids)
    rivals[at], overlaps[at] = other[order][starts], overlap[order][starts]
    pieces: dict[int, tuple[int, ...]] = {}
    for row in np.flatnonzero(touch & (2 * whole.counts > other_size)):
        pieces[int(own[row])] = (*pieces.get(int(own[row]), ()), int(other[row]))
    ids_of = [table.truth_ids if is_truth else table.segmentation_ids for table in sections]
    best = _best_sections(ids_of, sections, objects.ids)
    return _Side(objects.ids, objects.sizes, best, rivals, overlaps, pieces)


def _best_sections(
    ids_of: Sequence[Ids], sections: Sequence[ContingencyTable], wanted: Ids
) -> NDArray[np.int64]:
    """Return for each wanted id, ascending, the section with most of its voxels, the first one at a tie."""
    best = np.zeros(len(wanted), np.int64)
    most = np.zeros(len(wanted), np.int64)
    for z, (ids, table) in enumerate(zip(ids_of, sections, strict=True)):
        unique, rows = np.unique(ids, return_inverse=True)
        voxels = np.zeros(len(unique), np.int64)
        np.add.at(voxels, rows, table.counts)
        named = unique != 0
        at = np.searchsorted(wanted, unique[named])
        more = voxels[named] > most[at]
        most[at[more]], best[at[more]] = voxels[named][more], z
    return best


def _voxels(table: ContingencyTable, matching: Matching) -> tuple[int, int]:
    """Count the voxels of a section in missed and false objects, and in objects at all."""
    ids = ids_by_kind(matching)
    wrong = np.isin(table.truth_ids, ids["missed"]) | np.isin(table.segmentation_ids, ids["false"])
    shown = (table.truth_ids != 0) | (table.segmentation_ids != 0)
    return int(table.counts[wrong].sum()), int(table.counts[shown].sum())
