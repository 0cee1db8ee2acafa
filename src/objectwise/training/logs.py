"""What a training shows: a CSV that survives kills, one progress bar, no noise."""

from __future__ import annotations

import csv
import logging
import math
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.loggers.logger import Logger
from lightning.pytorch.utilities import rank_zero_only

from objectwise.atomic import replaced_file
from objectwise.bars import Bar
from objectwise.curves import read_metrics
from objectwise.training.module import TrainingModule


class MetricsLogger(Logger):
    """One row a step in `metrics.csv`; a resumed run goes on after its checkpoint.

    Lightning's CSVLogger deletes the file of an earlier start and writes every hundredth row. This one cuts
    the rows after the checkpoint (their steps are trained again), a half-written last row among them, and
    writes each row at once.

    Parameters
    ----------
    path : Path
    terms : names
        Of the terms of the loss, a column each.
    first_step : int
        Steps that the checkpoint has done: 0 starts a new file.
    """

    def __init__(self, path: Path, *, terms: Sequence[str], first_step: int = 0) -> None:
        super().__init__()
        self.path = path
        self.columns = ("step", "loss", *terms, "learning_rate", "steps_per_second", "waiting")
        self._first_step = first_step
        self._file: TextIO | None = None

    @property
    def name(self) -> str:
        """Name of the logger."""
        return "metrics"

    @property
    def version(self) -> str:
        """There is one version: a resumed run writes the same file."""
        return ""

    @rank_zero_only
    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        """Do nothing: the run directory holds the configuration."""

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Append one row."""
        if self._file is None:
            self._file = self._open()
        row = {"step": step, **{name: f"{value:.8g}" for name, value in metrics.items()}}
        csv.DictWriter(self._file, self.columns).writerow(row)

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None
            # A later row of this logger continues the file, it does not cut it.
            self._first_step = sys.maxsize

    def _open(self) -> TextIO:
        rows = [row for row in read_metrics(self.path) if row["step"] <= self._first_step]
        with replaced_file(self.path) as partial, partial.open("w", newline="") as file:
            writer = csv.DictWriter(file, self.columns)
            writer.writeheader()
            for row in rows:
                cells = {name: "" if math.isnan(value) else f"{value:.8g}" for name, value in row.items()}
                writer.writerow({**cells, "step": int(row["step"])})
        return self.path.open("a", buffering=1, newline="")


class StepLogs(Callback):
    """Give every logger one row a step: loss and terms (means over its patches), learning rate and speed.

    Before the checkpoint of the step is saved, so no row before a checkpoint is ever missing. `waiting` is
    the share of the step's time in which the first process had no patches to train on.

    Parameters
    ----------
    waited : callable
        Returns the seconds that were waited for patches so far.
    """

    def __init__(self, waited: Callable[[], float]) -> None:
        self._waited = waited
        self._waited_before = self._busy = self._begin = 0.0
        self._last_end: float | None = None

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Note when the batch was there."""
        self._begin = time.perf_counter()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Log the step; `step` counts the steps done."""
        assert isinstance(pl_module, TrainingModule)
        now = time.perf_counter()
        self._busy += now - self._begin
        if not pl_module.ends_step(batch_idx):
            return
        row = dict(pl_module.means)
        row["learning_rate"] = pl_module.learning_rate_of(pl_module.step - 1)
        if self._last_end is not None:
            row["steps_per_second"] = 1 / max(now - self._last_end, 1e-9)
        waited = self._waited() - self._waited_before
        row["waiting"] = waited / max(waited + self._busy, 1e-9)
        self._last_end, self._waited_before, self._busy = now, self._waited(), 0.0
        for logger in trainer.loggers:
            logger.log_metrics(row, step=pl_module.step)


class StepProgress(Callback):
    """A bar over all steps of the run, also after a resume."""

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self._bar: Bar | None = None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Draw the bar on stderr."""
        assert isinstance(pl_module, TrainingModule)
        if trainer.is_global_zero:
            self._bar = Bar("train", self.steps, done=pl_module.step)
            self._bar.start()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Move the bar."""
        assert isinstance(pl_module, TrainingModule)
        if self._bar is not None:
            self._bar.move(pl_module.step, f"loss {pl_module.means['loss']:.4f}")

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Leave the finished bar on the screen."""
        self._stop()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Give the terminal back."""
        self._stop()

    def _stop(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


@contextmanager
def quiet_lightning() -> Iterator[None]:
    """Silence what Lightning says about choices that are made on purpose here; real trouble stays audible."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            # The configuration chooses the workers; on small machines 0 is the faster choice.
            warnings.filterwarnings("ignore", message=".*does not have many workers.*")
            # It is not empty because the run is being resumed.
            warnings.filterwarnings("ignore", message="Checkpoint directory .* exists and is not empty.*")
            # The configuration names the device; it says so when there is a better one.
            warnings.filterwarnings("ignore", message=".*available but not used.*")
            # Lightning 2.6 with torch 2.13: theirs to change, and nothing a user can do about.
            warnings.filterwarnings("ignore", message=".*treespec, LeafSpec.*", category=FutureWarning)
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
