"""The training step and the optimiser, as a Lightning module."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch
from lightning.pytorch import LightningModule
from torch import Tensor

from objectwise.config.training import TrainingConfig
from objectwise.errors import DivergenceError
from objectwise.networks import Network
from objectwise.tasks import Objective
from objectwise.training.optimiser import averaged, optimiser_of, rate_factor

Batch = dict[str, Tensor]
"""`raw`, `number`, and what the losses need."""


class Best(NamedTuple):
    """The network that had the best score so far."""

    step: int
    """After which it had it."""
    score: float
    weights: dict[str, Tensor]
    """On the CPU."""


class TrainingModule(LightningModule):
    """Train a network on numbered patches.

    Parameters
    ----------
    network : Network
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
        network: Network,
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
        """Loss and terms of the last step, as means over all its patches."""
        self.best: Best | None = None
        """The best network of a training that is validated; in every checkpoint."""
        self._parts: list[dict[str, float]] = []
        decay = config.average_weights
        # A part of this module, so that checkpoints hold it beside the weights.
        self.average = None if decay is None else averaged(network, decay)

    @property
    def step(self) -> int:
        """Optimiser steps done, those before a resume included."""
        return self.first_step + int(self.global_step)

    @property
    def trained(self) -> Network:
        """The network that the training is for: with the mean of the weights where one is kept."""
        if self.average is None:
            return self.network
        mean = self.average.module
        assert isinstance(mean, Network)
        return mean

    def ends_step(self, batch_idx: int) -> bool:
        """Say whether the optimiser makes its step after this batch."""
        return (batch_idx + 1) % self.config.accumulate == 0

    def forward(self, raw: Tensor) -> Tensor:
        """Return logits (n, k, *spatial)."""
        logits: Tensor = self.network(raw)
        return logits

    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """Return the loss and its terms for one batch."""
        numbers, step = batch["number"], self.step
        part, parts = batch_idx % self.config.accumulate, self.config.accumulate
        # No patch twice and none left out, whatever the loop was resumed from.
        turn = (step * parts + part) * self.trainer.world_size + self.global_rank
        expected = turn * self.config.batch_size
        assert int(numbers[0]) == expected, f"step {step} got patch {int(numbers[0])}, not {expected}"
        with self._chance_of(step, self.global_rank * parts + part):
            logits = self(batch["raw"])
        if torch.isfinite(logits).all():
            result: dict[str, Tensor] = self.objective(logits, batch, step, self.global_rank * parts + part)
        else:  # which no loss is made for
            result = dict.fromkeys(("loss", *self.objective.weights_at(step)), logits.new_tensor(math.nan))
        self._parts = [*(self._parts if part else ()), self._mean_over_ranks(result)]
        self.means = {name: math.fsum(row[name] for row in self._parts) / len(self._parts) for name in result}
        self._check_finite()
        return result

    @contextmanager
    def _chance_of(self, step: int, part: int) -> Iterator[None]:
        """Let a network that draws at random, as dropout does, draw the same in every run of this step."""
        (seed,) = np.random.SeedSequence([self.objective.seed, step, part, 1]).generate_state(1, np.uint64)
        on_gpu = self.device.type == "cuda"
        with torch.random.fork_rng(devices=[self.device] if on_gpu else []):
            torch.default_generator.manual_seed(int(seed) >> 1)
            if on_gpu:
                torch.cuda.manual_seed(int(seed) >> 1)
            yield

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        """Make the step, and take its weights into their mean."""
        super().optimizer_step(*args, **kwargs)
        if self.average is not None:
            self.average.update_parameters(self.network)

    def _mean_over_ranks(self, result: dict[str, Tensor]) -> dict[str, float]:
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

    def check_weights(self) -> None:
        """Require finite weights: a gradient can overflow where the loss did not."""
        if not all(torch.isfinite(parameter).all() for parameter in self.parameters()):
            raise self.diverged("the weights are not finite", self.step)

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
        return self.config.learning_rate * self._rate_factor(step)

    def configure_optimizers(self) -> Any:
        """Return the optimiser of the configuration, and its learning rate."""
        optimizer = optimiser_of(self.network.parameters(), self.config)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, self._rate_factor)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def _rate_factor(self, step: int) -> float:
        return rate_factor(step, self.config.steps, self.config.schedule)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the step, the best network so far, and what the weights depend on."""
        checkpoint["objectwise_step"] = self.step
        if self.best is not None:
            checkpoint["objectwise_best"] = self.best._asdict()
        checkpoint["objectwise_run"] = self.run
