"""What the steps of one run share: its configuration, its files, what is known of its inputs."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from objectwise.config.models import RunConfig
from objectwise.config.volumes import VolumeConfig
from objectwise.workflow.fingerprint import InputDigests
from objectwise.workflow.inputs import Input, labels_input, raw_input
from objectwise.workflow.layout import RunDirectory
from objectwise.workflow.reporter import Reporter


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
        is_open = self.config.segmentation.threshold == "auto"
        return (self.config.data.tune or self.config.data.train) if is_open else ()

    @property
    def predicted(self) -> tuple[VolumeConfig, ...]:
        """Every volume whose affinities are needed, each once."""
        return (*self.segmented, *(volume for volume in self.swept if volume not in self.segmented))

    @property
    def scored(self) -> tuple[VolumeConfig, ...]:
        """The segmented volumes that have labels."""
        return tuple(volume for volume in self.segmented if volume.labels is not None)

    @property
    def window_shape(self) -> tuple[int, ...]:
        """The window of the prediction: as configured, or the patch of the training."""
        return self.config.prediction.window_shape or self.config.training.patch_shape

    def raw(self, volume: VolumeConfig) -> Input:
        """Return a volume's raw voxels as an input."""
        return raw_input(self.config, volume)

    def labels(self, volume: VolumeConfig) -> Input:
        """Return a volume's labels as an input; it must have some."""
        return labels_input(self.config, volume)


def segmented_volumes(config: RunConfig) -> tuple[VolumeConfig, ...]:
    """Return the volumes to segment: those of `data.evaluate`; without any, those of the training."""
    return config.data.evaluate or config.data.train
