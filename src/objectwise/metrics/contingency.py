"""The contingency table: the statistics from which every partition score is made."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from objectwise.checks import check_labels, check_same_shape
from objectwise.errors import ArgumentError, DtypeError, ShapeError
from objectwise.kernels.overlap import add_pairs, no_pairs, sorted_pairs
from objectwise.metrics.protocols import check_ids

# Voxels read at once: 8 MiB per array where a copy is needed, however large or strided the volume.
SLAB_VOXELS = 1 << 20


class Rows(NamedTuple):
    """The rows of a table: (n,) arrays, ascending by truth id and then by segmentation id, each pair once."""

    truth_ids: NDArray[np.uint64]
    segmentation_ids: NDArray[np.uint64]
    counts: NDArray[np.int64]


class _Sum(NamedTuple):
    """Rows that are merged, and those that wait: the last of them, and a pair like this of those before."""

    rows: Rows
    waiting: tuple[Any, Rows] | None = None
    n_waiting: int = 0


class ContingencyTable:
    """How many voxels carry each pair of a truth id and a segmentation id.

    Sparse and exact: one row per pair that occurs, so its size does not depend on the ids; counts are
    integers and ids never pass through floating point. Tables of disjoint blocks add up to the table
    of their union: `sum(tables)`, or `ContingencyTable.merged(tables)`. `np.savez(file, **table.arrays())`
    saves a table, `ContingencyTable(**np.load(file))` loads it.

    Parameters
    ----------
    truth_ids, segmentation_ids : (n,) any integer dtype, not negative
        The pairs, ascending by truth id and then by segmentation id, each pair once.
    counts : (n,) any integer dtype, voxels, positive

    Raises
    ------
    DtypeError, ShapeError, ArgumentError
        If the arrays are no such rows. They are not sorted here: rows that come unsorted may come wrong.

    Examples
    --------
    >>> truth = np.array([[1, 1, 2, 2]])
    >>> segmentation = np.array([[7, 7, 7, 9]])
    >>> table = ContingencyTable.from_labels(truth=truth, segmentation=segmentation)
    >>> [tuple(map(int, row)) for row in zip(table.truth_ids, table.segmentation_ids, table.counts)]
    [(1, 7, 2), (2, 7, 1), (2, 9, 1)]
    """

    def __init__(self, truth_ids: NDArray[Any], segmentation_ids: NDArray[Any], counts: NDArray[Any]) -> None:
        self._sum = _Sum(_checked_rows(truth_ids, segmentation_ids, counts))

    @classmethod
    def _of(cls, total: _Sum) -> Self:
        """Make a table of rows that were made here."""
        table = object.__new__(cls)
        table._sum = total
        return table

    @classmethod
    def empty(cls) -> Self:
        """Return the table of no voxels, the zero of addition."""
        return cls._of(_Sum(Rows(np.empty(0, np.uint64), np.empty(0, np.uint64), np.empty(0, np.int64))))

    @classmethod
    def merged(cls, tables: Iterable[ContingencyTable]) -> Self:
        """Return the table of the voxels of all these tables: their sum, in time and memory for its rows.

        They are read one after the other, so a generator may make each when its turn comes.
        """
        total: ContingencyTable = cls.empty()
        for table in tables:
            total = total + table
        return cls._of(_Sum(total._rows()))

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
        return cls._of(_Sum(Rows(*sorted_pairs(table))))

    def _rows(self) -> Rows:
        """Return the rows; those that wait are merged now."""
        total = self._sum
        if total.waiting is not None:
            parts: list[Rows] = [total.rows]
            waiting: Any = total.waiting
            while waiting is not None:
                waiting, rows = waiting
                parts.append(rows)
            # One assignment: another thread sees the rows before or after, and they are equal.
            total = self._sum = _Sum(_merged(parts))
        return total.rows

    @property
    def truth_ids(self) -> NDArray[np.uint64]:
        """Truth id of each row, (n,) ascending."""
        return self._rows().truth_ids

    @property
    def segmentation_ids(self) -> NDArray[np.uint64]:
        """Segmentation id of each row, (n,) ascending where the truth id is the same."""
        return self._rows().segmentation_ids

    @property
    def counts(self) -> NDArray[np.int64]:
        """Voxels of each row, (n,) positive."""
        return self._rows().counts

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the rows by the names that make a table of them again."""
        return self._rows()._asdict()

    @property
    def n_voxels(self) -> int:
        """Number of voxels counted."""
        return int(self.counts.sum())

    def without(self, *, truth: Collection[int] = (), segmentation: Collection[int] = ()) -> ContingencyTable:
        """Return the table without the voxels that carry one of these ids."""
        check_ids(truth, name="ignored_truth")
        check_ids(segmentation, name="ignored_segmentation")
        keep = ~(_is_among(self.truth_ids, truth) | _is_among(self.segmentation_ids, segmentation))
        return self._of(_Sum(Rows(self.truth_ids[keep], self.segmentation_ids[keep], self.counts[keep])))

    def truth_counts(self) -> NDArray[np.int64]:
        """Return, for each row, the voxels of its truth id: (n,) int64."""
        return _counts_of_same_id(self.truth_ids, self.counts)

    def segmentation_counts(self) -> NDArray[np.int64]:
        """Return, for each row, the voxels of its segmentation id: (n,) int64."""
        return _counts_of_same_id(self.segmentation_ids, self.counts)

    def __add__(self, other: ContingencyTable) -> ContingencyTable:
        """Return the table of both sets of voxels.

        Rows wait until someone reads them, or until more wait than are merged: in a sum over many tables each
        row is then merged a few times, not once for every table that follows.
        """
        if not isinstance(other, ContingencyTable):
            return NotImplemented
        mine, later = self._sum, other._rows()
        total = _Sum(mine.rows, (mine.waiting, later), mine.n_waiting + len(later.counts))
        table = self._of(total)
        if total.n_waiting > len(total.rows.counts):
            table._rows()
        return table

    def __radd__(self, other: object) -> ContingencyTable:
        """Accept the 0 that `sum` begins with."""
        return self if isinstance(other, int) and other == 0 else NotImplemented

    def __reduce__(self) -> tuple[Any, ...]:
        """Copy and send the rows alone."""
        return type(self), tuple(self._rows())

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {len(self.counts)} rows, {self.n_voxels} voxels>"

    def __eq__(self, other: object) -> bool:
        """Tables are equal if all their rows are."""
        if not isinstance(other, ContingencyTable):
            return NotImplemented
        return all(map(np.array_equal, self._rows(), other._rows()))

    __hash__ = None  # type: ignore[assignment]


