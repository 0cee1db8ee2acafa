"""The training step and the optimiser, as a Lightning module."""

from __future__ import annotations

import math
from typing import Any

import torch
from lightning.pytorch import LightningModule
from torch import Tensor

from objectwise.config.training import TrainingConfig
from objectwise.errors import DivergenceError
from objectwise.networks import AffinityUNet
from objectwise.tasks import Objective

RAMP_STEPS = 50
"""Steps over which the learning rate rises: Adam's first steps, of full size, would spoil fresh weights."""
HOLD = 0.65
"""Fraction of the run after which the learning rate begins to fall."""
FINAL_RATE = 0.01
"""Where it ends, as a fraction of the highest."""

Batch = dict[str, Tensor]
"""`raw`, `number`, and what the losses need."""


def rate_factor(step: int, steps: int) -> float:
    """Return the learning rate of a step (0 is the first) as a fraction of the highest.

    A linear ramp over at most a tenth of the run, a plateau, and a straight fall over the last third: MALIS,
    which starts after a warm-up of cross-entropy, still learns at the full rate. In runs of 300 steps on
    SNEMI3D sections, held-out cross-entropy with this, with half a cosine and without a fall was 0.330,
    0.339, 0.333 (one seed) and 0.323, 0.324, 0.322 (another): no more than noise. It depends on the step
    alone, so a resumed run needs no memory of it.
    """
    ramp = min(RAMP_STEPS, max(1, steps // 10))
    if step < ramp:
        return (step + 1) / ramp
    left = (steps - step) / (steps - HOLD * steps)
    return max(FINAL_RATE, min(1.0, left))


class TrainingModule(LightningModule):
    """Train a network on numbered patches.

    Parameters
    ----------
    network : AffinityUNet
    config : TrainingConfig
    objective : Objective
        What is minimised.
    first_step : int
        Steps that the checkpoint has done which this training goes on from.
    run : str
        What the weights depend on, in words; kept in every checkpoint and compared when a run resumes.
    """

    def __init__(
        self,
        network: AffinityUNet,
        config: TrainingConfig,
        objective: Objective,
        *,
        first_step: int = 0,
        run: str = "",
    ) -> None:
        super().__init__()
        self.network = network
        self.config = config
        self.objective = objective
        self.first_step = first_step
        self.run = run
        self.means: dict[str, float] = {}
        """Loss and terms of the last step, as means over all ranks."""

    @property
    def step(self) -> int:
        """Optimiser steps done, those before a resume included."""
        return self.first_step + int(self.global_step)

    def forward(self, raw: Tensor) -> Tensor:
        """Return logits (n, k, *spatial)."""
        logits: Tensor = self.network(raw)
        return logits

    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """Return the loss and its terms for one batch."""
        numbers, step = batch["number"], self.step
        # No patch twice and none left out, whatever the loop was resumed from.
        expected = (step * self.trainer.world_size + self.global_rank) * self.config.batch_size
        assert int(numbers[0]) == expected, f"step {step} got patch {int(numbers[0])}, not {expected}"
        logits = self(batch["raw"])
        if torch.isfinite(logits).all():
            result: dict[str, Tensor] = self.objective(logits, batch, step, self.global_rank)
        else:  # which no loss is made for
            result = dict.fromkeys(("loss", *self.objective.weights_at(step)), logits.new_tensor(math.nan))
        self.means = self._means(result)
        self._check_finite()
        return result

    def _means(self, result: dict[str, Tensor]) -> dict[str, float]:
        """Return the mean of each value over the ranks, of which each has patches of its own."""
        values = torch.stack([value.detach().double() for value in result.values()])
        if self.trainer.world_size > 1:
            values = self.trainer.strategy.reduce(values, reduce_op="mean")
        return dict(zip(result, values.tolist(), strict=True))

    def _check_finite(self) -> None:
        """Stop before a step that would spoil the weights; every rank does, for a mean of NaN is NaN."""
        bad = [name for name in reversed(self.means) if not math.isfinite(self.means[name])]
        if bad:
            raise self.diverged(f"`{bad[0]}` is {self.means[bad[0]]}", self.step + 1)

    def diverged(self, what: str, step: int) -> DivergenceError:
        """Return what stops a training that left the finite numbers; `step` counts from 1."""
        exact = "32-true"
        rate, bits = self.config.learning_rate, self.config.precision
        more = "" if bits == exact else f" or train with training.precision {exact}"
        return DivergenceError(
            f"the training must stay finite, but it diverged in step {step}: {what}; lower "
            f"training.learning_rate ({rate:g} with {bits}){more}, and train again with --overwrite"
        )

    def learning_rate_of(self, step: int) -> float:
        """Return the learning rate of a step, 0 being the first."""
        return self.config.learning_rate * rate_factor(step, self.config.steps)

    def configure_optimizers(self) -> Any:
        """AdamW, and the learning rate of `rate_factor`."""
        optimizer = torch.optim.AdamW(
            self.network.parameters(), lr=self.config.learning_rate, weight_decay=self.config.weight_decay
        )
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: rate_factor(step, self.config.steps)
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the step, and what the weights depend on."""
        checkpoint["objectwise_step"] = self.step
        checkpoint["objectwise_run"] = self.run
