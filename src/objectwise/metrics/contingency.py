"""The contingency table: the statistics from which every partition score is made."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from objectwise.checks import check_labels, check_same_shape
from objectwise.errors import ArgumentError
from objectwise.kernels.overlap import add_pairs, no_pairs, sorted_pairs
from objectwise.metrics.protocols import check_ids

# Voxels read at once: 8 MiB per array where a copy is needed, however large or strided the volume.
SLAB_VOXELS = 1 << 20


@dataclass(frozen=True, eq=False)
class ContingencyTable:
    """How many voxels carry each pair of a truth id and a segmentation id.

    Sparse and exact: one row per pair that occurs, so its size does not depend on the ids; counts are
    integers and ids never pass through floating point. Tables of disjoint blocks add up to the table
    of their union: `sum(tables, start=ContingencyTable.empty())`.

    Parameters
    ----------
    truth_ids, segmentation_ids : (n,) uint64
        The pairs, ascending by truth id and then by segmentation id, each pair once.
    counts : (n,) int64, voxels, positive

    Examples
    --------
    >>> truth = np.array([[1, 1, 2, 2]])
    >>> segmentation = np.array([[7, 7, 7, 9]])
    >>> table = ContingencyTable.from_labels(truth=truth, segmentation=segmentation)
    >>> [tuple(map(int, row)) for row in zip(table.truth_ids, table.segmentation_ids, table.counts)]
    [(1, 7, 2), (2, 7, 1), (2, 9, 1)]
    """

    truth_ids: NDArray[np.uint64]
    segmentation_ids: NDArray[np.uint64]
    counts: NDArray[np.int64]

    @classmethod
    def empty(cls) -> Self:
        """Return the table of no voxels, the zero of addition."""
        return cls(np.empty(0, np.uint64), np.empty(0, np.uint64), np.empty(0, np.int64))

    @classmethod
    def from_labels(cls, *, truth: NDArray[Any], segmentation: NDArray[Any]) -> Self:
        """Count the id pairs of two label arrays.

        Parameters
        ----------
        truth, segmentation : any equal shape, any integer dtypes, not negative
            All ids count here, 0 and reserved ones too; what to ignore is the score's business.

        Raises
        ------
        DtypeError, ArgumentError, ShapeError
            If an array holds no integers or negative ones, or if the shapes differ.

        Notes
        -----
        One pass, O(voxels); memory for the distinct pairs and for one slab of ids.
        """
        check_labels(truth, name="truth", any_byte_order=True)
        check_labels(segmentation, name="segmentation", any_byte_order=True)
        check_same_shape(truth, segmentation, names=("truth", "segmentation"))
        truth, segmentation = np.atleast_1d(truth), np.atleast_1d(segmentation)
        table = no_pairs()
        step = max(1, SLAB_VOXELS // max(1, truth[:1].size))
        for start in range(0, len(truth), step):
            slab = slice(start, start + step)
            table = add_pairs(table, _flat_ids(truth[slab]), _flat_ids(segmentation[slab]))
        return cls(*sorted_pairs(table))

    @property
    def n_voxels(self) -> int:
        """Number of voxels counted."""
        return int(self.counts.sum())

    def without(self, *, truth: Collection[int] = (), segmentation: Collection[int] = ()) -> ContingencyTable:
        """Return the table without the voxels that carry one of these ids."""
        check_ids(truth, name="ignored_truth")
        check_ids(segmentation, name="ignored_segmentation")
        keep = ~(_is_among(self.truth_ids, truth) | _is_among(self.segmentation_ids, segmentation))
        return ContingencyTable(self.truth_ids[keep], self.segmentation_ids[keep], self.counts[keep])

    def truth_counts(self) -> NDArray[np.int64]:
        """Return, for each row, the voxels of its truth id: (n,) int64."""
        return _counts_of_same_id(self.truth_ids, self.counts)

    def segmentation_counts(self) -> NDArray[np.int64]:
        """Return, for each row, the voxels of its segmentation id: (n,) int64."""
        return _counts_of_same_id(self.segmentation_ids, self.counts)

    def __add__(self, other: ContingencyTable) -> ContingencyTable:
        """Return the table of both sets of voxels."""
        if not isinstance(other, ContingencyTable):
            return NotImplemented
        truth = np.concatenate([self.truth_ids, other.truth_ids])
        segmentation = np.concatenate([self.segmentation_ids, other.segmentation_ids])
        counts = np.concatenate([self.counts, other.counts])
        order = np.lexsort((segmentation, truth))
        truth, segmentation, counts = truth[order], segmentation[order], counts[order]
        begins = np.ones(counts.size, bool)
        begins[1:] = (truth[1:] != truth[:-1]) | (segmentation[1:] != segmentation[:-1])
        rows = np.flatnonzero(begins)
        merged = np.add.reduceat(counts, rows) if rows.size else counts
        return ContingencyTable(truth[rows], segmentation[rows], merged)

    def __eq__(self, other: object) -> bool:
        """Tables are equal if all their rows are."""
        if not isinstance(other, ContingencyTable):
            return NotImplemented
        return (
            np.array_equal(self.truth_ids, other.truth_ids)
            and np.array_equal(self.segmentation_ids, other.segmentation_ids)
            and np.array_equal(self.counts, other.counts)
        )

    __hash__ = None  # type: ignore[assignment]


def check_scorable(table: ContingencyTable, ignored_truth: Collection[int]) -> None:
    """Require voxels to score: a score of nothing would be a number without meaning."""
    if table.counts.size == 0:
        raise ArgumentError(
            f"`truth` must have a voxel that is not ignored, got none beside the ids "
            f"{sorted(ignored_truth)}; leave this volume out, or ignore fewer ids"
        )


def _flat_ids(slab: NDArray[Any]) -> NDArray[np.uint64]:
    """Return the ids of a slab as a flat uint64 array, without a copy where its memory already is one."""
    flat = np.ascontiguousarray(slab).reshape(-1)
    return flat.view(np.uint64) if flat.dtype == np.int64 else flat.astype(np.uint64, copy=False)


def _is_among(ids: NDArray[np.uint64], wanted: Collection[int]) -> NDArray[np.bool_]:
    return np.isin(ids, np.array(list(wanted), np.uint64))


def _counts_of_same_id(ids: NDArray[np.uint64], counts: NDArray[np.int64]) -> NDArray[np.int64]:
    unique, rows = np.unique(ids, return_inverse=True)
    totals = np.zeros(unique.size, np.int64)
    np.add.at(totals, rows, counts)  # bincount would add in floating point
    return totals[rows]
