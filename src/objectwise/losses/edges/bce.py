"""Binary cross-entropy on affinities: the pixel-wise loss that every structured one is compared with."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from objectwise.checks import voxels_inside
from objectwise.errors import ArgumentError
from objectwise.graph import Neighborhood, Offsets, offsets_array
from objectwise.losses.edges.batch import check_edge_prediction, check_masks
from objectwise.losses.inputs import LogitsWatch, check_finite_tensor, is_true, wide_dtype


def affinity_bce_loss(
    logits: Tensor,
    labels: Tensor,
    offsets: Offsets,
    *,
    edge_mask: Tensor | None = None,
    unlabelled: Tensor | None = None,
) -> Tensor:
    """Return the mean binary cross-entropy over the known edges that stay inside the volume.

    Parameters
    ----------
    logits : (n, k, *spatial) float, any device
        The loss is float32 (float64 for float64), also under autocast. They must be finite where an edge
        counts. A warning says if all of them lie in 0..1, as after a sigmoid.
    labels : (n, *spatial) integer, on the device of `logits`
        0 is background: its edges have truth 0.
    offsets : Neighborhood or (k, ndim) int, voxels
    edge_mask : (n, k, *spatial) bool, optional
        False where the truth of an edge is unknown.
    unlabelled : (n, *spatial) bool, optional
        True for voxels known to lie outside every labelled object and not resolved into objects themselves;
        their label must be 0. Edges between two of them are unknown, all others have truth 0.

    Returns
    -------
    scalar Tensor
        The mean over the known edges of each sample, and over the samples that have any; 0 where none has.

    Raises
    ------
    DtypeError, ShapeError, ArgumentError, DeviceError
        If the inputs do not fit each other, a label is negative, or a logit that counts is not finite.

    Examples
    --------
    >>> affinity_bce_loss(torch.zeros(1, 1, 1, 3), torch.tensor([[[1, 1, 2]]]), [[0, -1]])  # log 2
    tensor(0.6931)
    """
    loss = _loss_of(logits, labels, offsets, edge_mask, unlabelled)
    LogitsWatch().look(logits)
    return loss


class AffinityBCELoss(nn.Module):
    """`affinity_bce_loss` with its offsets held; of a sigmoid it warns once."""

    def __init__(self, offsets: Offsets) -> None:
        super().__init__()
        self.neighborhood = offsets if isinstance(offsets, Neighborhood) else Neighborhood(offsets)
        self._watch = LogitsWatch()

    def forward(
        self,
        logits: Tensor,
        labels: Tensor,
        *,
        edge_mask: Tensor | None = None,
        unlabelled: Tensor | None = None,
    ) -> Tensor:
        """Return the scalar loss of `logits` (n, k, *spatial) against `labels` (n, *spatial)."""
        loss = _loss_of(logits, labels, self.neighborhood, edge_mask, unlabelled)
        self._watch.look(logits)
        return loss

    def extra_repr(self) -> str:
        """Show the options."""
        return f"offsets={list(self.neighborhood.offsets)}"


def _loss_of(
    logits: Tensor,
    labels: Tensor,
    offsets: Offsets,
    edge_mask: Tensor | None,
    unlabelled: Tensor | None,
) -> Tensor:
    """Return the loss, channel by channel."""
    check_edge_prediction(logits, labels, offsets)
    check_masks(logits, labels, edge_mask=edge_mask, unlabelled=unlabelled)
    channels = _Channels(offsets_array(offsets).tolist(), edge_mask, unlabelled)
    _check_values(logits, labels, unlabelled, channels)
    dtype = wide_dtype(logits)
    sums = torch.zeros(len(logits), dtype=dtype, device=logits.device)
    n_known = torch.zeros_like(sums)
    with torch.autocast(logits.device.type, enabled=False):
        for channel in range(len(channels.offsets)):
            here, there = channels.ends(channel)
            label, edges, known = labels[here], logits[:, channel][here].to(dtype), channels.known(channel)
            truth = ((label == labels[there]) & (label != 0)).to(dtype)
            if known is not None:  # anything may stand where it is unknown
                edges = edges.masked_fill(~known, 0)
            costs = functional.binary_cross_entropy_with_logits(edges, truth, reduction="none")
            if known is not None:
                costs = costs.masked_fill(~known, 0)
            sums = sums + costs.flatten(1).sum(1)
            n_known = n_known + (costs[0].numel() if known is None else known.flatten(1).sum(1))
        return (sums / n_known.clamp_min(1)).sum() / (n_known > 0).sum().clamp_min(1)


class _Channels(NamedTuple):
    """Where the edges of each channel are, and which of them are known."""

    offsets: list[list[int]]
    edge_mask: Tensor | None
    unlabelled: Tensor | None

    def ends(self, channel: int) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
        """Return the slices of the voxels v whose v + offset lies inside, and of those v + offset."""
        offset = self.offsets[channel]
        back = [-step for step in offset]
        return (slice(None), *voxels_inside(offset)), (slice(None), *voxels_inside(back))

    def known(self, channel: int) -> Tensor | None:
        """Return which edges inside the volume are known, None where all are."""
        here, there = self.ends(channel)
        known = None if self.edge_mask is None else self.edge_mask[:, channel][here]
        if self.unlabelled is None:
            return known
        apart = ~(self.unlabelled[here] & self.unlabelled[there])
        return apart if known is None else apart & known

    def counted(self, logits: Tensor) -> Tensor:
        """Return which of all edges count."""
        counted = torch.zeros_like(logits, dtype=torch.bool)
        for channel in range(len(self.offsets)):
            known = self.known(channel)
            counted[:, channel][self.ends(channel)[0]] = True if known is None else known
        return counted


@torch.compiler.disable  # type: ignore[untyped-decorator]  # it looks at values
def _check_values(logits: Tensor, labels: Tensor, unlabelled: Tensor | None, channels: _Channels) -> None:
    """Require logits that are finite where they count, and labels that are not negative nor unlabelled."""
    check_finite_tensor(logits, name="prediction", counts=lambda: channels.counted(logits))
    if labels.dtype.is_signed and is_true(labels.amin() < 0):
        first = _first(labels < 0)
        raise ArgumentError(f"`labels` must not be negative, got {labels[first].item()} at {first}")
    if unlabelled is not None and is_true((unlabelled & (labels != 0)).any()):
        first = _first(unlabelled & (labels != 0))
        raise ArgumentError(
            f"`unlabelled` must be background in `labels`, got label {labels[first].item()} at {first}"
        )


def _first(mask: Tensor) -> tuple[int, ...]:
    return tuple(int(i) for i in mask.nonzero()[0])
