"""A weighted sum of losses whose weights may change with the epoch or step."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from objectwise.checks import check_number, check_whole_number
from objectwise.errors import ArgumentError
from objectwise.losses.schedules import Constant, Equal


class CombinedLoss(nn.Module):
    """The sum of several losses of one prediction and target, each times its weight.

    Parameters
    ----------
    losses : sequence of modules, or mapping of names to modules
        Each is called with (prediction, target), and with `edge_mask`, `unlabelled`, `ignore`, `instances`
        and `weight_map` if its `forward` has an argument of that name and one is given. Maps are given by
        name where several losses take one, masks are the same for all. One that no loss takes is an error.
    weights : sequence of float, or schedule
        Constant, or a function of the position that returns one weight per term, as `Equal()` and `Gradual()`
        are. 1 for every term by default.

    Raises
    ------
    ArgumentError
        If there is no term, one is no module, or has a name that `nn.ModuleDict` cannot hold; if weights and
        terms differ in number, a weight is not finite or all are 0.

    Notes
    -----
    The position counts what `step()` is called for, epochs or steps: it begins with 0 and is part of
    `state_dict`, so that a restored checkpoint goes on where it was. A term of weight 0 is not computed.

    References
    ----------
    Valverde, Tohka: "Region-wise loss for biomedical image segmentation", Pattern Recognition 2023.

    Examples
    --------
    >>> from objectwise.losses import BoundaryLoss, Gradual, SoftDiceLoss
    >>> loss = CombinedLoss({"dice": SoftDiceLoss(), "boundary": BoundaryLoss()}, Gradual())
    >>> loss.step()
    >>> loss.weights
    {'dice': 0.99, 'boundary': 0.010000000000000009}
    """

    def __init__(
        self,
        losses: Sequence[nn.Module] | Mapping[str, nn.Module],
        weights: Sequence[float] | Callable[[int], Sequence[float]] | None = None,
    ) -> None:
        super().__init__()
        self.losses = nn.ModuleDict(_named(losses))
        self.schedule = Equal(len(losses)) if weights is None else _schedule(weights)
        self.position = 0
        _ = self.weights  # says now what is wrong with them

    @property
    def weights(self) -> dict[str, float]:
        """The weight of each term at this position."""
        weights = [float(weight) for weight in self.schedule(self.position)]
        if len(weights) != len(self.losses):
            raise ArgumentError(
                f"`weights` must have one number per loss ({len(self.losses)}), got {len(weights)}"
            )
        if not all(math.isfinite(weight) for weight in weights):
            raise ArgumentError(f"`weights` must be finite, got {weights} at position {self.position}")
        if not any(weights):
            raise ArgumentError(
                f"`weights` must leave at least one term, got {weights} at position {self.position}"
            )
        return dict(zip(self.losses, weights, strict=True))

    def step(self) -> None:
        """Go to the next position: call it at the end of every epoch, or of every step."""
        self.position += 1

    def forward(
        self,
        prediction: Tensor,
        target: Tensor,
        *,
        weight_map: Tensor | Mapping[str, Tensor] | None = None,
        edge_mask: Tensor | None = None,
        unlabelled: Tensor | None = None,
        ignore: Tensor | None = None,
        instances: Tensor | None = None,
    ) -> Tensor:
        """Return the weighted sum; masks go to all terms that take them, a map to the one, or by name."""
        masks = {"edge_mask": edge_mask, "unlabelled": unlabelled, "ignore": ignore, "instances": instances}
        given = self._given(weight_map, masks)
        total: Tensor | None = None
        for name, weight in self.weights.items():
            if weight != 0:
                term = weight * self.losses[name](prediction, target, **given[name])
                total = term if total is None else total + term
        assert total is not None  # a weight is not 0
        return total

    def terms(
        self,
        prediction: Tensor,
        target: Tensor,
        *,
        weight_map: Tensor | Mapping[str, Tensor] | None = None,
        edge_mask: Tensor | None = None,
        unlabelled: Tensor | None = None,
        ignore: Tensor | None = None,
        instances: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Return every term by name, without its weight, to log them."""
        masks = {"edge_mask": edge_mask, "unlabelled": unlabelled, "ignore": ignore, "instances": instances}
        given = self._given(weight_map, masks)
        return {name: loss(prediction, target, **given[name]) for name, loss in self.losses.items()}

    def takes(self, argument: str) -> list[str]:
        """Return the names of the terms whose `forward` takes an argument besides prediction and target."""
        return [name for name, loss in self.losses.items() if _takes(loss, argument)]

    def _given(
        self, weight_map: Tensor | Mapping[str, Tensor] | None, masks: Mapping[str, Tensor | None]
    ) -> dict[str, dict[str, Any]]:
        """Return what each term is given besides prediction and target; one that none takes is an error."""
        given: dict[str, dict[str, Any]] = {name: {} for name in self.losses}
        for name, values in self._maps(weight_map).items():
            given[name]["weight_map"] = values
        for argument, mask in masks.items():
            takers = self.takes(argument) if mask is not None else []
            if mask is not None and not takers:
                raise ArgumentError(f"`{argument}` must be None where no loss takes it, got a mask")
            for name in takers:
                given[name][argument] = mask
        return given

    def _maps(self, weight_map: Tensor | Mapping[str, Tensor] | None) -> dict[str, Any]:
        """Return the map of each term that takes one."""
        if weight_map is None:
            return {}
        takers = self.takes("weight_map")
        if isinstance(weight_map, Mapping):
            unknown = [name for name in weight_map if name not in takers]
            if unknown:
                raise ArgumentError(f"`weight_map` must name losses that take a map {takers}, got {unknown}")
            return dict(weight_map)
        if not takers:
            raise ArgumentError("`weight_map` must be None where no loss takes a map, got a map")
        if len(takers) > 1:  # theirs differ, and have the same shape
            raise ArgumentError(
                f"`weight_map` must be a mapping by name where several losses take one {takers}, got a tensor"
            )
        return {takers[0]: weight_map}

    def get_extra_state(self) -> Tensor:
        """Return the position, for `state_dict`."""
        return torch.tensor(self.position)

    def set_extra_state(self, state: Any) -> None:
        """Take the position from a `state_dict`."""
        position = int(state)
        check_whole_number(position, least=0, name="position")
        self.position = position

    def extra_repr(self) -> str:
        """Show the schedule and where it is."""
        return f"weights={self.schedule!r}, position={self.position}"


