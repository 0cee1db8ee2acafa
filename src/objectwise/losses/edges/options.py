"""The options of the losses on edges: checked once, when they are made, and handed on as they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from objectwise.checks import check_bool, check_choice, check_number
from objectwise.errors import ArgumentError, DtypeError, ShapeError
from objectwise.graph import Neighborhood
from objectwise.losses.edges.costs import EdgeLoss
from objectwise.losses.inputs import REDUCTIONS

ADVICE = "pass from_logits=False"
NORMALIZATIONS = ("pass", "pairs", "none")
DEFAULT_PAIRS = 1024
"""Turaga et al. 2009 draw one pair a step; a query costs next to nothing once the forest stands, so more
pairs make the gradient less noisy for free."""
DEFAULT_SAME_FRACTION = 0.5


@dataclass(frozen=True)
class MalisOptions:
    """Those of `malis_loss`, see there.

    Raises
    ------
    DtypeError, ShapeError, ArgumentError
        If one is out of its range or has no effect.
    """

    from_logits: bool = True
    constrained: bool = True
    edge_loss: str = "squared"
    margin: float | None = None
    positive_weight: float = 0.5
    normalization: str = "pass"
    offset_weights: Sequence[float] | None = None
    reduction: str = "mean"

    def __post_init__(self) -> None:
        check_bool(self.from_logits, name="from_logits")
        check_bool(self.constrained, name="constrained")
        self.cost.check()
        check_number(self.positive_weight, name="positive_weight")
        if not 0 <= self.positive_weight <= 1:
            raise ArgumentError(f"`positive_weight` must be in 0..1, got {self.positive_weight}")
        check_choice(self.normalization, NORMALIZATIONS, name="normalization")
        check_choice(self.reduction, REDUCTIONS, name="reduction")
        if self.offset_weights is not None:
            object.__setattr__(self, "offset_weights", _weights(self.offset_weights))

    @property
    def cost(self) -> EdgeLoss:
        """What a wrong edge costs."""
        return EdgeLoss(self.edge_loss, self.margin)

    @property
    def pass_weights(self) -> tuple[float, float]:
        """What the positive and the negative pass are multiplied with."""
        return 2 * self.positive_weight, 2 * (1 - self.positive_weight)

    def channel_weights(self, n_channels: int) -> Tensor | None:
        """Return the weights of as many channels as there are, (k,) float64; None where all are 1."""
        if self.offset_weights is None:
            return None
        if len(self.offset_weights) != n_channels:
            raise ShapeError(
                f"`offset_weights` must hold one number per channel ({n_channels}), "
                f"got shape ({len(self.offset_weights)},)"
            )
        return torch.tensor(self.offset_weights, dtype=torch.float64)


@dataclass(frozen=True)
class PairOptions:
    """Those of `maximin_pair_loss`, see there; errors as above."""

    n_pairs: int = DEFAULT_PAIRS
    same_fraction: float | None = DEFAULT_SAME_FRACTION
    from_logits: bool = True
    edge_loss: str = "squared"
    margin: float | None = None
    reduction: str = "mean"

    def __post_init__(self) -> None:
        if isinstance(self.n_pairs, bool) or not isinstance(self.n_pairs, int):
            raise DtypeError(f"`n_pairs` must be an int, got {type(self.n_pairs).__name__}")
        if self.n_pairs < 1:
            raise ArgumentError(f"`n_pairs` must be at least 1, got {self.n_pairs}")
        if self.same_fraction is not None:
            check_number(self.same_fraction, name="same_fraction")
            if not 0 <= self.same_fraction <= 1:
                raise ArgumentError(
                    "`same_fraction` must be in 0..1, or None for pairs as they come, "
                    f"got {self.same_fraction}"
                )
        check_bool(self.from_logits, name="from_logits")
        self.cost.check()
        check_choice(self.reduction, REDUCTIONS, name="reduction")

    @property
    def cost(self) -> EdgeLoss:
        """What a wrong edge costs."""
        return EdgeLoss(self.edge_loss, self.margin)


def shown(neighborhood: Neighborhood, options: MalisOptions | PairOptions) -> str:
    """Return offsets and options, as a module shows them."""
    named = {"offsets": list(neighborhood.offsets), **asdict(options)}
    return ", ".join(f"{name}={value!r}" for name, value in named.items())


def _weights(given: object) -> tuple[float, ...]:
    """Require a sequence of weights."""
    try:
        weights = torch.as_tensor(given, dtype=torch.float64)
    except (TypeError, ValueError) as error:
        raise DtypeError(f"`offset_weights` must hold numbers, got {given!r}") from error
    if weights.ndim != 1:
        raise ShapeError(
            f"`offset_weights` must hold one number per channel, got shape {tuple(weights.shape)}"
        )
    if not bool((weights >= 0).all()) or not bool(torch.isfinite(weights).all()):
        raise ArgumentError(f"`offset_weights` must be finite and not negative, got {weights.tolist()}")
    return tuple(weights.tolist())
