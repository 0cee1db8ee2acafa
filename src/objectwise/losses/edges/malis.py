"""MALIS: a loss on the edges that decide which voxels end up connected."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from objectwise.graph import Neighborhood, Offsets
from objectwise.losses.edges.batch import EdgeBatch, reduced
from objectwise.losses.edges.gather import values_of_edges
from objectwise.losses.edges.malis_weights import MalisWeights, malis_edges, malis_weights
from objectwise.losses.edges.options import ADVICE, MalisOptions, shown
from objectwise.losses.inputs import LogitsWatch


def malis_loss(
    prediction: Tensor,
    labels: Tensor,
    offsets: Offsets,
    *,
    from_logits: bool = True,
    constrained: bool = True,
    edge_mask: Tensor | None = None,
    unlabelled: Tensor | None = None,
    edge_loss: str = "squared",
    margin: float | None = None,
    positive_weight: float = 0.5,
    normalization: str = "pass",
    offset_weights: Sequence[float] | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Return the loss of the maximin edges, each weighted by the pairs of voxels that it decides.

    Parameters
    ----------
    prediction : (n, k, *spatial) float, any device
        Logits, or affinities in 0..1 with `from_logits` False. Half precision is widened; the loss is float32
        (float64 for float64), also under autocast.
    labels : (n, *spatial) integer, on the device of `prediction`
        0 is background.
    offsets : Neighborhood or (k, ndim) int, voxels
    from_logits : bool
        The forest is built on the logits themselves, so predictions that saturate at 1.0 keep their order. A
        warning says if all logits lie in 0..1, as after a sigmoid.
    constrained, edge_mask, unlabelled
        As in `objectwise.maps.malis_pair_counts`, with a batch axis in front: edge_mask (n, k, *spatial) bool
        is False where the truth of an edge is unknown, unlabelled (n, *spatial) bool is True outside all
        labelled objects where nothing is resolved.
    edge_loss : "squared", "squared_hinge" or "bce"
        What an edge costs; squared by default, as in Funke et al. 2019.
    margin : float in 0..1, optional
        Of the squared hinge, by which an edge may miss its target at no cost: 0.3 by default (Helmholtz'
        implementation, after Turaga et al. 2009).
    positive_weight : float in 0..1
        Share of the positive pass: the passes are weighted by 2 w and 2 (1 - w), both by 1 at the default.
    normalization : "pass", "pairs" or "none"
        Counts are divided by their sum over the pass, so that each pass is a mean over its pairs; by the sum
        over both passes, so that every pair counts alike; or not at all.
    offset_weights : (k,) float, optional
        Weight of each channel, not negative; 1 by default. It multiplies the normalised counts.
    reduction : "mean", "sum" or "none"
        Over the samples of the batch; "none" returns one number per sample. A sample of which no edge is
        known is as if it were not in the batch: it costs 0, and does not count in the mean.

    Returns
    -------
    Tensor
        Scalar, or (n,) with `reduction` "none". Differentiable with respect to `prediction`; the counts are
        constants. A pass without pairs contributes 0.

    Raises
    ------
    DtypeError, ShapeError, ArgumentError, DeviceError
        Before any work, if the inputs do not fit each other, a prediction is not finite or (without
        `from_logits`) not in 0..1, or an option has no effect.

    References
    ----------
    Turaga et al. 2009; Funke et al. 2019 (see `objectwise.maps.malis_pair_counts`). Normalisation per pass is
    that of TuragaLab's implementation.

    Examples
    --------
    >>> chain = torch.tensor([[[[0.0, 0.9, 0.4, 0.8]]]])
    >>> labels = torch.tensor([[[1, 1, 2, 2]]])
    >>> malis_loss(chain, labels, [[0, -1]], from_logits=False)  # (0.01 + 0.04) / 2 + 0.16
    tensor(0.1850)
    """
    options = MalisOptions(
        from_logits=from_logits,
        constrained=constrained,
        edge_loss=edge_loss,
        margin=margin,
        positive_weight=positive_weight,
        normalization=normalization,
        offset_weights=offset_weights,
        reduction=reduction,
    )
    loss: Tensor = _loss_of(prediction, labels, offsets, options, edge_mask=edge_mask, unlabelled=unlabelled)
    if from_logits:
        LogitsWatch().look(prediction, advice=ADVICE)
    return loss


