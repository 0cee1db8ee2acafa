"""Losses by name: which loss a configuration means, and how it is called with a batch.

A loss is any module whose `forward` takes the prediction, a target, and by keyword what else it can use:
masks of what is unknown, ids, a map made before. A batch holds all of these by name, so that a loss of the
library and one of yours are called alike.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from torch import Tensor, nn

from objectwise.errors import ArgumentError

Batch = Mapping[str, Any]
"""Tensors of a batch by name, samples along their first axis: `raw`, the task's targets, masks and maps."""

MASKS = ("ignore", "unlabelled", "edge_mask")
"""Arrays that say where the truth is unknown. A loss that does not take them would learn what nobody
knows."""


@dataclass(frozen=True)
class LossKind:
    """How a loss of the library serves a task.

    Parameters
    ----------
    location : "package.module:Class"
    target : str
        Name in the batch of what `forward` takes as its second argument.
    given : mapping
        Options that the task decides, because they follow from its channels; a configuration cannot name
        them.
    inner : names of options
        Losses of single segments: in a configuration a name, or a mapping of `kind` and its numbers.
    """

    location: str
    target: str = "target"
    given: Mapping[str, Any] = field(default_factory=dict)
    inner: Sequence[str] = ()
    made: Mapping[str, str] = field(default_factory=dict)
    """Options that the task makes anew for each loss, by the place of their class."""
    decided: Sequence[str] = ()
    """Options of its base that the loss decides itself."""
    has_distances: bool = True
    """Whether a voxel size has an effect on a loss that has the option."""
    without_distances: Sequence[str] = ()
    """Values of the option `map` with which it has none."""
    has_map: bool = False
    """Whether the loss takes a `weight_map`, and has a method of that name which makes it of the target."""

    def load(self) -> type[nn.Module]:
        """Return the class."""
        module, _, name = self.location.partition(":")
        loss: type[nn.Module] = getattr(import_module(module), name)
        return loss

    def options(self) -> dict[str, inspect.Parameter]:
        """Return what a configuration may say, in the order of the signature."""
        ours = {*self.given, *self.made, *self.decided}
        return {name: one for name, one in options_of(self.load()).items() if name not in ours}

    def build(self, options: Mapping[str, Any], *, name: str, spacing: Sequence[float] | None) -> nn.Module:
        """Return the loss with its options held.

        `spacing`, the voxel size of the training volumes, goes to a loss that takes one, unless the
        configuration has another.
        """
        known = self.options()
        unknown = [option for option in options if option not in known]
        if unknown:
            ours = [option for option in unknown if option in (*self.given, *self.made)]
            why = "which the task decides" if ours else f"which has the options {list(known)}"
            raise ArgumentError(f"`options` must be options of {name!r}, {why}, got {unknown[0]!r}")
        chosen = {
            option: _inner(value) if option in self.inner else value for option, value in options.items()
        }
        has_distances = self.has_distances and chosen.get("map") not in self.without_distances
        if spacing is not None and has_distances and "spacing" in known:
            chosen.setdefault("spacing", tuple(spacing))
        made = {option: imported(place, what=option)() for option, place in self.made.items()}
        return self.load()(**self.given, **made, **chosen)


def options_of(function: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """Return the named parameters of a class or function; `**options` stand for those of its base."""
    bases = [base for base in getattr(function, "__mro__", (function,)) if base not in (nn.Module, object)]
    found: dict[str, inspect.Parameter] = {}
    for base in bases:
        constructor = base.__dict__.get("__init__") if inspect.isclass(base) else base
        if constructor is None:
            continue
        parameters = [one for one in inspect.signature(constructor).parameters.values() if one.name != "self"]
        for one in parameters:
            if one.kind not in (one.VAR_KEYWORD, one.VAR_POSITIONAL):
                found.setdefault(one.name, one)
        if not any(one.kind is one.VAR_KEYWORD for one in parameters):
            break
    return found


def _inner(value: Any) -> Any:
    """Return a loss of segments from a mapping of its numbers; a name stays a name."""
    from objectwise.losses import SegmentLoss

    if not isinstance(value, Mapping):
        return value
    try:
        return SegmentLoss(**value)
    except TypeError as error:
        raise ArgumentError(
            f"an inner loss must be a name or one of {SegmentLoss._fields}, got {value}"
        ) from error


def imported(location: str, *, what: str) -> Any:
    """Return what `package.module:Name` names; one sentence where it is not there."""
    module, colon, name = location.partition(":")
    if not colon or not module or not name:
        raise ArgumentError(f"`python` must read package.module:Name for {what}, got {location!r}")
    try:
        return getattr(import_module(module), name)
    except ImportError as error:
        raise ArgumentError(f"`python` must name a module that imports, got {location!r}: {error}") from error
    except AttributeError as error:
        raise ArgumentError(f"`python` must name something in {module}, got {location!r}") from error


@dataclass(frozen=True)
class Call:
    """How a loss is called with a batch."""

    target: str
    takes: tuple[str, ...]
    """Keywords of its `forward` that the batch holds under the same name."""
    map_key: str | None = None
    """Name in the batch of its map, where that may be there already."""

    @classmethod
    def of(cls, loss: nn.Module, target: str, arrays: Sequence[str], *, name: str) -> Call:
        """Match the keywords of `forward` with the arrays of a batch.

        Raises
        ------
        ArgumentError
            If the batch holds a mask that the loss does not take: unknown is not background, in any loss.
        """
        parameters = inspect.signature(loss.forward).parameters.values()
        takes_all = any(one.kind is one.VAR_KEYWORD for one in parameters)
        # The first two are the prediction and the target, whatever they are called.
        named = {one.name for one in list(parameters)[2:]}
        for mask in MASKS:
            if mask in arrays and mask not in named and not takes_all:
                raise ArgumentError(
                    f"a loss must take the masks of the data, got {name!r}, whose forward has no `{mask}`; "
                    "leave the mask out of the data, or take another loss"
                )
        takes = tuple(
            key for key in arrays if key != target and (key in named or (takes_all and key in MASKS))
        )
        return cls(target, takes)

    def __call__(self, loss: nn.Module, prediction: Tensor, batch: Batch) -> Tensor:
        """Return the loss of a prediction."""
        given = {key: batch[key] for key in self.takes}
        if self.map_key is not None and self.map_key in batch:
            given["weight_map"] = batch[self.map_key]
        value: Tensor = loss(prediction, batch[self.target], **given)
        return value
