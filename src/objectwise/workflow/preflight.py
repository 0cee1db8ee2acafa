"""What can be known to be wrong before work begins, with the key it concerns: the checks that steps share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from objectwise.config.models import RunConfig
from objectwise.config.volumes import LOCATED, VolumeConfig
from objectwise.data import VolumeInfo, check_pair
from objectwise.errors import ArgumentError, ConfigError, ObjectwiseError, ShapeError
from objectwise.pipeline.predict import find_device
from objectwise.workflow.inputs import Input, key_of
from objectwise.workflow.processes import device_count

if TYPE_CHECKING:
    from objectwise.workflow.job import Job


class Problems:
    """Collects what is wrong, so that one run of the command shows all of it."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    @contextmanager
    def at(self, key: str) -> Iterator[None]:
        """Note what the block raises on purpose as a problem of this key; once, however many steps see it."""
        try:
            yield
        except ObjectwiseError as error:
            line = f"{key}: {error}"
            if line not in self.lines:
                self.lines.append(line)

    def refuse(self) -> None:
        """Raise a ConfigError with one line a problem, if there is any."""
        if len(self.lines) == 1:
            raise ConfigError(self.lines[0])
        if self.lines:
            raise ConfigError(f"the run has {len(self.lines)} problems:\n  " + "\n  ".join(self.lines))


def check_raw_of(job: Job, volume: VolumeConfig, problems: Problems) -> VolumeInfo | None:
    """Check that the raw volume is there and fits the task; return what its first channel is where it is."""
    first: VolumeInfo | None = None
    for one in job.raw(volume):
        with problems.at(one.key):
            info = one.describe()
            _check_channels(job.config, one, info)
            job.task.check_shape(info.shape[-job.config.dimensions :])
            first = first or info
            if info.shape != first.shape:
                raise ShapeError(
                    f"channels must have one shape, got {info.shape} in {one.place} and {first.shape} in "
                    f"{first.location}"
                )
    return first


def _check_channels(config: RunConfig, raw: Input, info: VolumeInfo) -> None:
    """Require of a file with all channels that it has as many as the network takes."""
    if raw.channel_axis is not None and info.channels != config.data.channels:
        raise ShapeError(
            f"`{raw.place}` must have as many channels as `data.channels` says, {config.data.channels}, "
            f"got {info.channels} along axis {raw.channel_axis} (opacity is none)"
        )


def check_truth_of(job: Job, volume: VolumeConfig, problems: Problems) -> None:
    """Check that what is known of a volume is there, is for the task, and fits the raw volume if that is."""
    for name in LOCATED:
        if name != "raw" and name not in job.task.reads and volume.places(name):
            with problems.at(f"{key_of(job.config, volume)}.{name}"):
                raise ArgumentError(
                    f"must be left out with the task {job.task.name!r}, which takes "
                    f"{', '.join(job.task.reads)}"
                )
    for one in job.truth(volume):
        with problems.at(one.key):
            info = one.describe()
            try:
                raw = job.raw(volume)[0].describe()
            except ObjectwiseError:
                continue  # a problem of the steps that read it
            check_pair(raw, info)


def check_patch(patch: Sequence[int], spatial: Sequence[int]) -> None:
    """Require a patch that fits into a training volume."""
    if any(size > space for size, space in zip(patch, spatial, strict=True)):
        raise ArgumentError(
            f"`training.patch_shape` must fit into every training volume, "
            f"got {list(patch)} for {list(spatial)}"
        )


def check_accelerator(config: RunConfig, problems: Problems) -> None:
    """Check that the device is there."""
    with problems.at("training.accelerator"):
        find_device(config.training.accelerator)


def check_training_device(config: RunConfig, problems: Problems) -> None:
    """Check that the device is there, and does what the training asks of it."""
    import torch

    with problems.at("training.accelerator"):
        device = find_device(config.training.accelerator).type
        there = {"cuda": torch.cuda.device_count(), "mps": 1}.get(device)  # on the CPU, processes
        asked = device_count(config)
        if there is not None and asked > there:
            with problems.at("training.devices"):
                raise ArgumentError(
                    f"must be at most {there}, the devices of kind {device!r} here, got {asked}"
                )
        if device == "cpu" and config.training.precision == "16-mixed":
            with problems.at("training.precision"):
                raise ArgumentError(
                    "must be 32-true or bf16-mixed on the CPU, got 16-mixed, which needs a GPU"
                )


def check_network_shape(
    config: RunConfig, shape: Sequence[int], *, name: str, training: bool = False
) -> tuple[int, ...]:
    """See that the network takes a patch or a window; return what its output covers of it."""
    from objectwise.training import covered_by

    return covered_by(config, shape, name=name, training=training)