@torch.compiler.disable  # type: ignore[untyped-decorator]  # Numba: a compiled model calls it as it is
def _loss_of(
    prediction: Tensor,
    labels: Tensor,
    offsets: Offsets,
    options: MalisOptions,
    *,
    edge_mask: Tensor | None,
    unlabelled: Tensor | None,
) -> Tensor:
    """Return the loss; only the edges that decide pairs are looked at, a third of all at most."""
    batch = EdgeBatch.of(
        prediction,
        labels,
        offsets,
        from_logits=options.from_logits,
        edge_mask=edge_mask,
        unlabelled=unlabelled,
    )
    of_channels = options.channel_weights(prediction.shape[1])
    edges, weights, sizes, is_known = malis_edges(batch, options, prediction.device)
    if of_channels is not None:
        channels = edges // prediction[0, 0].numel() % prediction.shape[1]
        weights = weights * of_channels.to(weights)[channels]
    with torch.autocast(prediction.device.type, enabled=False):
        values = values_of_edges(prediction.to(weights.dtype), edges)
        n_edges = [sum(size) for size in sizes]
        samples = torch.zeros(len(batch), dtype=weights.dtype, device=prediction.device)
        for target, share, size, one, its_weights in zip(
            (1, 0),
            options.pass_weights,
            sizes,
            torch.split(values, n_edges),
            torch.split(weights, n_edges),
            strict=True,
        ):
            costs = its_weights * options.cost(one, target=target, from_logits=options.from_logits)
            samples = samples + share * torch.stack([part.sum() for part in torch.split(costs, size)])
    return reduced(samples, is_known, options.reduction)


class MalisLoss(nn.Module):
    """`malis_loss` with its options held.

    Parameters
    ----------
    offsets : Neighborhood or (k, ndim) int, voxels
    from_logits, constrained, edge_loss, margin, positive_weight, normalization, offset_weights, reduction
        As in `malis_loss`.

    Raises
    ------
    ShapeError, DtypeError, ArgumentError
        If an option is out of its range or has no effect.
    """

    def __init__(
        self,
        offsets: Offsets,
        *,
        from_logits: bool = True,
        constrained: bool = True,
        edge_loss: str = "squared",
        margin: float | None = None,
        positive_weight: float = 0.5,
        normalization: str = "pass",
        offset_weights: Sequence[float] | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__()
        self.neighborhood = offsets if isinstance(offsets, Neighborhood) else Neighborhood(offsets)
        self.options = MalisOptions(
            from_logits=from_logits,
            constrained=constrained,
            edge_loss=edge_loss,
            margin=margin,
            positive_weight=positive_weight,
            normalization=normalization,
            offset_weights=offset_weights,
            reduction=reduction,
        )
        self.options.channel_weights(len(self.neighborhood))
        self._watch = LogitsWatch()

    def forward(
        self,
        prediction: Tensor,
        labels: Tensor,
        *,
        edge_mask: Tensor | None = None,
        unlabelled: Tensor | None = None,
    ) -> Tensor:
        """Return the loss of `prediction` (n, k, *spatial) against `labels` (n, *spatial)."""
        loss: Tensor = _loss_of(
            prediction, labels, self.neighborhood, self.options, edge_mask=edge_mask, unlabelled=unlabelled
        )
        if self.options.from_logits:
            self._watch.look(prediction, advice=ADVICE)
        return loss

    def weights(
        self,
        prediction: Tensor,
        labels: Tensor,
        *,
        edge_mask: Tensor | None = None,
        unlabelled: Tensor | None = None,
    ) -> MalisWeights:
        """Return what the loss multiplies the cost of each edge with, all options included.

        The loss of a sample is the sum of these weights times the costs, so they say which edge is blamed.
        """
        options = self.options
        counts: MalisWeights = malis_weights(
            prediction,
            labels,
            self.neighborhood,
            from_logits=options.from_logits,
            constrained=options.constrained,
            edge_mask=edge_mask,
            unlabelled=unlabelled,
            normalization=options.normalization,
        )
        of_channels = options.channel_weights(len(self.neighborhood))
        share = torch.ones(1) if of_channels is None else of_channels.view(-1, *[1] * (labels.ndim - 1))
        passes = zip(counts, options.pass_weights, strict=True)
        return MalisWeights(*(one * (weight * share).to(one) for one, weight in passes))

    def extra_repr(self) -> str:
        """Show the options."""
        return shown(self.neighborhood, self.options)
