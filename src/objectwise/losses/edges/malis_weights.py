"""The weights of MALIS for a batch of tensors: counts, normalised, on the device of the prediction."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from objectwise.graph import Offsets
from objectwise.kernels.edge_counts import EdgeCounts
from objectwise.kernels.random_access import scaled_at
from objectwise.losses.edges.batch import EdgeBatch
from objectwise.losses.edges.options import MalisOptions
from objectwise.losses.inputs import on_device
from objectwise.maps.malis import edge_pair_counts
from objectwise.threads import in_threads


class MalisWeights(NamedTuple):
    """Normalised pair counts, (n, k, *spatial) on the device of the prediction."""

    positive: Tensor
    """Weight of the cost of being too low."""
    negative: Tensor
    """Weight of the cost of being too high."""


class MalisEdges(NamedTuple):
    """The same without the zeros, on the device of the prediction: first the positive pass, then the other.

    The loss and its gradient are made from these alone, where dense weights would cost as much as the forest.
    """

    edges: Tensor
    """(m,) int64, flat indices into the prediction; the samples of a pass in order."""
    weights: Tensor
    """(m,) float"""
    sizes: tuple[list[int], list[int]]
    """How many edges each sample has in each pass."""
    is_known: list[bool]
    """Whether the truth of any edge is known, sample by sample."""


@torch.compiler.disable  # type: ignore[untyped-decorator]  # Numba: a compiled model calls it as it is
def malis_weights(
    prediction: Tensor,
    labels: Tensor,
    offsets: Offsets,
    *,
    from_logits: bool = True,
    constrained: bool = True,
    edge_mask: Tensor | None = None,
    unlabelled: Tensor | None = None,
    normalization: str = "pass",
) -> MalisWeights:
    """Return the weights of `malis_loss`; see there for the arguments.

    The samples of a batch are counted side by side, one thread each. Tensors on a GPU are copied once each
    way.

    Returns
    -------
    MalisWeights
        float32 (float64 for a float64 prediction), without graph.
    """
    options = MalisOptions(from_logits=from_logits, constrained=constrained, normalization=normalization)
    batch = EdgeBatch.of(
        prediction, labels, offsets, from_logits=from_logits, edge_mask=edge_mask, unlabelled=unlabelled
    )
    weights = np.zeros((2, *batch.values.shape), batch.values.dtype)

    def write(sample: int) -> None:
        counts = edge_pair_counts(*batch.sample(sample), constrained=constrained)
        for one, scale, out in zip(counts, _scales(counts, options), weights[:, sample], strict=True):
            scaled_at(out.reshape(-1), one.edges, one.pairs, scale)

    in_threads(write, range(len(batch)))
    return MalisWeights(*on_device(torch.from_numpy(weights), prediction.device))


def malis_edges(batch: EdgeBatch, options: MalisOptions, device: torch.device) -> MalisEdges:
    """Return the weights that are not 0, at most one a voxel in each pass."""
    counted: list[tuple[EdgeCounts, EdgeCounts]] = in_threads(
        lambda sample: edge_pair_counts(*batch.sample(sample), constrained=options.constrained),
        range(len(batch)),
    )
    sizes = tuple([counts[i].edges.size for counts in counted] for i in range(2))
    edges = np.empty(sum(map(sum, sizes)), np.int64)
    weights = np.empty(edges.size, batch.values.dtype)
    starts = np.cumsum([0, *sizes[0], *sizes[1]])

    def write(sample: int) -> None:
        counts = counted[sample]
        for one, scale, start in zip(
            counts, _scales(counts, options), starts[sample :: len(counted)], strict=False
        ):
            place = slice(start, start + one.edges.size)
            np.add(one.edges, sample * batch.values[0].size, out=edges[place])
            np.multiply(one.pairs, scale, out=weights[place], casting="unsafe")

    in_threads(write, range(len(counted)))
    return MalisEdges(
        on_device(torch.from_numpy(edges), device),
        on_device(torch.from_numpy(weights), device),
        (sizes[0], sizes[1]),
        # An edge that decides a pair is known.
        [
            positive + negative > 0 or batch.knows(i)
            for i, (positive, negative) in enumerate(zip(*sizes, strict=True))
        ],
    )


def _scales(counts: tuple[EdgeCounts, EdgeCounts], options: MalisOptions) -> list[float]:
    """Return what each pass is multiplied with: 1 over its sum, over that of both, or 1; 0 without pairs."""
    totals = [float(one.pairs.sum()) for one in counts]
    if options.normalization == "pairs":
        totals = [sum(totals)] * 2
    elif options.normalization == "none":
        totals = [1.0, 1.0]
    return [1 / total if total else 0.0 for total in totals]
