"""Checkpoints that are whole or absent, and that run no code when loaded."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.plugins.io import TorchCheckpointIO

from objectwise.errors import CheckpointError
from objectwise.networks.archive import check_same_tensors, check_weights, read_archive, write_archive
from objectwise.training.module import TrainingModule

FORMAT = 2
"""Format of a checkpoint. The first, without a number, had no checksum."""

WHAT, CURE = "a checkpoint of a training", "delete it to train from the beginning"


class AtomicCheckpointIO(TorchCheckpointIO):
    """Write beside the target, flush to the disk, rename: a kill leaves the old checkpoint or the new one.

    Lightning's own goes through the system's temporary folder, which may be another file system, where a
    move is a copy that can be cut short.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | os.PathLike[str], storage_options: Any = None
    ) -> None:
        """Write `checkpoint` to `path`."""
        write_archive(Path(path), {"format": FORMAT, **checkpoint})

    def load_checkpoint(
        self,
        path: str | os.PathLike[str],
        map_location: Any = "cpu",
        weights_only: bool | None = True,
    ) -> dict[str, Any]:
        """Read all but the progress of Lightning's loops.

        The loops count epochs and batches of one start; where a run goes on is `objectwise_step` alone
        (`read_checkpoint`), and the patches of every step follow from its number.
        """
        checkpoint = read_archive(Path(path), what=WHAT, cure=CURE)
        checkpoint.pop("loops", None)
        return checkpoint


class StepCheckpoint(Checkpoint):
    """Save every so many steps, and after the last."""

    def __init__(self, path: Path, *, every: int) -> None:
        self.path = path
        self.every = every

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save if it is time; Lightning calls this after all other callbacks."""
        assert isinstance(pl_module, TrainingModule)
        if not pl_module.ends_step(batch_idx):
            return
        if pl_module.step % self.every == 0 or trainer.global_step == trainer.max_steps:
            pl_module.check_weights()  # the checkpoint before stays the last
            trainer.save_checkpoint(self.path)


def read_checkpoint(path: Path, *, run: str, steps: int | None = None) -> dict[str, Any]:
    """Read a checkpoint of this very run.

    Parameters
    ----------
    path : Path
    run : str
        What the weights depend on; see `TrainingModule`.
    steps : int, optional
        Of the whole run: the checkpoint cannot have done more.

    Raises
    ------
    CheckpointError
        If it is damaged or something else, or its run had another configuration.
    """
    checkpoint = read_archive(path, what=WHAT, cure=CURE)
    kept, step = (checkpoint.get(key) for key in ("objectwise_run", "objectwise_step"))
    if not isinstance(kept, str):
        raise CheckpointError(f"{path} must be {WHAT}, but it does not say of which run; {CURE}")
    if kept != run:
        raise CheckpointError(
            f"{path} must come from a run with this configuration, but {_difference(kept, run)}; "
            "restore the configuration, choose another directory, or overwrite the training"
        )
    if (
        isinstance(step, bool)
        or not isinstance(step, int)
        or not 0 <= step <= (step if steps is None else steps)
    ):
        rule = "" if steps is None else f"..{steps}"
        raise CheckpointError(f"{path} must hold the steps done (0{rule}), got {step!r}; {CURE}")
    check_weights(path, checkpoint.get("state_dict"), what=WHAT, cure=CURE)
    return checkpoint


def check_resumable(path: Path, checkpoint: Mapping[str, Any], module: LightningModule) -> None:
    """Require all that a training goes on from.

    Raises
    ------
    CheckpointError
        If the weights are not those of `module`, or the state of the optimiser is not there.
    """
    check_same_tensors(path, checkpoint["state_dict"], module.state_dict(), what=WHAT, cure=CURE)
    for key in ("optimizer_states", "lr_schedulers", "pytorch-lightning_version"):
        if not checkpoint.get(key):
            raise CheckpointError(f"{path} must be {WHAT}, but it holds no {key}; {CURE}")


def _difference(kept: str, run: str) -> str:
    """Name the first line in which two descriptions differ."""
    for old, new in zip(kept.splitlines(), run.splitlines(), strict=False):
        if old != new:
            return f"it has {old.strip().rstrip(',')} where this has {new.strip().rstrip(',')}"
    return "they differ in length"
