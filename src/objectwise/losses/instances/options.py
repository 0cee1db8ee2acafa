"""The options of the instance losses, with their defaults and what may not be combined."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from torch import Tensor

from objectwise.checks import check_bool, check_choice, check_positive
from objectwise.errors import ArgumentError
from objectwise.losses.inputs import SCALAR_REDUCTIONS
from objectwise.losses.instances.batch import Selection
from objectwise.losses.instances.segment_loss import EMPTY_LOSSES, SegmentLoss
from objectwise.maps.instances import check_some_connectivity

OVER = ("instance", "data")
InnerLoss: TypeAlias = str | SegmentLoss | Callable[[Tensor, Tensor], Tensor]
AnyLoss: TypeAlias = SegmentLoss | Callable[[Tensor, Tensor], Tensor]

ORIGINAL_COMPONENTS = 50
ORIGINAL_TOO_MANY = 50.0
ORIGINAL_OFFSET = 5.0
"""Of the published code; its docstring and README say 3, centers 7 voxels wide."""
CORRECTED_OFFSET = 3.0


class OriginalOptions(NamedTuple):
    """The options of the published code under this library's names."""

    minimum_size: int
    max_components: int
    too_many: float
    center_offset: float
    exclude_true_positives: bool
    rates: bool
    over: str
    reduction: str


class CorrectedOptions(NamedTuple):
    """What the corrected terms can be told."""

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

    @property
    def has_functions(self) -> bool:
        """Whether a loss is a function that is shown crops."""
        return not all(
            isinstance(loss, SegmentLoss) for loss in (self.pixel_loss, self.instance_loss, self.center_loss)
        )


def check_shared_options(given: Mapping[str, Any]) -> None:
    """Refuse values that neither semantics accepts."""
    check_choice(given["over"], OVER, name="over")
    check_choice(given["reduction"], SCALAR_REDUCTIONS, name="reduction")
    check_some_connectivity(given["connectivity"])
    for name in ("too_many", "center_offset"):
        if given[name] is not None:
            check_positive(given[name], name=name, or_zero=name == "center_offset")
    check_bool(given["exclude_true_positives"], name="exclude_true_positives")
    if given["rates"] is not None:
        check_bool(given["rates"], name="rates")


def original_options(given: Mapping[str, Any]) -> OriginalOptions:
    """Return the options of the original semantics, the code's defaults filled in."""
    for name in ("empty_loss", "keep", "spacing", "connectivity"):
        if given[name] is not None:
            raise ArgumentError(f"`{name}` has no effect in the original semantics, got {given[name]!r}")
    for name in ("pixel_loss", "instance_loss", "center_loss"):
        if given[name] != SegmentLoss("dice"):
            raise ArgumentError(
                f"`{name}` must be 'dice' in the original semantics, got {given[name]!r}; "
                "use semantics='corrected'"
            )
    if given["over"] == "instance" and given["reduction"] == "sum":
        raise ArgumentError(
            "`reduction` 'sum' has no effect with `over` 'instance' in the original semantics, "
            "which takes the mean there; use over='data'"
        )

    def or_default(name: str, default: float) -> Any:
        return default if given[name] is None else given[name]

    return OriginalOptions(
        minimum_size=given["minimum_size"],
        max_components=or_default("max_components", ORIGINAL_COMPONENTS),
        too_many=or_default("too_many", ORIGINAL_TOO_MANY),
        center_offset=or_default("center_offset", ORIGINAL_OFFSET),
        exclude_true_positives=given["exclude_true_positives"],
        rates=bool(given["rates"]),
        over=given["over"],
        reduction=given["reduction"],
    )


def corrected_options(given: Mapping[str, Any]) -> CorrectedOptions:
    """Return the options of the corrected semantics, its defaults filled in."""
    empty = given["empty_loss"]
    if empty is not None:
        check_choice(empty, EMPTY_LOSSES, name="empty_loss")
    return CorrectedOptions(
        pixel_loss=given["pixel_loss"],
        instance_loss=given["instance_loss"],
        center_loss=given["center_loss"],
        empty_loss="cross_entropy" if empty is None else empty,
        minimum_size=given["minimum_size"],
        too_many=given["too_many"],
        center_offset=CORRECTED_OFFSET if given["center_offset"] is None else given["center_offset"],
        exclude_true_positives=given["exclude_true_positives"],
        rates=given["rates"] is None or given["rates"],
        over=given["over"],
        reduction=given["reduction"],
        spacing=given["spacing"],
    )


def selection_of(
    options: OriginalOptions | CorrectedOptions, threshold: float, given: Mapping[str, Any]
) -> Selection:
    """Return which predicted components count, after a check; the original semantics selects by itself."""
    if isinstance(options, OriginalOptions):
        Selection(threshold, None, options.minimum_size, options.max_components, "largest").check()
        return Selection(threshold)
    selection = Selection(
        threshold, given["connectivity"], options.minimum_size, given["max_components"], given["keep"]
    )
    selection.check()
    return selection


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
