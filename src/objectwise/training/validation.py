"""Scores during the training, and the network that had the best of them."""

from __future__ import annotations

import copy
import csv
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor, nn

from objectwise.atomic import replaced_file
from objectwise.curves import read_metrics
from objectwise.errors import ArgumentError, CheckpointError
from objectwise.networks import save_network
from objectwise.networks.archive import check_same_tensors, check_weights
from objectwise.training.checkpoints import CURE, WHAT
from objectwise.training.module import Best, TrainingModule

FILE, NETWORK = "validation.csv", "best.pt"
"""Names in the folder of the training."""


@dataclass(frozen=True)
class Validation:
    """How a network is scored while it is trained.

    Parameters
    ----------
    scores : callable
        Gets the network in evaluation mode, on the device of the training, and returns scores by name. Must
        leave the network, and torch's random numbers, as they are.
    score : str
        Name of the one that chooses the best network.
    higher_is_better : bool
    """

    scores: Callable[[nn.Module], Mapping[str, float]]
    score: str
    higher_is_better: bool

    def of(self, network: nn.Module) -> dict[str, float]:
        """Return the scores of a network, which is left in the mode it was in."""
        was_training = network.training
        try:
            scores = {name: float(score) for name, score in self.scores(network.eval()).items()}
        finally:
            network.train(was_training)
        if self.score not in scores:
            raise ArgumentError(f"`validate` must return the score {self.score!r}, got {sorted(scores)}")
        return scores

    def prefers(self, score: float, before: float) -> bool:
        """Say whether a score is better than one before; NaN is worse than any, of equals none is better."""
        if math.isnan(score) or math.isnan(before):
            return math.isnan(before) and not math.isnan(score)
        return score > before if self.higher_is_better else score < before


class ValidationSteps(Callback):
    """Score the network every so many steps and after the last, and keep the best.

    Rows go to `validation.csv`, the network to `best.pt`. The best is in every checkpoint too, so that a
    resumed training knows what was better than what it finds later; rows of steps that are trained again are
    written again.
    """

    def __init__(self, validation: Validation, *, every: int, directory: Path) -> None:
        self.validation = validation
        self.every = every
        self.directory = directory

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Put back what the checkpoint knew, whatever was found after it."""
        assert isinstance(pl_module, TrainingModule)
        if trainer.is_global_zero:
            write_best(self.directory, pl_module)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Validate if it is time; before the checkpoint of the step is saved."""
        assert isinstance(pl_module, TrainingModule)
        is_last = trainer.global_step == trainer.max_steps
        if not pl_module.ends_step(batch_idx) or not (pl_module.step % self.every == 0 or is_last):
            return
        pl_module.check_weights()
        scores = self.validation.of(pl_module.trained) if trainer.is_global_zero else {}
        scores = trainer.strategy.broadcast(scores)
        if trainer.is_global_zero:
            self._write_row(pl_module.step, scores)
        score, best = scores[self.validation.score], pl_module.best
        if best is None or self.validation.prefers(score, best.score):
            weights = {
                name: tensor.detach().cpu().clone() for name, tensor in pl_module.trained.state_dict().items()
            }
            pl_module.best = Best(pl_module.step, score, weights)
            if trainer.is_global_zero:
                write_best(self.directory, pl_module)

    def _write_row(self, step: int, scores: Mapping[str, float]) -> None:
        """Append a row, after those of the steps before."""
        path = self.directory / FILE
        rows = [row for row in read_metrics(path) if row["step"] < step] + [{"step": step, **scores}]
        with replaced_file(path) as partial, partial.open("w", newline="") as file:
            writer = csv.DictWriter(file, ("step", *scores))
            writer.writeheader()
            for row in rows:
                cells = {name: "" if math.isnan(row[name]) else f"{row[name]:.8g}" for name in scores}
                writer.writerow({"step": int(row["step"]), **cells})


def write_best(directory: Path, module: TrainingModule) -> None:
    """Write `best.pt` from what the module keeps, if it keeps any."""
    if module.best is not None:
        network = copy.deepcopy(module.trained)
        network.load_state_dict(module.best.weights)
        save_network(directory / NETWORK, network)


def best_in(path: Path, checkpoint: Mapping[str, Any], module: TrainingModule) -> Best | None:
    """Return the best network that a checkpoint holds; None of a training that was not validated yet.

    Raises
    ------
    CheckpointError
        If it is not one of this training.
    """
    kept = checkpoint.get("objectwise_best")
    if kept is None:
        return None
    step, score = (kept.get(name) if isinstance(kept, dict) else None for name in ("step", "score"))
    if type(step) is not int or not 0 < step <= checkpoint["objectwise_step"] or not isinstance(score, float):
        raise CheckpointError(
            f"{path} must hold step and score of the best network, got {step!r} and {score!r}; {CURE}"
        )
    weights: dict[str, Tensor] = check_weights(path, kept.get("weights"), what=WHAT, cure=CURE)
    check_same_tensors(path, weights, module.trained.state_dict(), what=WHAT, cure=CURE)
    return Best(step, score, weights)
