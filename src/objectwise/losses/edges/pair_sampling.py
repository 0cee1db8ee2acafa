"""Random pairs of voxels, of one object and of two, and the edges that decide them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor

from objectwise.errors import DeviceError, DtypeError
from objectwise.graph import Offsets, affinities_from_labels, maximin_tree
from objectwise.losses.edges.batch import EdgeBatch
from objectwise.losses.edges.options import DEFAULT_PAIRS, DEFAULT_SAME_FRACTION, PairOptions
from objectwise.losses.inputs import on_device, seen
from objectwise.threads import in_threads


class PairSample(NamedTuple):
    """Pairs of voxels drawn for each sample of a batch, on the device of the prediction."""

    voxels: Tensor
    """(n, p, 2) int64, flat C-order voxel indices; -1 for a pair that was not drawn."""
    edges: Tensor
    """(n, p) int64, the maximin edge as a flat index into (k, *spatial); -1 without a pair, without a path,
    or where the truth of the edge is unknown."""
    same: Tensor
    """(n, p) bool, whether the pair lies in one object."""


class ObjectPairs(NamedTuple):
    """All ordered pairs of different labelled voxels, numbered: those of one object, and those of two."""

    voxels: NDArray[np.int64]  # labelled, object by object
    starts: NDArray[np.int64]  # of each object in `voxels`
    sizes: NDArray[np.int64]
    mates: NDArray[np.int64]  # of a voxel in its object, the voxels known to belong with it

    @classmethod
    def of(cls, labels: NDArray[Any], unlabelled: NDArray[np.bool_] | None = None) -> ObjectPairs:
        """List the voxels of each object; 0 is background, unlabelled voxels an object without mates."""
        flat = labels.reshape(-1)
        voxels = np.flatnonzero(flat)
        voxels = voxels[np.argsort(flat[voxels], kind="stable")]
        _, starts, sizes = np.unique(flat[voxels], return_index=True, return_counts=True)
        if unlabelled is None:
            return cls(voxels, starts, sizes, sizes - 1)
        outside = np.flatnonzero(unlabelled)
        return cls(
            np.append(voxels, outside),
            np.append(starts, voxels.size),
            np.append(sizes, outside.size),
            np.append(sizes - 1, 0),
        )

    @property
    def n_same(self) -> int:
        """Number of ordered pairs of one object."""
        return int((self.sizes * self.mates).sum())

    @property
    def n_different(self) -> int:
        """Number of ordered pairs of two objects."""
        return int((self.sizes * (self.voxels.size - self.sizes)).sum())

    def same(self, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the pairs (p, 2) of one object with these numbers, below `n_same`."""
        owner, first, other = self._split(numbers, self.mates)
        start = self.starts[owner]
        return self.voxels[np.stack([start + first, start + other + (other >= first)], 1)]

    def different(self, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the pairs (p, 2) of two objects with these numbers, below `n_different`."""
        owner, first, other = self._split(numbers, self.voxels.size - self.sizes)
        start, size = self.starts[owner], self.sizes[owner]
        return self.voxels[np.stack([start + first, other + np.where(other >= start, size, 0)], 1)]

    def _split(
        self, numbers: NDArray[np.int64], partners: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Return object, voxel in it and partner; every voxel of an object has `partners` of them."""
        stops = np.cumsum(self.sizes * partners)
        owner = np.searchsorted(stops, numbers, side="right")
        inside = numbers - (stops - self.sizes * partners)[owner]
        return owner, inside // partners[owner], inside % partners[owner]


@torch.compiler.disable  # type: ignore[untyped-decorator]  # Numba: a compiled model calls it as it is
def sample_pairs(
    prediction: Tensor,
    labels: Tensor,
    offsets: Offsets,
    *,
    n_pairs: int = DEFAULT_PAIRS,
    same_fraction: float | None = DEFAULT_SAME_FRACTION,
    generator: Generator | None = None,
    from_logits: bool = True,
    edge_mask: Tensor | None = None,
    unlabelled: Tensor | None = None,
) -> PairSample:
    """Draw the pairs of `maximin_pair_loss` and find their maximin edges; see there for the arguments.

    Every pair of a class is as likely as any other, and may be drawn again. The numbers are drawn sample by
    sample in the calling thread; the forests are built side by side.

    Returns
    -------
    PairSample
        Without graph.
    """
    options = PairOptions(n_pairs=n_pairs, same_fraction=same_fraction, from_logits=from_logits)
    check_generator(generator)
    batch = EdgeBatch.of(
        prediction, labels, offsets, from_logits=from_logits, edge_mask=edge_mask, unlabelled=unlabelled
    )
    return draw_pairs(batch, options, generator, prediction.device)


def draw_pairs(
    batch: EdgeBatch, options: PairOptions, generator: Generator | None, device: torch.device
) -> PairSample:
    """Do the same for what is checked already."""
    n, n_pairs = len(batch), options.n_pairs
    voxels = np.full((n, n_pairs, 2), -1, np.int64)
    edges, same = np.full((n, n_pairs), -1, np.int64), np.zeros((n, n_pairs), np.bool_)
    drawn = []
    for i in range(n):
        _, labels, _, _, unlabelled = batch.sample(i)
        of_one, of_two = _draw(ObjectPairs.of(labels, unlabelled), options, generator)
        drawn.append(len(of_one) + len(of_two))
        voxels[i, : drawn[-1]] = np.concatenate([of_one, of_two])
        same[i, : len(of_one)] = True

    def decide(i: int) -> None:
        if drawn[i]:
            values, _, offsets, edge_mask, unlabelled = batch.sample(i)
            found = maximin_tree(values, offsets).maximin_edges(voxels[i, : drawn[i]])
            unknown = _are_unknown(found, offsets, edge_mask, unlabelled)
            edges[i, : drawn[i]] = np.where(unknown, -1, found)

    in_threads(decide, range(n))
    return PairSample(*(on_device(torch.from_numpy(array), device) for array in (voxels, edges, same)))


def _are_unknown(
    edges: NDArray[np.int64],
    offsets: Offsets,
    edge_mask: NDArray[np.bool_] | None,
    unlabelled: NDArray[np.bool_] | None,
) -> NDArray[np.bool_]:
    """Say of each edge, a flat index or -1 for none, whether its truth is unknown."""
    unknown = np.zeros(edges.shape, np.bool_)
    if edge_mask is not None:
        unknown |= ~edge_mask.reshape(-1)[edges]
    if unlabelled is not None:
        inside = affinities_from_labels(unlabelled.astype(np.uint8), offsets)
        unknown |= inside.reshape(-1)[edges] == 1
    return unknown


def check_generator(generator: Generator | None) -> None:
    """Require a generator on the CPU, or none."""
    if generator is None:
        return
    if not isinstance(generator, Generator):
        raise DtypeError(
            f"`generator` must be a torch.Generator, got {type(generator).__name__}; "
            "seed one with torch.Generator().manual_seed(0)"
        )
    if generator.device.type != "cpu":
        raise DeviceError(
            f"`generator` must be on the CPU, where pairs are drawn for every device, got {generator.device}"
        )


def _draw(
    pairs: ObjectPairs, options: PairOptions, generator: Generator | None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Draw pairs of one object and of two, with replacement; none of a class that has none."""
    n_pairs = options.n_pairs
    if options.same_fraction is None:
        numbers = _numbers(pairs.n_same + pairs.n_different, n_pairs, generator)
        is_same = numbers < pairs.n_same
        return pairs.same(numbers[is_same]), pairs.different(numbers[~is_same] - pairs.n_same)
    # Rounded up or down at random, so that an odd number of pairs is balanced in the mean.
    chance = torch.rand((), generator=generator, dtype=torch.float64).item()
    n_same = min(int(n_pairs * options.same_fraction + chance), n_pairs)
    return (
        pairs.same(_numbers(pairs.n_same, n_same, generator)),
        pairs.different(_numbers(pairs.n_different, n_pairs - n_same, generator)),
    )


def _numbers(stop: int, size: int, generator: Generator | None) -> NDArray[np.int64]:
    """Draw integers from 0 to `stop`, excluded; none where that leaves nothing."""
    if stop == 0:
        return np.empty(0, np.int64)
    return seen(torch.randint(stop, (size,), generator=generator, dtype=torch.int64))
