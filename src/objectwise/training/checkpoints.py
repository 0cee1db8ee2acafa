"""Checkpoints that are whole or absent, and that run no code when loaded."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.plugins.io import TorchCheckpointIO

from objectwise.atomic import replaced_file
from objectwise.errors import CheckpointError
from objectwise.training.module import AffinityModule


class AtomicCheckpointIO(TorchCheckpointIO):
    """Write beside the target, flush to the disk, rename: a kill leaves the old checkpoint or the new one.

    Lightning's own goes through the system's temporary folder, which may be another file system, where a
    move is a copy that can be cut short.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | os.PathLike[str], storage_options: Any = None
    ) -> None:
        """Write `checkpoint` to `path`."""
        with replaced_file(Path(path)) as partial, partial.open("wb") as file:
            torch.save(checkpoint, file)

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
        checkpoint = dict(torch.load(path, map_location=map_location, weights_only=True))
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
        assert isinstance(pl_module, AffinityModule)
        if pl_module.step % self.every == 0 or trainer.global_step == trainer.max_steps:
            trainer.save_checkpoint(self.path)


def read_checkpoint(path: Path, *, run: str) -> dict[str, Any]:
    """Read a checkpoint of this very run.

    Raises
    ------
    CheckpointError
        If it is damaged, or its run had another configuration.
    """
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
        kept, step = checkpoint["objectwise_run"], checkpoint["objectwise_step"]
    except (
        OSError,
        RuntimeError,
        EOFError,
        pickle.UnpicklingError,
        ValueError,
        KeyError,
        TypeError,
    ) as error:
        raise CheckpointError(
            f"{path} must be a checkpoint of a training, but it is damaged or something else; "
            "delete it to train from the beginning"
        ) from error
    if kept != run:
        raise CheckpointError(
            f"{path} must come from a run with this configuration, but {_difference(kept, run)}; "
            "restore the configuration, choose another directory, or overwrite the training"
        )
    if not isinstance(step, int):
        raise CheckpointError(f"{path} must hold its step as a number, got {step!r}; delete it to train anew")
    return dict(checkpoint)


def _difference(kept: str, run: str) -> str:
    """Name the first line in which two descriptions differ."""
    for old, new in zip(kept.splitlines(), run.splitlines(), strict=False):
        if old != new:
            return f"it has {old.strip().rstrip(',')} where this has {new.strip().rstrip(',')}"
    return "they differ in length"
