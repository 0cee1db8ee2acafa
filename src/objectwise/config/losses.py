"""The terms of a loss as typed data."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import Field, PositiveInt, model_validator

from objectwise.config.section import Section

Step = Annotated[int, Field(ge=0)]


class RampConfig(Section):
    """A weight that goes in a straight line from one number to another, and stays there."""

    start: Annotated[float, Field(alias="from")]
    """Weight up to the first step of the ramp."""
    end: Annotated[float, Field(alias="to")]
    """Weight from the last step of the ramp on."""
    steps: tuple[Step, Step] | None = None
    """First and last step of the ramp; equal ones make a jump."""
    epochs: tuple[Step, Step] | None = None
    """The same in epochs of `training.steps_per_epoch` steps, the weight being constant within each.
    `Gradual` of Valverde and Tohka: `{from: 1, to: 0.01, epochs: [0, 99]}` and `{from: 0, to: 0.99, epochs:
    [0, 99]}`."""

    @model_validator(mode="after")
    def _one_ramp(self) -> Self:
        if (self.steps is None) == (self.epochs is None):
            raise ValueError("a ramp needs either steps or epochs, [first, last]")
        first, last = self.steps or self.epochs or (0, 0)
        if first > last:
            raise ValueError(f"a ramp must ascend [first, last], got {[first, last]}")
        return self

    def at(self, step: int, steps_per_epoch: int) -> float:
        """Return the weight of a step, 0 being the first."""
        (first, last), position = (
            (self.steps, step) if self.steps is not None else (self.epochs or (0, 0), step // steps_per_epoch)
        )
        if position >= last:
            return self.end
        if position <= first:
            return self.start
        return self.start + (self.end - self.start) * (position - first) / (last - first)

    def last_step(self, steps_per_epoch: int) -> int:
        """Return the step from which the weight no longer changes."""
        return self.steps[1] if self.steps is not None else (self.epochs or (0, 0))[1] * steps_per_epoch


class TermConfig(Section):
    """One term of the loss: a loss of the library by name, or anyone's by its place in Python."""

    name: str | None = None
    """Name of a loss that the task has, see below; with `python`, what the logs call the term."""
    python: str | None = None
    """`package.module:Loss`, anyone's module, whose `forward` takes the prediction and the target."""
    weight: float | RampConfig = 1.0
    """Times which the term enters the sum: a number, or a ramp. While it is 0 the term is not computed."""
    from_step: Step = 0
    """First step in which the term counts."""
    until_step: PositiveInt | None = None
    """First step in which it no longer counts; never by default."""
    options: dict[str, Any] = Field(default_factory=dict)
    """Options of the loss, by the names of its Python arguments."""

    @model_validator(mode="after")
    def _names_a_loss(self) -> Self:
        if self.name is None and self.python is None:
            raise ValueError("a term needs the name of a loss, or python: package.module:Loss")
        if self.until_step is not None and self.until_step <= self.from_step:
            raise ValueError(f"until_step must be above from_step ({self.from_step}), got {self.until_step}")
        return self

    def last_change(self, steps_per_epoch: int) -> int:
        """Return the last step in which the weight is another than in the step before; 0 if it never is."""
        return 0 if isinstance(self.weight, float) else self.weight.last_step(steps_per_epoch)

    def weight_at(self, step: int, steps_per_epoch: int) -> float:
        """Return the weight in a step; 0 where the term does not count."""
        if step < self.from_step or (self.until_step is not None and step >= self.until_step):
            return 0.0
        return self.weight if isinstance(self.weight, float) else self.weight.at(step, steps_per_epoch)
