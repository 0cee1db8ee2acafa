"""From run directories to one page."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectwise.config.volumes import VolumeConfig
from objectwise.errors import ArgumentError
from objectwise.metrics import load_tables
from objectwise.pipeline import read_affinities, read_label_stack, read_prediction
from objectwise.report import (
    MaskRun,
    MaskVolume,
    RunContent,
    VolumeContent,
    write_mask_report,
    write_report,
)
from objectwise.tasks import Task
from objectwise.workflow.finished import Digests, FinishedRun


def write_page(
    directories: Sequence[str | Path],
    output: str | Path,
    *,
    title: str | None = None,
    digests: Digests | None = None,
) -> Path:
    """Write one report on one or several runs.

    Parameters
    ----------
    directories : run directories
        Volumes of one name are compared between them. What a run has not done yet is left out.
    output : path of the HTML file; replaced if it exists
    title : str, optional
    digests : of the inputs by name, optional
        What raw volumes and labels must hold; by default what the steps of each run were done with.

    Raises
    ------
    ArgumentError
        If a directory is no run, or the runs are of different tasks.
    ChangedInputError
        If an input holds something else.
    """
    runs = [read_run(Path(directory), digests) for directory in directories]
    names = run_names(directories)
    title = title or " and ".join(names)
    affinities = [
        replace(run, name=name) for run, name in zip(runs, names, strict=True) if isinstance(run, RunContent)
    ]
    masks = [
        replace(run, name=name) for run, name in zip(runs, names, strict=True) if isinstance(run, MaskRun)
    ]
    if affinities and masks:
        raise ArgumentError(
            f"`directories` must be runs of one task to be compared, got affinities in {affinities[0].name} "
            f"and another one in {masks[0].name}"
        )
    Path(output).parent.mkdir(parents=True, exist_ok=True)
    if masks:
        return write_mask_report(output, masks, title=title)
    return write_report(output, affinities, title=title)


def run_names(directories: Sequence[str | Path]) -> list[str]:
    """Return the shortest ends of the paths that tell the runs apart."""
    paths = [Path(directory).resolve() for directory in directories]
    for depth in range(1, max((len(path.parts) for path in paths), default=1) + 1):
        names = ["/".join(path.parts[-depth:]) for path in paths]
        if len(set(names)) == len(names):
            return names
    raise ArgumentError(f"`directories` must differ, got {paths[0]} twice")


def read_run(directory: Path, digests: Digests | None = None) -> RunContent | MaskRun:
    """Read what the complete steps of a run left so far, as the content of a report; see `write_page`."""
    found = FinishedRun.read(directory, digests)
    return affinity_run(found) if found.task.has_tables else mask_run(found)


def affinity_run(found: FinishedRun) -> RunContent:
    """Return what is shown of a run with affinities."""
    return RunContent(
        name=found.name,
        volumes=[_affinity_volume(found, volume) for volume in found.segmented],
        config_yaml=found.config_yaml,
        curves=found.curves,
        sweep=[
            (row["threshold"], _number(row["adapted_rand_error"]))
            for row in found.threshold.get("sweep", [])
            if "adapted_rand_error" in row
        ],
        chosen_threshold=found.threshold.get("threshold"),
        warmup_steps=found.warmup_steps,
        linked_sections=found.config.dimensions == 3,
    )


def mask_run(found: FinishedRun) -> MaskRun:
    """Return what is shown of a run with masks, or with anyone's own task."""
    config, task = found.config, found.task
    return MaskRun(
        name=found.name,
        classes=task.object_channels,
        volumes=[_mask_volume(found, volume) for volume in found.segmented],
        channels=task.channels if _has_probabilities(task) else (),
        dimensions=config.dimensions,
        score=config.evaluation.score or task.default_score,
        lower_is_better=[name for name, higher in task.scores.items() if not higher],
        tolerance=config.evaluation.tolerance,
        sweep=found.threshold.get("sweep", []),
        chosen_threshold=found.threshold.get("threshold"),
        config_yaml=found.config_yaml,
        curves=found.curves,
        warmup_steps=found.warmup_steps,
    )


def _affinity_volume(found: FinishedRun, volume: VolumeConfig) -> VolumeContent:
    raw, truth, place = found.image(volume), found.truth(volume), found.prediction(volume)
    has_tables = truth is not None and found.here.has_completed("evaluate")
    scores = found.scores_of(volume)
    z, y, x = raw.voxel_size
    return VolumeContent(
        name=volume.name,
        raw=raw.array if raw.array.ndim == 3 else raw.array[0],
        segmentation=read_label_stack(found.here.segmentation(volume.name)).array,
        truth=None if truth is None else truth.ids,
        affinities=None if place is None else partial(_affinity_section, place),
        offsets=found.config.neighborhood.embedded().array,
        voxel_size=(z, y, x),
        scores=_numbers(scores.get("scores", {})),
        tables=load_tables(found.here.tables_file(volume.name)) if has_tables else (),
        learnt_from=scores.get("learnt_from", ""),
        section_scores=[_numbers(section) for section in scores.get("sections", [])],
    )


def _mask_volume(found: FinishedRun, volume: VolumeConfig) -> MaskVolume:
    raw, truth, place = found.image(volume), found.truth(volume), found.prediction(volume)
    places = found.here.segmentations(volume.name, found.task.object_channels)
    parts = [read_label_stack(one).array for one in places]
    ignore = None if truth is None or truth.ignore is None else truth.ignore != 0
    if not _has_probabilities(found.task):
        place = None
    scores = found.scores_of(volume)
    z, y, x = raw.voxel_size
    return MaskVolume(
        name=volume.name,
        raw=raw.array,
        segmentation=parts[0] if len(parts) == 1 else np.stack(parts),
        truth=None if truth is None else truth.ids,
        ignore=ignore,
        probabilities=None if place is None else partial(_section, place),
        voxel_size=(z, y, x),
        scores=scores.get("scores", {}),
        class_scores=scores.get("classes", {}),
        learnt_from=scores.get("learnt_from", ""),
    )


def _has_probabilities(task: Task) -> bool:
    """Tell whether what has objects has a channel of its own; of anyone's own task it need not."""
    return set(task.object_channels) <= set(task.channels)


def _affinity_section(location: str, z: int) -> NDArray[np.float32]:
    return read_affinities(location, section=z).array[:, 0]


def _section(location: str, z: int) -> NDArray[Any]:
    return read_prediction(location, section=z).array[:, 0]


def _numbers(scores: Mapping[str, float | None]) -> dict[str, float]:
    return {name: _number(value) for name, value in scores.items()}


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)
