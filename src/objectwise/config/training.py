"""The training of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Discriminator, Field, PositiveFloat, PositiveInt, Tag, model_validator

from objectwise.config.losses import TermConfig
from objectwise.config.optimiser import OptimiserConfig, ScheduleConfig
from objectwise.config.patches import AugmentationConfig, BalanceConfig
from objectwise.config.section import Section
from objectwise.config.values import Fraction, Shape, default_of, without_effect


class LossConfig(Section):
    """What is minimised.

    `bce` is binary cross-entropy on every known edge, `malis` constrained MALIS, `bce+malis` their weighted
    sum. Losses with MALIS begin with `warmup_steps` of plain `bce`: MALIS learns from the weakest edge
    of each path, and an untrained network has no paths worth learning from (Turaga et al. 2009 do the same).
    """

    name: Literal["bce", "malis", "bce+malis"] = "bce+malis"
    """The loss, as described above."""
    warmup_steps: Annotated[int, Field(ge=0)] = 0
    """Steps of plain `bce` at the beginning; fewer than `training.steps`."""
    malis_weight: PositiveFloat = 1.0
    """Weight of the MALIS term beside the cross-entropy; only with `bce+malis`."""

    @model_validator(mode="after")
    def _no_option_without_effect(self) -> Self:
        if self.name == "bce" and self.warmup_steps:
            raise without_effect("training.loss.warmup_steps", "with the loss 'bce'")
        if self.name != "bce+malis" and self.malis_weight != default_of(self, "malis_weight"):
            raise without_effect("training.loss.malis_weight", f"with the loss {self.name!r}")
        return self

    @property
    def terms(self) -> tuple[TermConfig, ...]:
        """The same, written out."""
        start = self.warmup_steps
        bce, malis = TermConfig(name="bce"), TermConfig(name="malis", from_step=start)
        if self.name == "bce":
            return (bce,)
        if self.name == "bce+malis":
            return bce, malis.model_copy(update={"weight": self.malis_weight})
        return (bce.model_copy(update={"until_step": start}), malis) if start else (malis,)


def _form_of_loss(loss: object) -> str:
    return "terms" if isinstance(loss, list | tuple) else "short"


class ValidationConfig(Section):
    """Scores of the network while it is trained: those of `evaluation.score` on the volumes of `data.tune`.

    `train/validation.csv` has a row each, and `train/best.pt` the network that had the best; see
    `prediction.weights`. The best is chosen by the settings of prediction, segmentation and evaluation that
    the training was done with: other ones later on do not train again.
    """

    every: PositiveInt
    """Steps between two; the last step counts too."""


class TrainingConfig(Section):
    """The training loop."""

    steps: PositiveInt = 1000
    """Steps of the optimiser, warm-up included."""
    batch_size: PositiveInt = 2
    """Patches in each batch, on each device."""
    patch_shape: Shape
    """Voxels along z, y, x (y, x with `dimensions: 2`); each a multiple of the product of the strides."""
    learning_rate: PositiveFloat = 1e-3
    """Largest step size of the optimiser; `training.schedule` says how it changes."""
    weight_decay: Annotated[float, Field(ge=0)] = 1e-5
    """Weight decay of the optimiser."""
    clip_gradient: PositiveFloat | None = None
    """Largest norm of the gradient of all weights together; a longer one is shortened to it."""
    accumulate: PositiveInt = 1
    """Batches whose gradients make one step, as their mean: for batches that do not fit into memory."""
    average_weights: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Decay of a running mean of the weights, such as 0.999: after each step it takes 1 - decay of the new
    weights. `network.pt` then holds the mean."""
    minimum_foreground: Fraction = 0.05
    """A patch with a smaller labelled fraction is drawn again."""
    checkpoint_every: PositiveInt = 100
    """Steps between checkpoints: what a killed run loses at most."""
    initial_weights: Path | None = None
    """`network.pt` of another run to start from; random weights by default."""
    workers: Annotated[int, Field(ge=0)] = 0
    """Processes that load patches; 0 loads in the training process."""
    threads: PositiveInt | None = None
    """Threads of torch, for training and prediction; its own choice by default."""
    accelerator: Literal["auto", "cpu", "gpu", "cuda", "mps"] = "auto"
    """Where to train and predict; `auto` takes a GPU if there is one."""
    devices: PositiveInt | Literal["auto"] = 1
    """Devices to train on; `auto` takes all there are when the training begins. With another number a begun
    training is not continued: patches would come twice or not at all."""
    precision: Literal["32-true", "16-mixed", "bf16-mixed"] = "32-true"
    """Bits of the training's arithmetic; the mixed ones are faster where the hardware has them."""
    loss: Annotated[
        Annotated[LossConfig, Tag("short")]
        | Annotated[tuple[TermConfig, ...], Field(min_length=1), Tag("terms")],
        Discriminator(_form_of_loss),
    ] = LossConfig()
    """A loss of affinities by a short name, or a list of terms, which are summed: any loss of the task with
    all its options. The losses and their options: [losses.md](losses.md)."""
    steps_per_epoch: PositiveInt = 250
    """Steps that count as an epoch in weights that change by epochs."""
    validation: ValidationConfig | None = None
    """Scores during the training, as described below; none by default."""
    optimiser: OptimiserConfig = OptimiserConfig()
    schedule: ScheduleConfig = ScheduleConfig()
    balance: BalanceConfig = BalanceConfig()
    augmentation: AugmentationConfig = AugmentationConfig()

    @model_validator(mode="after")
    def _warmup_ends(self) -> Self:
        if (self.schedule.warmup_steps or 0) >= self.steps:
            raise ValueError(
                f"schedule.warmup_steps must be less than steps ({self.steps}), "
                f"got {self.schedule.warmup_steps}"
            )
        if self.validation is not None and self.validation.every > self.steps:
            raise ValueError(
                f"validation.every must be at most steps ({self.steps}), got {self.validation.every}"
            )
        if isinstance(self.loss, LossConfig) and self.loss.warmup_steps >= self.steps:
            raise ValueError(
                f"loss.warmup_steps must be less than steps ({self.steps}), got {self.loss.warmup_steps}"
            )
        return self

    @model_validator(mode="after")
    def _terms_count(self) -> Self:
        for at, term in enumerate(self.terms):
            ends = (term.from_step + 1, term.until_step or 1, term.last_change(self.steps_per_epoch) + 1)
            if max(ends) > self.steps:
                raise ValueError(
                    f"loss.{at} must change within the steps of the training ({self.steps}), "
                    f"got a change in step {max(ends) - 1}"
                )
        if not any(
            term.weight_at(step, self.steps_per_epoch) for step in (0, self.steps - 1) for term in self.terms
        ):
            raise ValueError("loss must have a term of a weight other than 0")
        return self

    @property
    def terms(self) -> tuple[TermConfig, ...]:
        """The terms of the loss, whatever its form."""
        return self.loss.terms if isinstance(self.loss, LossConfig) else self.loss
