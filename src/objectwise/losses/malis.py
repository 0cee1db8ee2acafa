"""MALIS: a loss on the edges that decide which voxels end up connected."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor, nn

from objectwise.graph import Neighborhood, Offsets
from objectwise.losses.inputs import check_edge_prediction
from objectwise.maps import PairCounts, malis_pair_counts


def malis_loss(
    prediction: Tensor,
    labels: Tensor,
    offsets: Offsets,
    *,
    constrained: bool = True,
    from_logits: bool = False,
) -> Tensor:
    """Return the squared error of the maximin edges, weighted by the pairs that each decides.

    For each sample and each of the two passes the weights are the pair counts divided by their sum (in
    float64), so a pass contributes between 0 and 1: the mean over its pairs of the squared error of their
    maximin edge. A pass without pairs contributes 0. The result is the mean over the batch.

    Parameters
    ----------
    prediction : (n, k, *spatial) float, any device
        Affinities in 0..1, or logits with `from_logits`. Half precision is widened; the loss is float32
        (float64 for float64), also under autocast.
    labels : (n, *spatial) integer, on the device of `prediction`
        0 is background.
    offsets : Neighborhood or (k, ndim) int, voxels
    constrained : bool
        See `malis_pair_counts`.
    from_logits : bool
        The forest is built on the logits themselves, so predictions that saturate at 1.0 keep their order.

    Returns
    -------
    scalar Tensor
        Differentiable with respect to `prediction`; the counts are constants.

    Raises
    ------
    DtypeError, ShapeError, ArgumentError, DeviceError
        Before any work, if the inputs do not fit each other or a prediction is not finite.

    References
    ----------
    Turaga et al. 2009; Funke et al. 2019 (see `malis_pair_counts`). The loss of a pass is normalised per
    pass, as in the TensorFlow interface of TuragaLab's implementation.

    Examples
    --------
    >>> chain = torch.tensor([[[[0.0, 0.9, 0.4, 0.8]]]])
    >>> malis_loss(chain, torch.tensor([[[1, 1, 2, 2]]]), [[0, -1]])  # (0.01 + 0.04) / 2 + 0.16
    tensor(0.1850)
    """
    check_edge_prediction(prediction, labels, offsets)
    weights = _pass_weights(prediction, labels, offsets, constrained=constrained)
    with torch.autocast(prediction.device.type, enabled=False):
        affinities = prediction.to(weights.dtype)
        if from_logits:
            affinities = affinities.sigmoid()
        missing = weights[0] * (1 - affinities) ** 2
        surplus = weights[1] * affinities**2
        total: Tensor = (missing + surplus).sum() / len(prediction)
        return total


class MalisLoss(nn.Module):
    """`malis_loss` with its options held.

    Parameters
    ----------
    offsets, constrained, from_logits
        As in `malis_loss`; predictions are logits by default, as networks return them.
    """

    def __init__(self, offsets: Offsets, *, constrained: bool = True, from_logits: bool = True) -> None:
        super().__init__()
        self.neighborhood = offsets if isinstance(offsets, Neighborhood) else Neighborhood(offsets)
        self.constrained = constrained
        self.from_logits = from_logits

    def forward(self, prediction: Tensor, labels: Tensor) -> Tensor:
        """Return the scalar loss of `prediction` (n, k, *spatial) against `labels` (n, *spatial)."""
        return malis_loss(
            prediction,
            labels,
            self.neighborhood,
            constrained=self.constrained,
            from_logits=self.from_logits,
        )

    def extra_repr(self) -> str:
        """Show the options."""
        return (
            f"offsets={list(self.neighborhood.offsets)}, constrained={self.constrained}, "
            f"from_logits={self.from_logits}"
        )


@torch.compiler.disable  # type: ignore[untyped-decorator]  # NumPy and Numba: a compiled model calls them as they are
def _pass_weights(prediction: Tensor, labels: Tensor, offsets: Offsets, *, constrained: bool) -> Tensor:
    """Return the normalised counts of both passes: (2, n, k, *spatial) on the device of `prediction`."""
    dtype = torch.float64 if prediction.dtype == torch.float64 else torch.float32
    values = prediction.detach().to("cpu", dtype).numpy()
    ids = labels.detach().cpu().numpy()

    def count(sample: int) -> PairCounts:
        return malis_pair_counts(values[sample], ids[sample], offsets, constrained=constrained)

    # The kernels release the GIL: samples are counted side by side.
    with ThreadPoolExecutor(min(len(values), os.cpu_count() or 1)) as pool:
        counts = list(pool.map(count, range(len(values))))
    weights = np.stack(
        [[_normalised(one.positive) for one in counts], [_normalised(one.negative) for one in counts]]
    )
    return torch.from_numpy(weights).to(prediction.device, dtype)


def _normalised(counts: np.ndarray) -> np.ndarray:
    """Divide counts by their sum, in float64; no pairs give no weights."""
    total = counts.sum(dtype=np.float64)
    return counts / total if total else counts.astype(np.float64)
