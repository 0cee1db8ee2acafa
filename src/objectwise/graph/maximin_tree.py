"""The maximum spanning forest of an affinity graph: what joins which voxels, at every threshold."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from objectwise.checks import check_affinities, check_edges, check_labels, check_number, check_pairs
from objectwise.errors import ArgumentError, DtypeError, ShapeError
from objectwise.graph.axes import as_channels, as_steps
from objectwise.graph.neighborhood import Offsets, offsets_array
from objectwise.graph.pair_curve import PairCurve, pair_curve_of
from objectwise.kernels import maximin_tree as kernel
from objectwise.kernels.edge_lists import most_voxels
from objectwise.kernels.edge_order import order_keys
from objectwise.kernels.random_access import values_at


class BinaryPartitionTree(NamedTuple):
    """A hierarchy of merges in the layout of Higra: `higra.Tree(tree.parents)`, `tree.altitudes`.

    Leaves 0 to n - 1 are the voxels in C order; node n + i is the i-th merge. Altitudes ascend from 0 at the
    leaves to the root: two voxels lie in one segment from the altitude of their lowest common ancestor on.
    """

    parents: NDArray[np.int64]
    """Parent of each of the 2 n - 1 nodes; the root is its own."""
    altitudes: NDArray[np.float64]
    """What the affinity of each merge lacks to 1, or to the highest affinity where that is above 1; 0 for the
    leaves."""


@dataclass(frozen=True, eq=False)
class MaximinTree:
    """The maximum spanning forest of an affinity graph, in merge order; `maximin_tree` makes one.

    It holds arrays only: `np.savez(file, **vars(tree))` saves it, `MaximinTree(**np.load(file))` loads it.

    Parameters
    ----------
    shape : 2 or 3 ints
        Of the volume, n voxels.
    offsets : (k, ndim) int64, voxels
    edges : (m,) int64
        The edge of each merge, as a flat index into the (k, *spatial) affinities.
    affinities : (m,) float32 or float64
        Of these edges, descending.
    parents : (n,) int32
        A tree over the voxels for each component, at most log2(n) deep: each merge attaches the root of the
        smaller set to that of the larger. -1 for the roots that remain.
    merges : (n,) int32
        The merge that attached each voxel, m for the roots that remain.

    Raises
    ------
    DtypeError, ShapeError, ArgumentError
        If the arrays do not fit each other or are no forest.
    """

    shape: tuple[int, ...]
    offsets: NDArray[np.int64]
    edges: NDArray[np.int64]
    affinities: NDArray[Any]
    parents: NDArray[np.int32]
    merges: NDArray[np.int32]

    def __post_init__(self) -> None:
        # A file may hold anything, and the kernels index without a check of their own.
        object.__setattr__(self, "shape", tuple(int(length) for length in self.shape))
        n_voxels, n_merges = int(np.prod(self.shape)), len(self.edges)
        for name, dtypes, length in (
            ("edges", ("int64",), n_merges),
            ("affinities", ("float32", "float64"), n_merges),
            ("parents", ("int32",), n_voxels),
            ("merges", ("int32",), n_voxels),
        ):
            array = getattr(self, name)
            if array.dtype.name not in dtypes:
                raise DtypeError(f"`{name}` must be {' or '.join(dtypes)}, got dtype {array.dtype}")
            if array.shape != (length,):
                raise ShapeError(f"`{name}` must have shape ({length},), got {array.shape}")
        if n_merges and not self._attached().size:
            raise ArgumentError("`parents` and `merges` must be a forest in merge order, got another graph")

    @classmethod
    def _unchecked(cls, *values: Any) -> MaximinTree:
        """Make a tree of arrays that the kernel has made: the check costs a tenth of making them."""
        tree = object.__new__(cls)
        for field, value in zip(fields(cls), values, strict=True):
            object.__setattr__(tree, field.name, value)
        return tree

    def maximin(self, pairs: NDArray[np.integer[Any]]) -> NDArray[Any]:
        """Return the maximin affinity of pairs of voxels: that of the weakest edge on their best path.

        A cut joins a pair exactly where its maximin affinity is greater than the threshold.

        Parameters
        ----------
        pairs : (p, 2) int, flat C-order voxel indices

        Returns
        -------
        (p,) in the dtype of the affinities
            -inf where no path joins the pair, +inf for a voxel with itself.

        Raises
        ------
        DtypeError, ShapeError, ArgumentError
            If `pairs` is no such table, or an index lies outside the volume.

        Notes
        -----
        O(log n) a pair.
        """
        ends = np.array([-np.inf, np.inf], self.affinities.dtype)
        # Index m is no merge, and -1 the voxel itself.
        return np.concatenate([self.affinities, ends])[self._joining(pairs)]

    def maximin_edges(self, pairs: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
        """Return the edge that decides whether each pair of voxels is joined.

        Parameters
        ----------
        pairs : (p, 2) int, flat C-order voxel indices

        Returns
        -------
        (p,) int64
            Flat index into the affinities; -1 where no path joins the pair, and for a voxel with itself.

        Raises
        ------
        DtypeError, ShapeError, ArgumentError
            If `pairs` is no such table, or an index lies outside the volume.
        """
        return np.concatenate([self.edges, [-1, -1]])[self._joining(pairs)]

    def cut(self, threshold: float) -> NDArray[np.int64]:
        """Label the components of the edges above a threshold, as `components_from_affinities` does.

        Parameters
        ----------
        threshold : float, may be infinite
            Compared in the dtype of the affinities; an edge joins its voxels where it is strictly greater.

        Returns
        -------
        (*spatial) int64
            1, 2, ... in C order of each component's first voxel; 0 for a voxel that is joined to none.

        Raises
        ------
        ArgumentError
            If `threshold` is NaN.
        """
        check_number(threshold, name="threshold")
        if np.isnan(threshold):
            raise ArgumentError(f"`threshold` must be a number, got {threshold}")
        with np.errstate(over="ignore"):  # beyond all affinities is infinity
            limit = self.affinities.dtype.type(threshold)
        n_done = len(self.edges) - int(np.searchsorted(self.affinities[::-1], limit, side="right"))
        labels: NDArray[np.int64] = kernel.components_after(self.parents, self.merges, n_done)
        return labels.reshape(self.shape)

    def pair_curve(self, labels: NDArray[Any]) -> PairCurve:
        """Compare the cut at every threshold with true labels, by pairs of voxels.

        Parameters
        ----------
        labels : (*spatial) integer
            The truth; 0 is background, whose voxels make no pair.

        Returns
        -------
        PairCurve
            One entry for each different segmentation, exact counts included.

        Raises
        ------
        DtypeError, ShapeError, ArgumentError
            If `labels` are no integers, negative, or of another shape.

        Notes
        -----
        One pass over the merges: each joins two sets, and adds the pairs between them. Histograms of the
        labels in a set are merged small into large.

        Examples
        --------
        >>> tree = maximin_tree(np.array([[[0.0, 0.9, 0.4, 0.8]]]), [[0, -1]])
        >>> curve = tree.pair_curve(np.array([[1, 1, 2, 2]]))
        >>> curve.threshold.round(3).tolist(), curve.correct_pairs.tolist(), curve.joined_pairs.tolist()
        ([0.9, 0.8, 0.4, 0.4], [0, 1, 2, 2], [0, 1, 2, 6])
        >>> tree.best_threshold(np.array([[1, 1, 2, 2]]))
        0.4
        """
        check_labels(labels)
        if labels.shape != self.shape:
            raise ShapeError(f"`labels` must have the shape of the tree {self.shape}, got {labels.shape}")
        flat = labels.reshape(-1)
        same, joined = kernel.pairs_of_merges(self.parents, self._attached(), flat)
        _, voxels = np.unique(flat[flat != 0], return_counts=True)
        return pair_curve_of(self.affinities, same, joined, int((voxels * (voxels - 1) // 2).sum()))

    def best_threshold(self, labels: NDArray[Any]) -> float:
        """Return the highest threshold whose cut has the best F-score of pairs against true labels.

        It is the upper end of what gives that cut: the affinity of the strongest edge left out, or the number
        below all affinities where every edge joins. See `pair_curve` for the arguments and the errors.
        """
        curve = self.pair_curve(labels)
        return float(curve.threshold[np.argmax(curve.f_score)])

    def ultrametric(self) -> BinaryPartitionTree:
        """Return the hierarchy of merges, an ultrametric on the voxels, in the layout of Higra.

        Altitudes are 1 - affinity, with the highest affinity in place of 1 where that is above 1. The tree is
        that of `higra.bpt_canonical` of the same graph, edges in index order, with these as weights. A cut at
        threshold t is the horizontal cut just below altitude 1 - t. Where the graph is not connected, which
        Higra refuses, the trees of its components are joined last, at altitude +inf and in the order of their
        roots, so that there are 2 n - 1 nodes always.

        Examples
        --------
        >>> maximin_tree(np.array([[[0.0, 0.75, 0.25]]]), [[0, -1]]).ultrametric().altitudes
        array([0.  , 0.  , 0.  , 0.25, 0.75])
        """
        parents = kernel.partition_tree_parents(self.parents, self._attached())
        # Higra's explorer of horizontal cuts takes leaves at 0 only, and nothing below them; float64 holds
        # 1 - a of a float32 without rounding from 2^-29 on.
        altitudes = np.empty(len(parents))
        leaves, merges, joins = np.split(altitudes, [len(self.parents), len(self.parents) + len(self.edges)])
        leaves[:], joins[:] = 0, np.inf
        with np.errstate(over="ignore"):
            np.subtract(
                max(1.0, *self.affinities[:1].tolist()), self.affinities, out=merges, dtype=np.float64
            )
        return BinaryPartitionTree(parents, altitudes)

    def _attached(self) -> NDArray[np.int32]:
        attached: NDArray[np.int32] = kernel.attached_voxels(self.parents, self.merges, len(self.edges))
        return attached

    def _joining(self, pairs: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
        """Return the merge of each pair, m where there is none and -1 for a voxel with itself."""
        table = check_pairs(pairs, n_voxels=len(self.parents))
        merges: NDArray[np.int64] = kernel.joining_merges(self.parents, self.merges, len(self.edges), table)
        return merges


def maximin_tree(affinities: NDArray[Any], offsets: Offsets) -> MaximinTree:
    """Build the maximum spanning forest of an affinity graph.

    Parameters
    ----------
    affinities : (k, *spatial) float32 or float64, finite, no unit
        Higher means "same instance". Channel i at voxel v is the edge (v, v + offsets[i]); edges that leave
        the volume are never read.
    offsets : Neighborhood or (k, ndim) int, voxels

    Returns
    -------
    MaximinTree
        It answers for the maximin affinity of any pair, the components at any threshold, and how good they
        all are, without another look at the affinities.

    Raises
    ------
    DtypeError, ShapeError, ArgumentError
        If affinities and offsets do not fit each other, are empty, not finite, or have too many voxels.

    Notes
    -----
    Kruskal's algorithm in the order affinity descending, then edge index ascending, on the edges that are not
    the last of a cycle of four. O(E) for the radix sort (float32), nearly O(E) for the forest.

    References
    ----------
    Turaga, Briggman, Helmstaedter, Denk, Seung: "Maximin affinity learning of image segmentation", 2009.

    Examples
    --------
    >>> tree = maximin_tree(np.array([[[0.0, 0.9, 0.4, 0.8]]]), [[0, -1]])
    >>> tree.maximin(np.array([[0, 1], [0, 3]]))
    array([0.9, 0.4])
    >>> tree.cut(0.5)
    array([[1, 1, 2, 2]])
    """
    check_affinities(affinities)
    table = offsets_array(offsets)
    shape = affinities.shape[1:]
    check_edges(affinities, table)
    n_voxels, most = int(np.prod(shape)), most_voxels(len(table))
    if n_voxels > most:
        raise ArgumentError(
            f"`affinities` must have at most {most} voxels with {len(table)} channels, got {n_voxels}; "
            "build the tree of a large volume block by block"
        )
    forest = kernel.spanning_forest(as_channels(order_keys(affinities)), as_steps(table))
    of_merges = values_at(np.ascontiguousarray(affinities).reshape(-1), forest.edges)
    return MaximinTree._unchecked(shape, table, forest.edges, of_merges, forest.parents, forest.merges)
