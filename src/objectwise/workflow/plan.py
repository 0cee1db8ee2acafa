"""From a configuration to the steps of its run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

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

SPEED_KEYS = (
    "training.accelerator",
    "training.threads",
    "training.workers",
    "prediction.batch_size",
)
"""Keys that say how a run is done and not what it computes: they may differ when it is resumed."""


def configuration_tree(config: RunConfig) -> dict[str, Any]:
    """Return the configuration as plain data, without the keys that change only the speed."""
    tree: dict[str, Any] = config.model_dump(mode="json")
    for key in SPEED_KEYS:
        section, name = key.split(".")
        del tree[section][name]
    return tree


def plan_steps(config: RunConfig, run: RunDirectory, digests: InputDigests) -> tuple[Step, ...]:
    """Return the five steps of a run with everything they depend on.

    Reads the inputs for their digests where `digests` does not remember them, and writes nothing.
    """
    tree = configuration_tree(config)
    train_tree = tree["training"] | {"initial_weights": None}
    start = config.training.initial_weights
    prints: dict[str, str] = {}

    def step(name: str, parts: Any, inputs: Sequence[Any], outputs: Sequence[Any]) -> Step:
        upstream = prints[STEPS[STEPS.index(name) - 1]] if prints else None
        prints[name] = fingerprint({"step": name, "parts": parts, "upstream": upstream})
        return Step(name, run.path / name, tuple(str(item) for item in inputs), tuple(outputs), prints[name])

    def raw(volumes: Sequence[VolumeConfig]) -> dict[str, str]:
        return {volume.name: digests.of_volume(volume.raw, volume.sections) for volume in volumes}

    def labels(volumes: Sequence[VolumeConfig]) -> dict[str, str]:
        return {
            volume.name: digests.of_volume(volume.labels, volume.sections)
            for volume in volumes
            if volume.labels is not None
        }

    trained, predicted = config.data.train, predicted_volumes(config)
    segmented, swept = segmented_volumes(config), sweep_volumes(config)
    scored = [volume for volume in segmented if volume.labels is not None]
    return (
        step(
            "train",
            {
                "order": [volume.name for volume in trained],
                "raw": raw(trained),
                "labels": labels(trained),
                "start": digests.of_file(start) if start else None,
                "dimensions": config.dimensions,
                "offsets": config.neighborhood.offsets,
                "seed": config.seed,
                "network": tree["network"],
                "training": train_tree,
            },
            [*_locations(trained, labels=True), *([start] if start else [])],
            [run.network],
        ),
        step(
            "predict",
            {"raw": raw(predicted), "prediction": tree["prediction"]},
            [run.network, *_locations(predicted)],
            [run.affinities_file(volume.name) for volume in predicted],
        ),
        step(
            "segment",
            {
                "labels": labels(swept),
                "segmentation": tree["segmentation"],
                "protocol": tree["evaluation"] if swept else None,
                "volumes": [volume.name for volume in segmented],
            },
            [
                *(run.affinities(volume.name) for volume in predicted),
                *(volume.labels for volume in swept),
            ],
            [run.threshold, *(run.segmentation_file(volume.name) for volume in segmented)],
        ),
        step(
            "evaluate",
            {"labels": labels(scored), "evaluation": tree["evaluation"]},
            [item for volume in scored for item in (run.segmentation(volume.name), volume.labels)],
            [run.scores],
        ),
        step(
            "report",
            {"configuration": tree},
            [run.scores, *(run.segmentation(volume.name) for volume in segmented)],
            [run.report],
        ),
    )


def _locations(volumes: Sequence[VolumeConfig], *, labels: bool = False) -> list[str]:
    found = []
    for volume in volumes:
        found.append(volume.raw)
        if labels and volume.labels is not None:
            found.append(volume.labels)
    return found
