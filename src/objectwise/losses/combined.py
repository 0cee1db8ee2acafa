"""A weighted sum of losses whose weights may change with the epoch or step."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from objectwise.errors import ArgumentError
from objectwise.losses.schedules import Constant, Equal


class CombinedLoss(nn.Module):
    """The sum of several losses of one prediction and target, each times its weight.

    Parameters
    ----------
    losses : sequence of modules, or mapping of names to modules
        Each is called with (prediction, target), and with `weight_map` if its `forward` has an argument of
        that name and a map is given; where several have, maps are given by name.
    weights : sequence of float, or schedule
        Constant, or a function of the position that returns one weight per term, as `Equal()` and `Gradual()`
        are. 1 for every term by default.

    Raises
    ------
    ArgumentError
        If there is no term, or one is no module; if weights and terms differ in number, or a weight is not
        finite.

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
        self._takes_map = {
            name: "weight_map" in inspect.signature(loss.forward).parameters
            for name, loss in self.losses.items()
        }
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
    ) -> Tensor:
        """Return the weighted sum; `weight_map` goes to the one term that takes a map, or by name."""
        total: Tensor | None = None
        for name, weight in self.weights.items():
            if weight != 0:
                term = weight * self._term(name, prediction, target, weight_map)
                total = term if total is None else total + term
        return prediction.float().sum() * 0 if total is None else total

    def terms(
        self,
        prediction: Tensor,
        target: Tensor,
        *,
        weight_map: Tensor | Mapping[str, Tensor] | None = None,
    ) -> dict[str, Tensor]:
        """Return every term by name, without its weight, to log them."""
        return {name: self._term(name, prediction, target, weight_map) for name in self.losses}

    def _term(
        self,
        name: str,
        prediction: Tensor,
        target: Tensor,
        weight_map: Tensor | Mapping[str, Tensor] | None,
    ) -> Tensor:
        takers = [key for key, takes in self._takes_map.items() if takes]
        if isinstance(weight_map, Mapping):
            unknown = [key for key in weight_map if key not in takers]
            if unknown:
                raise ArgumentError(f"`weight_map` must name losses that take a map {takers}, got {unknown}")
            weight_map = weight_map.get(name)
        elif weight_map is not None and not takers:
            raise ArgumentError("`weight_map` must be None where no loss takes a map, got a map")
        elif weight_map is not None and len(takers) > 1:  # theirs differ, and have the same shape
            raise ArgumentError(
                f"`weight_map` must be a mapping by name where several losses take one {takers}, got a tensor"
            )
        given = {"weight_map": weight_map} if self._takes_map[name] and weight_map is not None else {}
        value: Tensor = self.losses[name](prediction, target, **given)
        return value

    def get_extra_state(self) -> Tensor:
        """Return the position, for `state_dict`."""
        return torch.tensor(self.position)

    def set_extra_state(self, state: Any) -> None:
        """Take the position from a `state_dict`."""
        self.position = int(state)

    def extra_repr(self) -> str:
        """Show the schedule and where it is."""
        return f"weights={self.schedule!r}, position={self.position}"


def _named(losses: Sequence[nn.Module] | Mapping[str, nn.Module]) -> dict[str, nn.Module]:
    """Return the losses by name, which is their position in a sequence."""
    rule = "`losses` must be a sequence or a mapping of modules"
    if not isinstance(losses, Mapping | Sequence | nn.ModuleList):
        raise ArgumentError(f"{rule}, got {type(losses).__name__}")
    pairs = losses.items() if isinstance(losses, Mapping) else enumerate(losses)
    named = {str(name): loss for name, loss in pairs}
    if not named:
        raise ArgumentError("`losses` must hold a loss, got none")
    for name, loss in named.items():
        if not isinstance(loss, nn.Module):
            raise ArgumentError(f"{rule}, got {loss!r} in {name!r}")
        if "." in name:  # PyTorch's own, for the names of parameters
            raise ArgumentError(f"`losses` must have names without '.', got {name!r}")
    return named


def _schedule(
    weights: Sequence[float] | Callable[[int], Sequence[float]],
) -> Callable[[int], Sequence[float]]:
    if callable(weights):
        return weights
    try:
        return Constant(tuple(float(weight) for weight in weights))
    except (TypeError, ValueError) as error:
        raise ArgumentError(
            f"`weights` must be a sequence of numbers or a schedule, got {weights!r}"
        ) from error
