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

from objectwise.config.load import dump_config, load_config
from objectwise.config.models import RunConfig
from objectwise.config.volumes import VolumeConfig
from objectwise.curves import read_curves
from objectwise.data import Volume
from objectwise.errors import ArgumentError
from objectwise.metrics import load_tables
from objectwise.pipeline import read_affinities, read_label_stack
from objectwise.report import RunContent, VolumeContent, write_report
from objectwise.tasks import task_of
from objectwise.workflow.inputs import Input
from objectwise.workflow.job import segmented_volumes
from objectwise.workflow.layout import RunDirectory
from objectwise.workflow.results import read_scores, read_threshold, recorded_digests
from objectwise.workflow.volumes import read_image, read_truth

Digests = Mapping[str, str | None]


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
        If a directory is no run.
    ChangedInputError
        If an input holds something else.
    """
    runs = [read_run(Path(directory), digests) for directory in directories]
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


def read_run(directory: Path, digests: Digests | None = None) -> RunContent:
    """Read what the complete steps of a run left so far, as the content of a report; see `write_page`."""
    here = RunDirectory(directory)
    if not here.config.is_file():
        raise ArgumentError(f"`directory` must be a run with a config.yaml, got {directory}")
    config = load_config(here.config)
    # A step begun again for another configuration has lost its mark and still has its old results.
    scores = read_scores(here) if here.has_completed("evaluate") else {}
    chosen = read_threshold(here) if here.has_completed("segment") else {}
    digests = recorded_digests(here, ("predict", "evaluate")) if digests is None else digests
    return RunContent(
        name=directory.resolve().name,
        volumes=[
            _volume(config, here, volume, scores.get("volumes", {}).get(volume.name, {}), digests)
            for volume in segmented_volumes(config)
            if task_of(config).has_tables
            and here.has_completed("segment")
            and here.segmentation_file(volume.name).is_file()
        ],
        config_yaml=dump_config(config),
        curves=read_curves(here.metrics),
        sweep=[
            (row["threshold"], _number(row["adapted_rand_error"]))
            for row in chosen.get("sweep", [])
            if "adapted_rand_error" in row
        ],
        chosen_threshold=chosen.get("threshold"),
        warmup_steps=_warmup_steps(config),
        linked_sections=config.dimensions == 3,
    )


def _volume(
    config: RunConfig,
    here: RunDirectory,
    volume: VolumeConfig,
    scores: Mapping[str, Any],
    digests: Digests,
) -> VolumeContent:
    def read(wanted: Input) -> Volume:
        return wanted.read(digests.get(wanted.name))

    task = task_of(config)
    raw = read_image(config, volume, read)
    truth = None
    if volume.has_truth:
        truth = task.truth(read_truth(config, volume, task, read), dimensions=config.dimensions).ids
    has_tables = truth is not None and here.has_completed("evaluate")
    has_affinities = here.has_completed("predict") and here.prediction_file(volume.name).is_file()
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
        tables=load_tables(here.tables_file(volume.name)) if has_tables else (),
        learnt_from=scores.get("learnt_from", ""),
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


def _warmup_steps(config: RunConfig) -> int:
    """Return the step in which the last term of the loss joins, 0 where all are there from the first."""
    return max(term.from_step for term in config.training.terms)
