"""The weights of MALIS for a batch of tensors: counts, normalised, on the device of the prediction."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from objectwise.checks import check_choice, check_labels, check_unlabelled
from objectwise.graph import Offsets
from objectwise.kernels.edge_counts import EdgeCounts
from objectwise.kernels.random_access import scaled_at
from objectwise.losses.inputs import check_edge_prediction, check_masks, on_device, on_host, values_of
from objectwise.maps.malis import edge_pair_counts
from objectwise.threads import in_threads

NORMALIZATIONS = ("pass", "pairs", "none")


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
    check_choice(normalization, NORMALIZATIONS, name="normalization")
    count = _counter(
        prediction,
        labels,
        offsets,
        from_logits=from_logits,
        constrained=constrained,
        edge_mask=edge_mask,
        unlabelled=unlabelled,
    )
    weights = np.zeros((2, *prediction.shape), _dtype_of(prediction))

    def write(sample: int) -> None:
        counts = count(sample)
        for one, scale, out in zip(counts, _scales(counts, normalization), weights[:, sample], strict=True):
            scaled_at(out.reshape(-1), one.edges, one.pairs, scale)

    in_threads(write, range(len(prediction)))
    return MalisWeights(*on_device(torch.from_numpy(weights), prediction.device))


def malis_edges(
    prediction: Tensor,
    labels: Tensor,
    offsets: Offsets,
    *,
    from_logits: bool,
    constrained: bool,
    edge_mask: Tensor | None,
    unlabelled: Tensor | None,
    normalization: str,
) -> MalisEdges:
    """Return the weights that are not 0, at most one a voxel in each pass; arguments as above."""
    count = _counter(
        prediction,
        labels,
        offsets,
        from_logits=from_logits,
        constrained=constrained,
        edge_mask=edge_mask,
        unlabelled=unlabelled,
    )
    counted: list[tuple[EdgeCounts, EdgeCounts]] = in_threads(count, range(len(prediction)))
    sizes = tuple([counts[i].edges.size for counts in counted] for i in range(2))
    edges = np.empty(sum(map(sum, sizes)), np.int64)
    weights = np.empty(edges.size, _dtype_of(prediction))
    starts = np.cumsum([0, *sizes[0], *sizes[1]])

    def write(sample: int) -> None:
        counts = counted[sample]
        for one, scale, start in zip(
            counts, _scales(counts, normalization), starts[sample :: len(counted)], strict=False
        ):
            place = slice(start, start + one.edges.size)
            np.add(one.edges, sample * prediction[0].numel(), out=edges[place])
            np.multiply(one.pairs, scale, out=weights[place], casting="unsafe")

    in_threads(write, range(len(counted)))
    return MalisEdges(
        on_device(torch.from_numpy(edges), prediction.device),
        on_device(torch.from_numpy(weights), prediction.device),
        (sizes[0], sizes[1]),
    )


def _counter(
    prediction: Tensor,
    labels: Tensor,
    offsets: Offsets,
    *,
    from_logits: bool,
    constrained: bool,
    edge_mask: Tensor | None,
    unlabelled: Tensor | None,
) -> Callable[[int], tuple[EdgeCounts, EdgeCounts]]:
    """Check the tensors, take them to the host, and return a function that counts one sample."""
    check_edge_prediction(prediction, labels, offsets)
    check_masks(prediction, labels, edge_mask=edge_mask, unlabelled=unlabelled)
    values, ids = values_of(prediction, from_logits=from_logits), check_labels(on_host(labels))
    masks = [None if mask is None else on_host(mask) for mask in (edge_mask, unlabelled)]
    if masks[1] is not None:
        check_unlabelled(masks[1], ids)

    def count(sample: int) -> tuple[EdgeCounts, EdgeCounts]:
        edges, voxels = (None if mask is None else mask[sample] for mask in masks)
        return edge_pair_counts(
            values[sample], ids[sample], offsets, constrained=constrained, edge_mask=edges, unlabelled=voxels
        )

    return count


def _scales(counts: tuple[EdgeCounts, EdgeCounts], normalization: str) -> list[float]:
    """Return what each pass is multiplied with: 1 over its sum, over that of both, or 1; 0 without pairs."""
    totals = [float(one.pairs.sum()) for one in counts]
    if normalization == "pairs":
        totals = [sum(totals)] * 2
    elif normalization == "none":
        totals = [1.0, 1.0]
    return [1 / total if total else 0.0 for total in totals]


def _dtype_of(prediction: Tensor) -> type[np.floating]:
    """Return the dtype of the weights."""
    return np.float64 if prediction.dtype == torch.float64 else np.float32
