"""From a configuration to the steps of its run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from objectwise import __version__
from objectwise.config.models import RunConfig, VolumeConfig
from objectwise.workflow.fingerprint import InputDigests, fingerprint
from objectwise.workflow.layout import (
    RunDirectory,
    predicted_volumes,
    segmented_volumes,
    sweep_volumes,
)
from objectwise.workflow.steps import Step

STEPS = ("train", "predict", "segment", "evaluate", "report")


class Needs(NamedTuple):
    """What a step depends on, reads and writes."""

    parts: dict[str, Any]
    inputs: list[Any]
    outputs: list[Path]


def plan_steps(config: RunConfig, run: RunDirectory, digests: InputDigests) -> tuple[Step, ...]:
    """Return the five steps of a run with everything they depend on.

    Reads the inputs for their digests where `digests` does not remember them, and writes nothing.
    """
    needs = _Needs(config, run, digests)
    steps: list[Step] = []
    for name in STEPS:
        parts, inputs, outputs = getattr(needs, name)()
        upstream = steps[-1].fingerprint if steps else None
        parts = {"version of objectwise": __version__, "step": name, **parts, "step before": upstream}
        places = tuple(map(str, inputs)), tuple(outputs)
        steps.append(Step(name, run.path / name, *places, fingerprint(parts), parts))
    return tuple(steps)


class _Needs:
    """The needs of each step; a method per step, named like it."""

    def __init__(self, config: RunConfig, run: RunDirectory, digests: InputDigests) -> None:
        self.config, self.run, self.digests = config, run, digests
        self.tree = config.tree_of_results()
        self.predicted, self.segmented = predicted_volumes(config), segmented_volumes(config)
        self.swept = sweep_volumes(config)

    def train(self) -> Needs:
        trained, start = self.config.data.train, self.config.training.initial_weights
        parts = {
            "order": [volume.name for volume in trained],
            "raw": self._raw(trained),
            "labels": self._labels(trained),
            "start": self.digests.of_file(start) if start else None,
            "dimensions": self.config.dimensions,
            "offsets": self.config.neighborhood.offsets,
            "seed": self.config.seed,
            "network": self.tree["network"],
            # The starting weights count by their content, which has its own entry.
            "training": self.tree["training"] | {"initial_weights": None},
        }
        inputs = [location for volume in trained for location in (volume.raw, volume.labels)]
        return Needs(parts, [*inputs, *([start] if start else [])], [self.run.network])

    def predict(self) -> Needs:
        return Needs(
            {"raw": self._raw(self.predicted), "prediction": self.tree["prediction"]},
            [self.run.network, *(volume.raw for volume in self.predicted)],
            [self.run.affinities_file(volume.name) for volume in self.predicted],
        )

    def segment(self) -> Needs:
        parts = {
            "labels": self._labels(self.swept),
            "segmentation": self.tree["segmentation"],
            "protocol": self.tree["evaluation"] if self.swept else None,
            "volumes": [volume.name for volume in self.segmented],
        }
        affinities = [self.run.affinities(volume.name) for volume in self.predicted]
        outputs = [self.run.segmentation_file(volume.name) for volume in self.segmented]
        return Needs(
            parts, [*affinities, *(volume.labels for volume in self.swept)], [self.run.threshold, *outputs]
        )

    def evaluate(self) -> Needs:
        scored = [volume for volume in self.segmented if volume.labels is not None]
        parts = {"labels": self._labels(scored), "evaluation": self.tree["evaluation"]}
        inputs = [place for volume in scored for place in (self.run.segmentation(volume.name), volume.labels)]
        return Needs(parts, inputs, [self.run.scores])

    def report(self) -> Needs:
        segmentations = [self.run.segmentation(volume.name) for volume in self.segmented]
        return Needs({"configuration": self.tree}, [self.run.scores, *segmentations], [self.run.report])

    def _raw(self, volumes: Sequence[VolumeConfig]) -> dict[str, str]:
        return {volume.name: self.digests.of_volume(volume.raw, volume.sections) for volume in volumes}

    def _labels(self, volumes: Sequence[VolumeConfig]) -> dict[str, str]:
        return {
            volume.name: self.digests.of_volume(volume.labels, volume.sections, labels=True)
            for volume in volumes
            if volume.labels is not None
        }
