"""The training of a run, from its files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from objectwise.config.models import RunConfig
from objectwise.pipeline import read_label_stack, read_raw_stack
from objectwise.workflow.layout import RunDirectory

if TYPE_CHECKING:
    from objectwise.data import LabelledVolume


def training_volumes(config: RunConfig) -> list[LabelledVolume]:
    """Read raw and labels of `data.train`."""
    from objectwise.data import LabelledVolume

    volumes = []
    for volume in config.data.train:
        assert volume.labels is not None
        raw = read_raw_stack(volume.raw, volume.sections).array
        labels = read_label_stack(volume.labels, volume.sections).array
        volumes.append(LabelledVolume(volume.name, raw, labels))
    return volumes


def train_run(config: RunConfig, run: RunDirectory, fingerprint: str) -> None:
    """Train; a folder that holds a checkpoint of the same fingerprint is continued."""
    from objectwise.training import train

    train(config, training_volumes(config), run.train, run=fingerprint)
