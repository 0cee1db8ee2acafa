"""Weights of the terms of a compound loss, as functions of the epoch or step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from objectwise.checks import check_number, check_whole_number
from objectwise.errors import ArgumentError


class WeightSchedule(Protocol):
    """What `CombinedLoss` asks of a schedule."""

    def __call__(self, position: int) -> Sequence[float]:
        """Return one weight per term at an epoch or step, counted from 0."""
        ...


@dataclass(frozen=True)
class Constant:
    """The same weights always."""

    weights: tuple[float, ...]

    def __call__(self, position: int) -> Sequence[float]:
        """Return the weights."""
        return self.weights


@dataclass(frozen=True)
class Equal:
    """Weight 1 for every term: the plain sum, `Equal` of Valverde and Tohka."""

    n_terms: int = 2

    def __post_init__(self) -> None:
        check_whole_number(self.n_terms, least=1, name="n_terms")

    def __call__(self, position: int) -> Sequence[float]:
        """Return the weights."""
        return (1.0,) * self.n_terms


@dataclass(frozen=True)
class Gradual:
    """From the first term to the second: weights alpha and 1 - alpha at position t.

    alpha = max((length - t) / length, floor), `Gradual` of Valverde and Tohka after Kervadec et al.; their
    100 epochs and floor of 0.01 are the defaults.
    """

    length: int = 100
    floor: float = 0.01

    def __post_init__(self) -> None:
        check_number(self.length, name="length")
        if self.length < 1:
            raise ArgumentError(f"`length` must be 1 or more, got {self.length}")
        check_whole_number(self.length, least=1, name="length")
        check_number(self.floor, name="floor")
        if not 0 <= self.floor <= 1:
            raise ArgumentError(f"`floor` must be in 0..1, got {self.floor}")

    def __call__(self, position: int) -> Sequence[float]:
        """Return alpha and 1 - alpha."""
        alpha = max((self.length - position) / self.length, self.floor)
        return alpha, 1 - alpha
