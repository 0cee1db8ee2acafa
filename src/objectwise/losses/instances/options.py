"""The options of the instance losses, and their checks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

from torch import Tensor

from objectwise.checks import check_bool, check_choice, check_positive
from objectwise.errors import ArgumentError
from objectwise.losses.inputs import SCALAR_REDUCTIONS
from objectwise.losses.instances.segment_loss import EMPTY_LOSSES, SegmentLoss

OVER = ("instance", "data")
InnerLoss: TypeAlias = str | SegmentLoss | Callable[[Tensor, Tensor], Tensor]
AnyLoss: TypeAlias = SegmentLoss | Callable[[Tensor, Tensor], Tensor]


class InstanceOptions(NamedTuple):
    """What the terms of the instance losses can be told."""

    pixel_loss: AnyLoss
    instance_loss: AnyLoss
    center_loss: AnyLoss
    empty_loss: str
    minimum_size: int
    too_many: float | None
    center_offset: float
    exclude_true_positives: bool
    rates: bool
    over: str
    reduction: str
    spacing: Sequence[float] | None

    def check(self) -> None:
        """Refuse what is out of range; losses and sizes are checked where they are made."""
        check_choice(self.empty_loss, EMPTY_LOSSES, name="empty_loss")
        check_choice(self.over, OVER, name="over")
        check_choice(self.reduction, SCALAR_REDUCTIONS, name="reduction")
        if self.too_many is not None:
            check_positive(self.too_many, name="too_many")
        check_positive(self.center_offset, name="center_offset", or_zero=True)
        check_bool(self.exclude_true_positives, name="exclude_true_positives")
        check_bool(self.rates, name="rates")

    @property
    def has_functions(self) -> bool:
        """Whether a loss is a function that is shown crops."""
        return not all(
            isinstance(loss, SegmentLoss) for loss in (self.pixel_loss, self.instance_loss, self.center_loss)
        )


def checked_loss(loss: InnerLoss, name: str) -> AnyLoss:
    """Return a loss by its name, with its numbers, or as a function, or say what is wrong with it."""
    if isinstance(loss, str):
        loss = SegmentLoss(loss)
    if isinstance(loss, SegmentLoss):
        loss.check(name)
        return loss
    if not callable(loss):
        raise ArgumentError(f"`{name}` must be a name, a SegmentLoss or a function, got {loss!r}")
    return loss


def checked_weights(weights: Mapping[str, float] | None, defaults: Mapping[str, float]) -> dict[str, float]:
    """Return the weight of every term, that of `defaults` where none is given."""
    weights = {} if weights is None else weights
    if not isinstance(weights, Mapping):
        raise ArgumentError(f"`weights` must be a mapping of names of terms to numbers, got {weights!r}")
    for name, weight in weights.items():
        check_choice(name, tuple(defaults), name="weights")
        check_positive(weight, name=f"weights[{name!r}]", or_zero=True)
    every = {**defaults, **weights}
    if not any(every.values()):
        raise ArgumentError("`weights` must leave at least one term, got 0 for all of them")
    return {name: float(weight) for name, weight in every.items()}
