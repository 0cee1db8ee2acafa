"""What the complete steps of a run left, for those who only read it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from objectwise.config.load import dump_config, load_config
from objectwise.config.models import RunConfig
from objectwise.config.volumes import VolumeConfig
from objectwise.curves import read_curves
from objectwise.data import Volume
from objectwise.errors import ArgumentError
from objectwise.tasks import Task, Truth, task_of
from objectwise.workflow.inputs import Input
from objectwise.workflow.job import segmented_volumes
from objectwise.workflow.layout import RunDirectory
from objectwise.workflow.results import read_scores, read_threshold, recorded_digests
from objectwise.workflow.volumes import Image, read_image, read_truth

Digests = Mapping[str, str | None]


@dataclass(frozen=True, eq=False)
class FinishedRun:
    """A run directory, its configuration, and what its inputs must hold."""

    here: RunDirectory
    config: RunConfig
    digests: Digests

    @classmethod
    def read(cls, directory: Path, digests: Digests | None = None) -> Self:
        """Read the configuration of a run.

        Parameters
        ----------
        directory : run directory
        digests : of the inputs by name, optional
            What raw volumes and labels must hold; by default what the steps of the run were done with.

        Raises
        ------
        ArgumentError
            If the directory is no run.
        """
        here = RunDirectory(directory)
        if not here.config.is_file():
            raise ArgumentError(f"`directory` must be a run with a config.yaml, got {directory}")
        config = load_config(here.config)
        if digests is None:
            digests = recorded_digests(here, ("predict", "evaluate"))
        return cls(here, config, digests)

    @property
    def name(self) -> str:
        """The last part of its path."""
        return self.here.path.resolve().name

    @cached_property
    def task(self) -> Task:
        """What the channels of its network mean."""
        return task_of(self.config)

    # A step begun again for another configuration has lost its mark and still has its old results.

    @cached_property
    def scores(self) -> dict[str, Any]:
        """What `evaluate` wrote; empty before that."""
        return read_scores(self.here) if self.here.has_completed("evaluate") else {}

    @cached_property
    def threshold(self) -> dict[str, Any]:
        """What `segment` wrote of its threshold; empty before that."""
        return read_threshold(self.here) if self.here.has_completed("segment") else {}

    @property
    def segmented(self) -> list[VolumeConfig]:
        """The volumes whose segmentation is there."""
        if not self.here.has_completed("segment"):
            return []
        return [
            volume
            for volume in segmented_volumes(self.config)
            if self.here.segmentation_file(volume.name).is_file()
        ]

    @property
    def config_yaml(self) -> str:
        """The resolved configuration."""
        return dump_config(self.config)

    @property
    def curves(self) -> dict[str, NDArray[np.float64]]:
        """The log of the training, as columns."""
        return read_curves(self.here.metrics)

    @property
    def warmup_steps(self) -> int:
        """The step in which the last term of the loss joins, 0 where all are there from the first."""
        return max(term.from_step for term in self.config.training.terms)

    def scores_of(self, volume: VolumeConfig) -> dict[str, Any]:
        """Return what `evaluate` wrote of a volume; empty where it wrote nothing."""
        found: dict[str, Any] = self.scores.get("volumes", {}).get(volume.name, {})
        return found

    def prediction(self, volume: VolumeConfig) -> str | None:
        """Return the location of the prediction of a volume, None where there is none."""
        file = self.here.prediction_file(volume.name)
        there = self.here.has_completed("predict") and file.is_file()
        return f"{file}:{self.task.dataset}" if there else None

    def image(self, volume: VolumeConfig) -> Image:
        """Read the raw voxels of a volume."""
        return read_image(self.config, volume, self._input)

    def truth(self, volume: VolumeConfig) -> Truth | None:
        """Read the true objects of a volume, None where nothing is known of them."""
        if not volume.has_truth:
            return None
        arrays = read_truth(self.config, volume, self.task, self._input)
        return self.task.truth(arrays, dimensions=self.config.dimensions)

    def _input(self, wanted: Input) -> Volume:
        return wanted.read(self.digests.get(wanted.name))
