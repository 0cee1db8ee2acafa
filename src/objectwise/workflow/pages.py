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

from objectwise.atomic import read_json
from objectwise.config.load import dump_config, load_config
from objectwise.config.models import RunConfig, VolumeConfig
from objectwise.errors import ArgumentError
from objectwise.pipeline import read_affinities, read_label_stack, read_raw_stack
from objectwise.report import RunContent, VolumeContent, read_curves, write_report
from objectwise.workflow.job import segmented_volumes
from objectwise.workflow.layout import RunDirectory


def write_page(directories: Sequence[str | Path], output: str | Path, *, title: str | None = None) -> Path:
    """Write one report on one or several runs.

    Parameters
    ----------
    directories : run directories
        Volumes of one name are compared between them. What a run has not done yet is left out.
    output : path of the HTML file; replaced if it exists
    title : str, optional

    Raises
    ------
    ArgumentError
        If a directory is no run.
    """
    runs = [read_run(Path(directory)) for directory in directories]
    runs = [_renamed(run, name) for run, name in zip(runs, run_names(directories), strict=True)]
    Path(output).parent.mkdir(parents=True, exist_ok=True)
    return write_report(output, runs, title=title or " and ".join(run.name for run in runs))


def run_names(directories: Sequence[str | Path]) -> list[str]:
    """Return the shortest ends of the paths that tell the runs apart."""
    paths = [Path(directory).resolve() for directory in directories]
    for depth in range(1, max((len(path.parts) for path in paths), default=1) + 1):
        names = ["/".join(path.parts[-depth:]) for path in paths]
        if len(set(names)) == len(names):
            return names
    raise ArgumentError(f"`directories` must differ, got {paths[0]} twice")


def read_run(directory: Path) -> RunContent:
    """Read what the complete steps of a run left so far, as the content of a report."""
    here = RunDirectory(directory)
    if not here.config.is_file():
        raise ArgumentError(f"`directory` must be a run with a config.yaml, got {directory}")
    config = load_config(here.config)
    # A step begun again for another configuration has lost its mark and still has its old results.
    scores = (read_json(here.scores) if here.has_completed("evaluate") else None) or {}
    chosen = (read_json(here.threshold) if here.has_completed("segment") else None) or {}
    metrics = here.train / "metrics.csv"
    return RunContent(
        name=directory.resolve().name,
        volumes=[
            _volume(config, here, volume, scores.get("volumes", {}).get(volume.name, {}))
            for volume in segmented_volumes(config)
            if here.has_completed("segment") and here.segmentation_file(volume.name).is_file()
        ],
        config_yaml=dump_config(config),
        curves=read_curves(metrics) if metrics.is_file() else {},
        sweep=[(row["threshold"], _number(row["adapted_rand_error"])) for row in chosen.get("sweep", [])],
        chosen_threshold=chosen.get("threshold"),
        warmup_steps=config.training.loss.warmup_steps,
        linked_sections=config.dimensions == 3,
    )


def _volume(
    config: RunConfig, here: RunDirectory, volume: VolumeConfig, scores: Mapping[str, Any]
) -> VolumeContent:
    raw = read_raw_stack(volume.raw, volume.sections)
    truth = None
    if volume.labels is not None:
        truth = read_label_stack(volume.labels, volume.sections).array
    has_affinities = here.has_completed("predict") and here.affinities_file(volume.name).is_file()
    size = raw.voxel_size
    return VolumeContent(
        name=volume.name,
        raw=raw.array,
        segmentation=read_label_stack(here.segmentation(volume.name)).array,
        truth=truth,
        affinities=partial(_affinity_section, here.affinities(volume.name)) if has_affinities else None,
        offsets=config.neighborhood.embedded().array,
        voxel_size=(size[0], size[1], size[2]),
        scores=_numbers(scores.get("scores", {})),
        section_scores=[_numbers(section) for section in scores.get("sections", [])],
    )


def _affinity_section(location: str, z: int) -> NDArray[np.float32]:
    return read_affinities(location, section=z).array[:, 0]


def _numbers(scores: Mapping[str, float | None]) -> dict[str, float]:
    return {name: _number(value) for name, value in scores.items()}


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _renamed(run: RunContent, name: str) -> RunContent:
    return replace(run, name=name)
