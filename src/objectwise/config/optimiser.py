"""How the weights move: optimiser and learning rate."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, PositiveFloat, model_validator

from objectwise.config.section import Section
from objectwise.config.values import default_of, without_effect

Decay = Annotated[float, Field(ge=0, lt=1)]


class OptimiserConfig(Section):
    """What makes steps of the gradients; `training.learning_rate` and `training.weight_decay` are its too."""

    name: Literal["adamw", "adam", "sgd"] = "adamw"
    """`adam` adds the weight decay to the gradient, `adamw` takes it from the weights; `sgd` is plain descent
    with momentum."""
    betas: tuple[Decay, Decay] = (0.9, 0.999)
    """Of the running means of the gradient and of its square; only with `adam` and `adamw`."""
    momentum: Decay = 0.9
    """Only with `sgd`."""
    nesterov: bool = False
    """Momentum that looks a step ahead; only with `sgd`."""

    @model_validator(mode="after")
    def _no_option_without_effect(self) -> Self:
        others = ("betas",) if self.name == "sgd" else ("momentum", "nesterov")
        for name in others:
            if getattr(self, name) != default_of(self, name):
                raise without_effect(f"training.optimiser.{name}", f"with the optimiser {self.name}")
        if self.nesterov and not self.momentum:
            raise without_effect("training.optimiser.nesterov", "without momentum")
        return self


class ScheduleConfig(Section):
    """How the learning rate changes within the run, as a part of `training.learning_rate`.

    It follows from the step alone, so that a resumed training has the rates of one that never stopped.
    """

    name: Literal["trapezoid", "constant", "poly", "cosine"] = "trapezoid"
    """`trapezoid`: level, and a straight fall over the last third. `poly`: (1 - share of the run) to the
    `power`. `cosine`: half a wave, from 1 to 0."""
    power: PositiveFloat = 0.9
    """Only with `poly`; 0.9 as in DeepLab and nnU-Net."""
    warmup_steps: Annotated[int, Field(ge=0)] | None = None
    """Steps over which the rate rises in a straight line at the beginning; fewer than `training.steps`. By
    default 50, or a tenth of the run where that is less, with `trapezoid`, and none with the others."""

    @model_validator(mode="after")
    def _no_option_without_effect(self) -> Self:
        if self.name != "poly" and self.power != default_of(self, "power"):
            raise without_effect("training.schedule.power", f"with the schedule {self.name}")
        return self
