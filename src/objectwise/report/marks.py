"""Where in a section's picture the errors are: borders and areas to draw.

A truth often leaves membranes unlabelled and a segmentation often leaves them empty, so two pieces seldom
touch. Both are grown a few pixels into their background first; then a border lies between two pixels:

    split   one object, two segments    the line along which the object was cut
    merge   one segment, two objects    the line that the segment should not have crossed
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from objectwise.report.errors_found import KINDS, CellErrors, Kind

AnyArray = NDArray[Any]
Mask = NDArray[np.bool_]

REACH = 8
"""Pixels of the picture that labels are grown into their background."""


@dataclass(frozen=True, eq=False)
class Marks:
    """What to draw over a section: masks of shape (y, x) by kind of error.

    `merged` is the outline of every segment that covers several objects, to show what was joined.
    """

    borders: dict[Kind, Mask]
    areas: dict[Kind, Mask]
    merged: Mask


def find_marks(truth: AnyArray, segmentation: AnyArray, errors: CellErrors, *, reach: int = REACH) -> Marks:
    """Find the split and merged borders of one section, and the areas in error.

    Parameters
    ----------
    truth, segmentation : (y, x) integer
        At the resolution of the picture.
    errors : CellErrors
        Of the volume, or of this section where sections are independent.
    reach : int, pixels
    """
    cells = errors.table.cells_at(truth, segmentation)
    areas = {kind: _at(errors.mask(kind), cells) for kind in KINDS}
    grown_truth, grown_segments = grown(truth, reach), grown(segmentation, reach)
    counting = _at(errors.counts, errors.table.cells_at(grown_truth, grown_segments))
    split, merge = np.zeros_like(counting), np.zeros_like(counting)
    for near, far in _neighbours():
        both = counting[near] & counting[far]
        same_object = grown_truth[near] == grown_truth[far]
        same_segment = grown_segments[near] == grown_segments[far]
        inside = (truth[near] != 0) & (truth[far] != 0)  # a split line ends where its object ends
        split[near] |= both & same_object & ~same_segment & inside
        merge[near] |= both & ~same_object & same_segment
    table = errors.table
    in_merge = errors.counts & np.isin(table.columns, table.columns[errors.merge])
    merged = outline(np.where(_at(in_merge, cells), segmentation, 0))
    return Marks({"split": split, "merge": merge, "missed": outline(areas["missed"])}, areas, merged)


def outline(labels: AnyArray) -> Mask:
    """Mark the pixels whose right or lower neighbour has another label, (y, x)."""
    marked = np.zeros(labels.shape, dtype=bool)
    for near, far in _neighbours():
        marked[near] |= labels[near] != labels[far]
    return marked


def grown(labels: AnyArray, reach: int) -> AnyArray:
    """Give background pixels the label of the nearest object within `reach` pixels."""
    if not labels.any() or labels.all():
        return labels
    distance, nearest = ndimage.distance_transform_edt(labels == 0, return_indices=True)
    filled: AnyArray = labels[tuple(nearest)]
    filled[distance > reach] = 0
    return filled


def _at(flags: Mask, cells: NDArray[np.int64]) -> Mask:
    marked: Mask = flags[cells] & (cells >= 0)
    return marked


def _neighbours() -> tuple[tuple[tuple[slice, slice], tuple[slice, slice]], ...]:
    """Return slices that lay each pixel beside its lower, and beside its right neighbour."""
    every, low, high = slice(None), slice(None, -1), slice(1, None)
    return ((low, every), (high, every)), ((every, low), (every, high))
