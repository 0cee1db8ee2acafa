"""Which objects are split, merged or missed, how badly, and where.

All of it is read from the overlap table. A cell (object, segment) *counts* when it is large enough to be more
than a ragged border: two segmentations of one membrane never agree to the voxel, and a sliver is no merge.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from objectwise.checks import check_labels, check_not_empty, check_same_shape
from objectwise.errors import ShapeError
from objectwise.metrics import ContingencyTable, section_tables
from objectwise.report.overlaps import CellTable, Indices

AnyArray = NDArray[Any]
Mask = NDArray[np.bool_]
Kind = Literal["split", "merge", "missed"]
KINDS: tuple[Kind, ...] = ("split", "merge", "missed")

MINIMUM_VOXELS = 25
MINIMUM_FRACTION = 0.05
"""Of the smaller of object and segment: borders that are off by a voxel or two stay below it."""


@dataclass(frozen=True)
class ErrorRegion:
    """One object that is cut or missed, or one segment that covers several objects.

    Parameters
    ----------
    kind : "split", "merge" or "missed"
    truth_ids, segment_ids : tuple of int
        Whom it concerns, the largest share first. A split has one object, a merge one segment.
    voxels : int
        Outside the largest share: what a correction would have to move. All of it for a missed object.
    centre : (z, y, x) int
        A voxel of the smaller shares where they meet the largest one, in the section that shows it best.
    """

    kind: Kind
    truth_ids: tuple[int, ...]
    segment_ids: tuple[int, ...]
    voxels: int
    centre: tuple[int, int, int]


@dataclass(frozen=True, eq=False)
class CellErrors:
    """What is wrong with each cell of an overlap table; masks of shape (c,)."""

    table: CellTable
    counts: Mask
    split: Mask
    merge: Mask
    missed: Mask

    @classmethod
    def classify(cls, table: CellTable) -> CellErrors:
        """Find the cells outside the largest piece of their object, or the largest share of a segment."""
        rows, columns, voxels = table.rows, table.columns, table.voxels
        has_object, has_segment = table.truth_ids[rows] != 0, table.segment_ids[columns] != 0
        object_size = np.bincount(rows, weights=voxels, minlength=len(table.truth_ids))
        segment_size = np.bincount(columns, weights=voxels * has_object, minlength=len(table.segment_ids))
        smaller = np.minimum(object_size[rows], segment_size[columns])
        large = (voxels >= MINIMUM_VOXELS) & (voxels >= MINIMUM_FRACTION * smaller)
        counts = has_object & has_segment & large
        missed = has_object & ~has_segment & (voxels >= MINIMUM_VOXELS) & (2 * voxels > object_size[rows])
        split = counts & ~_largest_of_group(rows, voxels, counts)
        merge = counts & ~_largest_of_group(columns, voxels, counts)
        return cls(table, counts, split, merge, missed)

    def only(self, region: ErrorRegion) -> CellErrors:
        """Keep one error and forget the others, to draw it alone."""
        table = self.table
        here = np.isin(table.truth_ids, np.array(region.truth_ids, np.uint64))[table.rows]
        here &= np.isin(table.segment_ids, np.array(region.segment_ids, np.uint64))[table.columns]
        split, merge, missed = (
            self.mask(kind) & here & (region.kind == kind) for kind in ("split", "merge", "missed")
        )
        return CellErrors(table, self.counts & here, split, merge, missed)

    def mask(self, kind: Kind) -> Mask:
        """Return the cells in error of one kind, (c,)."""
        return {"split": self.split, "merge": self.merge, "missed": self.missed}[kind]


@dataclass(frozen=True, eq=False)
class VolumeErrors:
    """All that went wrong in one volume.

    Parameters
    ----------
    cells : one `CellErrors` for the volume, or one a section where sections are independent
    regions : the largest errors, largest first
    number : how many errors there are, by kind
    section_voxels : (z, 3) int64, voxels in error per section, in the order of `KINDS`
    wrong_voxels : (z,) int64, voxels in error of any kind
    object_voxels : (z,) int64, voxels that have a true object
    """

    cells: tuple[CellErrors, ...]
    regions: tuple[ErrorRegion, ...]
    number: dict[Kind, int]
    section_voxels: Indices
    wrong_voxels: Indices
    object_voxels: Indices

    def section_cells(self, z: int) -> CellErrors:
        """Return the cells that hold in section `z`."""
        return self.cells[z] if len(self.cells) > 1 else self.cells[0]


@dataclass(frozen=True, eq=False)
class _Candidate:
    """An error before it is located: its cells, the largest share first."""

    kind: Kind
    cells: Indices
    voxels: int
    section: int | None


def largest_errors(
    *, truth: AnyArray, segmentation: AnyArray, linked_sections: bool = True, limit: int = 8
) -> list[ErrorRegion]:
    """List the largest splits, merges and missed objects of a segmentation.

    Parameters
    ----------
    truth, segmentation : (z, y, x) integer, 0 = background
        Voxels without a true object are not looked at.
    linked_sections : bool
        False where every section is an image of its own: ids then mean nothing across sections.
    limit : int
        How many errors to list.

    Returns
    -------
    list of ErrorRegion
        Ordered by voxels, largest first; then split, merge, missed.

    Notes
    -----
    An object is split when two or more of its cells count, a segment merges when two or more of its cells
    count, and an object is missed when more than half of it is background. A cell counts from 25 voxels and
    5 % of the smaller of object and segment upward.
    """
    found = find_errors(truth=truth, segmentation=segmentation, linked_sections=linked_sections, limit=limit)
    return list(found.regions)


def find_errors(
    *,
    truth: AnyArray,
    segmentation: AnyArray,
    tables: Sequence[ContingencyTable] = (),
    linked_sections: bool = True,
    limit: int = 8,
) -> VolumeErrors:
    """Find every error of a segmentation, and locate the largest; arguments as for `largest_errors`.

    `tables` are those of the sections, where they were counted already.
    """
    check_labels(truth, name="truth")
    check_labels(segmentation, name="segmentation")
    check_same_shape(truth, segmentation, names=("truth", "segmentation"))
    check_not_empty(truth, name="truth")
    if truth.ndim != 3:
        raise ShapeError(f"`truth` must have shape (z, y, x), got {truth.shape}")
    tables = tables or section_tables(truth=truth, segmentation=segmentation)
    tables = [ContingencyTable.merged(tables)] if linked_sections else tables
    cells = tuple(CellErrors.classify(CellTable.of(table)) for table in tables)
    one_table = len(cells) == 1
    candidates = [
        candidate
        for z, table in enumerate(cells)
        for candidate in _candidates(table, None if one_table and len(truth) > 1 else z)
    ]
    order = sorted(candidates, key=lambda c: (-c.voxels, KINDS.index(c.kind), c.section or 0))
    number = {kind: sum(c.kind == kind for c in candidates) for kind in KINDS}
    return _locate(truth, segmentation, cells, order[:limit], number)


def contact(truth: AnyArray, segmentation: AnyArray, region: ErrorRegion) -> tuple[int, int] | None:
    """Return where in one section an error is best seen: where its smaller shares meet the largest.

    Parameters
    ----------
    truth, segmentation : (y, x) integer

    Returns
    -------
    (y, x) or None
        None where the section holds none of the smaller shares.
    """
    concerned = np.isin(truth, np.asarray(region.truth_ids, dtype=truth.dtype))
    concerned &= np.isin(segmentation, np.asarray(region.segment_ids, dtype=segmentation.dtype))
    if region.kind == "split":
        largest = concerned & (segmentation == region.segment_ids[0])
    elif region.kind == "merge":
        largest = concerned & (truth == region.truth_ids[0])
    else:
        largest = np.zeros_like(concerned)
    rest = concerned & ~largest
    if not rest.any():
        return None
    if largest.any():
        distance = np.where(rest, ndimage.distance_transform_edt(~largest), np.inf)
        found = int(np.argmin(distance))
    else:  # the share lies alone here: its most inner voxel
        found = int(np.argmax(ndimage.distance_transform_edt(np.pad(rest, 1))[1:-1, 1:-1]))
    y, x = np.unravel_index(found, rest.shape)
    return int(y), int(x)


def _largest_of_group(groups: Indices, voxels: Indices, among: Mask) -> Mask:
    """Mark the cell with the most voxels of each group, the first one at a tie."""
    order = np.lexsort((-voxels, ~among, groups))
    first = np.ones(len(order), dtype=bool)
    first[1:] = groups[order][1:] != groups[order][:-1]
    mark = np.zeros(len(order), dtype=bool)
    mark[order[first]] = True
    return mark & among


def _candidates(errors: CellErrors, section: int | None) -> list[_Candidate]:
    table = errors.table
    found: list[_Candidate] = []
    groupings: tuple[tuple[Kind, Indices], ...] = (("split", table.rows), ("merge", table.columns))
    for kind, groups in groupings:
        lost = errors.mask(kind)
        members = np.flatnonzero(errors.counts & np.isin(groups, groups[lost]))
        members = members[np.lexsort((-table.voxels[members], groups[members]))]
        starts = np.flatnonzero(np.diff(groups[members], prepend=-1))
        for cells in np.split(members, starts[1:]) if members.size else ():
            found.append(_Candidate(kind, cells, int(table.voxels[cells[1:]].sum()), section))
    for cell in np.flatnonzero(errors.missed):
        found.append(_Candidate("missed", np.array([cell]), int(table.voxels[cell]), section))
    return found


def _locate(
    truth: AnyArray,
    segmentation: AnyArray,
    cells: tuple[CellErrors, ...],
    candidates: list[_Candidate],
    number: dict[Kind, int],
) -> VolumeErrors:
    """Count the errors of each section, and find the section that shows each candidate best."""
    depth = len(truth)
    section_voxels = np.zeros((depth, len(KINDS)), dtype=np.int64)
    wrong = np.zeros(depth, dtype=np.int64)
    best = [((-1, -1), 0)] * len(candidates)
    for z in range(depth):
        errors = cells[z] if len(cells) > 1 else cells[0]
        here = np.bincount(
            errors.table.cells_at(truth[z], segmentation[z]).ravel(), minlength=len(errors.counts)
        )
        section_voxels[z] = [here[errors.mask(kind)].sum() for kind in KINDS]
        wrong[z] = here[errors.split | errors.merge | errors.missed].sum()
        for index, candidate in enumerate(candidates):
            if candidate.section in (None, z):
                rest = candidate.cells[1:] if candidate.kind != "missed" else candidate.cells
                lost = int(here[rest].sum())
                seen = (min(lost, int(here[candidate.cells[0]])), lost)
                if seen > best[index][0]:
                    best[index] = (seen, z)
    regions = tuple(
        _region(truth[z], segmentation[z], cells[z if len(cells) > 1 else 0].table, candidate, z)
        for candidate, (_, z) in zip(candidates, best, strict=True)
    )
    object_voxels = np.count_nonzero(truth, axis=(1, 2)).astype(np.int64)
    return VolumeErrors(cells, regions, number, section_voxels, wrong, object_voxels)


def _region(
    truth: AnyArray, segmentation: AnyArray, table: CellTable, candidate: _Candidate, z: int
) -> ErrorRegion:
    truth_ids = table.truth_ids[table.rows[candidate.cells]].tolist()
    segment_ids = table.segment_ids[table.columns[candidate.cells]].tolist()
    region = ErrorRegion(
        candidate.kind,
        tuple(dict.fromkeys(truth_ids)),
        tuple(dict.fromkeys(segment_ids)),
        candidate.voxels,
        (z, 0, 0),
    )
    y, x = contact(truth, segmentation, region) or (0, 0)
    return ErrorRegion(region.kind, region.truth_ids, region.segment_ids, region.voxels, (z, y, x))
