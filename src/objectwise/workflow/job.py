"""What the steps of one run share: its configuration, its files, what is known of its inputs."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from objectwise.config.models import RunConfig
from objectwise.config.volumes import VolumeConfig
from objectwise.tasks import Task, task_of
from objectwise.workflow.fingerprint import InputDigests
from objectwise.workflow.inputs import Input, raw_inputs, truth_inputs
from objectwise.workflow.layout import RunDirectory
from objectwise.workflow.reporter import Reporter

WITHOUT_THRESHOLD = 0.5
"""What a method gets that has no threshold."""


@dataclass(frozen=True, eq=False)
class Job:
    """One run, as its steps see it."""

    config: RunConfig
    directory: RunDirectory
    digests: InputDigests
    reporter: Reporter
    cache: dict[str, Any] = field(default_factory=dict)
    """What inspecting has read already, for the work of the same step."""

    @cached_property
    def tree(self) -> dict[str, Any]:
        """The configuration as plain data, without the keys that no result depends on."""
        return self.config.tree_of_results()

    @property
    def segmented(self) -> tuple[VolumeConfig, ...]:
        """The volumes to segment."""
        return segmented_volumes(self.config)

    @property
    def swept(self) -> tuple[VolumeConfig, ...]:
        """The volumes the threshold is chosen on: `data.tune` or `data.train`; none if it is fixed."""
        is_open = not self.config.segmentation.threshold_is_fixed
        return (self.config.data.tune or self.config.data.train) if is_open else ()

    @property
    def predicted(self) -> tuple[VolumeConfig, ...]:
        """Every volume whose prediction is needed, each once."""
        return (*self.segmented, *(volume for volume in self.swept if volume not in self.segmented))

    @property
    def scored(self) -> tuple[VolumeConfig, ...]:
        """The segmented volumes that have truth."""
        return tuple(volume for volume in self.segmented if volume.has_truth)

    @property
    def window_shape(self) -> tuple[int, ...]:
        """The window of the prediction: as configured, or the patch of the training."""
        return self.config.prediction.window_shape or self.config.training.patch_shape

    @cached_property
    def task(self) -> Task:
        """What the channels of the network mean."""
        return task_of(self.config)

    @property
    def score(self) -> str:
        """Name of the score that the threshold is chosen by."""
        return self.config.evaluation.score or self.task.default_score

    @property
    def higher_is_better(self) -> bool:
        """Whether a higher one is better."""
        return self.task.scores[self.score]

    @property
    def candidates(self) -> tuple[float, ...]:
        """The thresholds that are tried: one, where there is none to choose."""
        settings = self.config.segmentation
        if settings.threshold != "auto":
            return (settings.threshold,)
        return (WITHOUT_THRESHOLD,) if settings.threshold_is_fixed else settings.candidates

    @property
    def validated(self) -> tuple[VolumeConfig, ...]:
        """The volumes that the network is scored on while it is trained."""
        return self.config.data.tune if self.config.training.validation is not None else ()

    @property
    def network(self) -> Path:
        """The file of the weights that later steps use."""
        here = self.directory
        return here.best_network if self.config.prediction.weights == "best" else here.network

    @property
    def task_settings(self) -> dict[str, Any]:
        """The task as plain data; empty for the default one."""
        return {"task": self.tree["task"]} if self.tree["task"] else {}

    def raw(self, volume: VolumeConfig) -> tuple[Input, ...]:
        """Return a volume's raw voxels as inputs, one a channel."""
        return raw_inputs(self.config, volume)

    def truth(self, volume: VolumeConfig) -> tuple[Input, ...]:
        """Return what is known of a volume beside its raw voxels as inputs."""
        return truth_inputs(self.config, volume)

    def prediction(self, volume: VolumeConfig) -> str:
        """Return the location of a volume's prediction."""
        return f"{self.directory.prediction_file(volume.name)}:{self.task.dataset}"

    def segmentations(self, volume: VolumeConfig) -> tuple[str, ...]:
        """Return the location of a volume's segmentation, or of that of each channel with objects."""
        return self.directory.segmentations(volume.name, self.task.object_channels)


def segmented_volumes(config: RunConfig) -> tuple[VolumeConfig, ...]:
    """Return the volumes to segment: those of `data.evaluate`; without any, those of the training."""
    return config.data.evaluate or config.data.train