def _named(losses: Sequence[nn.Module] | Mapping[str, nn.Module]) -> dict[str, nn.Module]:
    """Return the losses by name, which is their position in a sequence."""
    rule = "`losses` must be a sequence or a mapping of modules"
    if not isinstance(losses, Mapping | Sequence | nn.ModuleList):
        raise ArgumentError(f"{rule}, got {type(losses).__name__}")
    named = dict(losses) if isinstance(losses, Mapping) else {str(i): loss for i, loss in enumerate(losses)}
    if not named:
        raise ArgumentError("`losses` must hold a loss, got none")
    for name, loss in named.items():
        if not isinstance(loss, nn.Module):
            raise ArgumentError(f"{rule}, got {loss!r} in {name!r}")
        # PyTorch's own rules for the names of modules.
        if not isinstance(name, str) or not name or "." in name or hasattr(nn.ModuleDict(), name):
            raise ArgumentError(
                "`losses` must have names without '.' that nn.ModuleDict does not use itself, as 'keys', "
                f"got {name!r}"
            )
    return named


def _takes(loss: nn.Module, argument: str) -> bool:
    """Return whether a loss, or one in it, has an argument of that name."""
    if isinstance(loss, CombinedLoss):
        return bool(loss.takes(argument))
    return argument in inspect.signature(loss.forward).parameters


def _schedule(
    weights: Sequence[float] | Callable[[int], Sequence[float]],
) -> Callable[[int], Sequence[float]]:
    if callable(weights):
        return weights
    try:
        numbers = tuple(weights)
        for number in numbers:
            check_number(number, name="weights")
    except (TypeError, ArgumentError) as error:
        raise ArgumentError(
            f"`weights` must be a sequence of numbers or a schedule, got {weights!r}"
        ) from error
    return Constant(tuple(float(number) for number in numbers))
