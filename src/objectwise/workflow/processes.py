"""The training of a run, from its files: in this process, or on several devices in processes of its own.

Lightning trains on n devices by starting the command line n - 1 times more. So that only the training is done
n times, and the rest of the run once, it gets a command line of its own: `objectwise.workflow.rank`.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from objectwise.config.models import RunConfig
from objectwise.errors import ObjectwiseError
from objectwise.pipeline.predict import find_device
from objectwise.workflow.layout import RunDirectory

if TYPE_CHECKING:
    from objectwise.data import LabelledVolume
    from objectwise.training import Validation

REFUSED = 2
"""Exit code of a rank whose error is a sentence for the user, on stdout."""


def training_volumes(config: RunConfig, digests: Mapping[str, str | None]) -> list[LabelledVolume]:
    """Read raw and truth of `data.train`, which must be those that the digests were taken of."""
    from objectwise.tasks import task_of
    from objectwise.workflow.volumes import read_labelled

    task = task_of(config)
    return [
        read_labelled(config, volume, task, lambda one: one.read(digests[one.name]))
        for volume in config.data.train
    ]


def device_count(config: RunConfig) -> int:
    """Return how many devices the training takes: as configured, or with `auto` all there are."""
    if config.training.devices != "auto":
        return config.training.devices
    import torch

    return torch.cuda.device_count() if find_device(config.training.accelerator).type == "cuda" else 1


def train_on_devices(run: RunDirectory, fingerprint: str, *, devices: int) -> None:
    """Train in processes of their own, one a device.

    Raises
    ------
    ObjectwiseError, RuntimeError
        What stopped the training there.
    """
    command = [sys.executable, "-m", "objectwise.workflow.rank", str(run.path), fingerprint, str(devices)]
    # The processes end when stdin does (`end_with_parent`); on stdout comes what went wrong.
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            # What stops all ranks alike is one sentence.
            said = "\n".join(dict.fromkeys(process.stdout.read().strip().splitlines()))
        finally:
            process.stdin.close()
        code = process.wait()
    if code == REFUSED:
        raise ObjectwiseError(said)
    if code:
        raise RuntimeError(f"the training on {devices} devices ended with code {code}; {said}")


def train_here(
    config: RunConfig,
    volumes: Sequence[LabelledVolume],
    run: RunDirectory,
    fingerprint: str,
    *,
    devices: int,
    validate: Validation | None = None,
) -> None:
    """Train in this process; a folder that holds a checkpoint of the same fingerprint is continued."""
    from objectwise.training import train

    # As many as the step was begun for: with more or fewer, patches would come twice or not at all.
    counted = config.training.model_copy(update={"devices": devices})
    config = config.model_copy(update={"training": counted})
    train(config, volumes, run.train, run=fingerprint, validate=validate)
