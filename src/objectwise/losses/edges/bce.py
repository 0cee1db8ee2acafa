"""Binary cross-entropy on affinities: the pixel-wise loss that every structured one is compared with."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from objectwise.graph import Neighborhood, Offsets, offsets_array
from objectwise.losses.inputs import check_edge_prediction


def affinity_bce_loss(logits: Tensor, labels: Tensor, offsets: Offsets) -> Tensor:
    """Return the mean binary cross-entropy over all edges that stay inside the volume.

    Parameters
    ----------
    logits : (n, k, *spatial) float, any device
        The loss is float32 (float64 for float64), also under autocast.
    labels : (n, *spatial) integer, on the device of `logits`
        0 is background: its edges have truth 0.
    offsets : Neighborhood or (k, ndim) int, voxels

    Returns
    -------
    scalar Tensor

    Raises
    ------
    DtypeError, ShapeError, ArgumentError, DeviceError
        If the inputs do not fit each other.

    Examples
    --------
    >>> affinity_bce_loss(torch.zeros(1, 1, 1, 3), torch.tensor([[[1, 1, 2]]]), [[0, -1]])  # log 2
    tensor(0.6931)
    """
    check_edge_prediction(logits, labels, offsets)
    dtype = torch.float64 if logits.dtype == torch.float64 else torch.float32
    total = torch.zeros((), dtype=dtype, device=logits.device)
    n_edges = 0
    with torch.autocast(logits.device.type, enabled=False):
        for channel, offset in enumerate(offsets_array(offsets).tolist()):
            here, there = _ends(offset)
            label = labels[here]
            truth = ((label == labels[there]) & (label != 0)).to(dtype)
            edges = logits[:, channel][here].to(dtype)
            total = total + functional.binary_cross_entropy_with_logits(edges, truth, reduction="sum")
            n_edges += truth.numel()
        return total / n_edges


class AffinityBCELoss(nn.Module):
    """`affinity_bce_loss` with its offsets held."""

    def __init__(self, offsets: Offsets) -> None:
        super().__init__()
        self.neighborhood = offsets if isinstance(offsets, Neighborhood) else Neighborhood(offsets)

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the scalar loss of `logits` (n, k, *spatial) against `labels` (n, *spatial)."""
        return affinity_bce_loss(logits, labels, self.neighborhood)

    def extra_repr(self) -> str:
        """Show the options."""
        return f"offsets={list(self.neighborhood.offsets)}"


def _ends(offset: list[int]) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Return the slices of the voxels v whose v + offset lies inside, and of those v + offset."""
    batch = slice(None)
    here = (slice(max(0, -step), -step if step > 0 else None) for step in offset)
    there = (slice(max(0, step), step if step < 0 else None) for step in offset)
    return (batch, *here), (batch, *there)