def check_scorable(table: ContingencyTable, ignored_truth: Collection[int]) -> None:
    """Require voxels to score: a score of nothing would be a number without meaning."""
    if table.counts.size == 0:
        raise ArgumentError(
            f"`truth` must have a voxel that is not ignored, got none beside the ids "
            f"{sorted(ignored_truth)}; leave this volume out, or ignore fewer ids"
        )


def _checked_rows(truth_ids: object, segmentation_ids: object, counts: object) -> Rows:
    truth = check_labels(truth_ids, name="truth_ids", any_byte_order=True)
    segmentation = check_labels(segmentation_ids, name="segmentation_ids", any_byte_order=True)
    voxels = np.asarray(counts)
    if voxels.dtype.kind not in "iu":
        raise DtypeError(f"`counts` must hold integers (voxels), got dtype {voxels.dtype}")
    for name, column in {"truth_ids": truth, "segmentation_ids": segmentation, "counts": voxels}.items():
        if column.shape != (voxels.size,):
            raise ShapeError(
                f"`{name}` must have shape ({voxels.size},), one row a count, got {column.shape}"
            )
    wrong = (voxels < 1) | (voxels > np.iinfo(np.int64).max)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise ArgumentError(f"`counts` must be positive and fit into int64, got {voxels[row]} in row {row}")
    truth, segmentation = truth.astype(np.uint64, copy=False), segmentation.astype(np.uint64, copy=False)
    ascends = (truth[1:] > truth[:-1]) | ((truth[1:] == truth[:-1]) & (segmentation[1:] > segmentation[:-1]))
    if not ascends.all():
        row = int(np.argmin(ascends))
        before, after = ((int(truth[at]), int(segmentation[at])) for at in (row, row + 1))
        raise ArgumentError(
            "`truth_ids` and `segmentation_ids` must ascend, by truth id and then by segmentation id, each "
            f"pair once, got {after} after {before} in row {row + 1}; sort the rows, add up equal ones"
        )
    return Rows(truth, segmentation, voxels.astype(np.int64, copy=False))


def _merged(parts: Sequence[Rows]) -> Rows:
    """Sort the rows of all parts and add up equal ones; sorted parts make it a merge."""
    truth, segmentation, counts = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    order = np.lexsort((segmentation, truth))
    truth, segmentation, counts = truth[order], segmentation[order], counts[order]
    begins = np.ones(counts.size, bool)
    begins[1:] = (truth[1:] != truth[:-1]) | (segmentation[1:] != segmentation[:-1])
    rows = np.flatnonzero(begins)
    added = np.add.reduceat(counts, rows) if rows.size else counts
    return Rows(truth[rows], segmentation[rows], added)


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
