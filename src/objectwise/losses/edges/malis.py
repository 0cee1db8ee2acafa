"""MALIS: a loss on the edges that decide which voxels end up connected."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from objectwise.checks import check_choice, check_number
from objectwise.errors import ArgumentError, DtypeError, ShapeError
from objectwise.graph import Neighborhood, Offsets
from objectwise.losses.edges.costs import EdgeLoss
from objectwise.losses.edges.gather import values_of_edges
from objectwise.losses.edges.malis_weights import NORMALIZATIONS, MalisWeights, malis_edges, malis_weights
from objectwise.losses.inputs import REDUCTIONS, check_edge_prediction


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
        The forest is built on the logits themselves, so predictions that saturate at 1.0 keep their order.
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
        Over the samples of the batch; "none" returns one number per sample.

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
    options = EdgeLoss(edge_loss, margin)
    _check_options(options, positive_weight, normalization, reduction)
    check_edge_prediction(prediction, labels, offsets)
    channel_weights = _channel_weights(offset_weights, prediction.shape[1])
    samples: Tensor = _losses_of_samples(
        prediction,
        labels,
        offsets,
        cost=options,
        from_logits=from_logits,
        positive_weight=positive_weight,
        channel_weights=channel_weights,
        constrained=constrained,
        edge_mask=edge_mask,
        unlabelled=unlabelled,
        normalization=normalization,
    )
    if reduction == "none":
        return samples
    return samples.mean() if reduction == "mean" else samples.sum()


@torch.compiler.disable  # type: ignore[untyped-decorator]  # Numba: a compiled model calls it as it is
def _losses_of_samples(
    prediction: Tensor,
    labels: Tensor,
    offsets: Offsets,
    *,
    cost: EdgeLoss,
    from_logits: bool,
    positive_weight: float,
    channel_weights: Tensor | None,
    **structure: Any,
) -> Tensor:
    """Return the loss of each sample, (n,).

    Only the edges that decide pairs are looked at, a third of all at most.
    """
    edges, weights, sizes = malis_edges(prediction, labels, offsets, from_logits=from_logits, **structure)
    if channel_weights is not None:
        channels = edges // prediction[0, 0].numel() % prediction.shape[1]
        weights = weights * channel_weights.to(weights)[channels]
    with torch.autocast(prediction.device.type, enabled=False):
        values = values_of_edges(prediction.to(weights.dtype), edges)
        n_edges = [sum(size) for size in sizes]
        passes = []
        for target, size, one, its_weights in zip(
            (1, 0), sizes, torch.split(values, n_edges), torch.split(weights, n_edges), strict=True
        ):
            costs = its_weights * cost(one, target=target, from_logits=from_logits)
            passes.append(torch.stack([part.sum() for part in torch.split(costs, size)]))
        return 2 * positive_weight * passes[0] + 2 * (1 - positive_weight) * passes[1]


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
        _check_options(EdgeLoss(edge_loss, margin), positive_weight, normalization, reduction)
        _channel_weights(offset_weights, len(self.neighborhood))
        self.structure = {
            "from_logits": from_logits,
            "constrained": constrained,
            "normalization": normalization,
        }
        self.cost: dict[str, Any] = {
            "edge_loss": edge_loss,
            "margin": margin,
            "positive_weight": positive_weight,
            "offset_weights": offset_weights,
            "reduction": reduction,
        }

    def forward(
        self,
        prediction: Tensor,
        labels: Tensor,
        *,
        edge_mask: Tensor | None = None,
        unlabelled: Tensor | None = None,
    ) -> Tensor:
        """Return the loss of `prediction` (n, k, *spatial) against `labels` (n, *spatial)."""
        return malis_loss(
            prediction,
            labels,
            self.neighborhood,
            edge_mask=edge_mask,
            unlabelled=unlabelled,
            **self.structure,  # type: ignore[arg-type]
            **self.cost,
        )

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
        counts: MalisWeights = malis_weights(
            prediction,
            labels,
            self.neighborhood,
            edge_mask=edge_mask,
            unlabelled=unlabelled,
            **self.structure,
        )
        positive = self.cost["positive_weight"]
        of_channels = _channel_weights(self.cost["offset_weights"], len(self.neighborhood))
        share = torch.ones(1) if of_channels is None else of_channels.view(-1, *[1] * (labels.ndim - 1))
        passes = zip(counts, (2 * positive, 2 * (1 - positive)), strict=True)
        return MalisWeights(*(one * (weight * share).to(one) for one, weight in passes))

    def extra_repr(self) -> str:
        """Show the options."""
        options = {"offsets": list(self.neighborhood.offsets), **self.structure, **self.cost}
        return ", ".join(f"{name}={value!r}" for name, value in options.items() if value is not None)


def _check_options(cost: EdgeLoss, positive_weight: float, normalization: str, reduction: str) -> None:
    """Refuse options out of range or without effect."""
    cost.check()
    check_number(positive_weight, name="positive_weight")
    if not 0 <= positive_weight <= 1:
        raise ArgumentError(f"`positive_weight` must be in 0..1, got {positive_weight}")
    check_choice(normalization, NORMALIZATIONS, name="normalization")
    check_choice(reduction, REDUCTIONS, name="reduction")


def _channel_weights(offset_weights: Sequence[float] | None, n_channels: int) -> Tensor | None:
    """Return the weights as (k,) float64."""
    if offset_weights is None:
        return None
    try:
        weights = torch.as_tensor(offset_weights, dtype=torch.float64)
    except (TypeError, ValueError) as error:
        raise DtypeError(f"`offset_weights` must hold numbers, got {offset_weights!r}") from error
    if tuple(weights.shape) != (n_channels,):
        raise ShapeError(
            f"`offset_weights` must hold one number per channel ({n_channels}), "
            f"got shape {tuple(weights.shape)}"
        )
    if not bool((weights >= 0).all()) or not bool(torch.isfinite(weights).all()):
        raise ArgumentError(f"`offset_weights` must be finite and not negative, got {list(offset_weights)}")
    return weights
