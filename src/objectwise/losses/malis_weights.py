"""The weights of MALIS for a batch of tensors: counts, normalised, on the device of the prediction."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from objectwise.checks import check_choice, check_labels, check_unlabelled
from objectwise.graph import Offsets
from objectwise.losses.inputs import check_edge_prediction, check_masks, on_device, on_host, values_of
from objectwise.maps import PairCounts, malis_pair_counts

NORMALIZATIONS = ("pass", "pairs", "none")


class MalisWeights(NamedTuple):
    """Normalised pair counts, (n, k, *spatial) on the device of the prediction."""

    positive: Tensor
    """Weight of the cost of being too low."""
    negative: Tensor
    """Weight of the cost of being too high."""


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
    check_edge_prediction(prediction, labels, offsets)
    check_choice(normalization, NORMALIZATIONS, name="normalization")
    check_masks(prediction, labels, edge_mask=edge_mask, unlabelled=unlabelled)
    values = values_of(prediction, from_logits=from_logits)
    ids = check_labels(on_host(labels))
    masks = [None if mask is None else on_host(mask) for mask in (edge_mask, unlabelled)]
    if masks[1] is not None:
        check_unlabelled(masks[1], ids)

    def count(sample: int) -> PairCounts:
        edges, voxels = (None if mask is None else mask[sample] for mask in masks)
        return malis_pair_counts(
            values[sample], ids[sample], offsets, constrained=constrained, edge_mask=edges, unlabelled=voxels
        )

    weights = np.empty((2, *values.shape), values.dtype)

    def write(sample: int) -> None:
        _normalise(count(sample), normalization, weights[:, sample])

    # The kernels release the GIL.
    with ThreadPoolExecutor(min(len(values), os.cpu_count() or 1)) as pool:
        list(pool.map(write, range(len(values))))
    return MalisWeights(*on_device(torch.from_numpy(weights), prediction.device))


def _normalise(counts: PairCounts, normalization: str, out: NDArray[Any]) -> None:
    """Divide both counts as `normalization` says, in float64, and write them to `out` (2, k, *spatial)."""
    totals = [one.sum(dtype=np.float64) for one in counts]
    if normalization == "pairs":
        totals = [sum(totals)] * 2
    elif normalization == "none":
        totals = [1.0, 1.0]
    for one, total, place in zip(counts, totals, out, strict=True):
        np.multiply(one, 1 / total if total else 0.0, out=place, casting="unsafe")
