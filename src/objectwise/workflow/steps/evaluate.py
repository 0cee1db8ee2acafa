"""Score every segmented volume that has labels: RUN/evaluate/scores.json."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from objectwise.atomic import write_json
from objectwise.config.volumes import VolumeConfig
from objectwise.metrics import save_tables
from objectwise.metrics.rows import Row, mean_row, plain
from objectwise.pipeline import read_label_stack, read_prediction
from objectwise.tasks import Comparison, Scored
from objectwise.workflow.engine import Needs, Record, Step, StepKind
from objectwise.workflow.job import Job
from objectwise.workflow.preflight import Problems, check_truth_of
from objectwise.workflow.results import read_threshold, recorded_digests
from objectwise.workflow.shared_voxels import Digests, learnt_from, refuse_training_data
from objectwise.workflow.sweeps import best_row, sweep_table, sweep_volume
from objectwise.workflow.truth import inspect_truth, inspected_truth
from objectwise.workflow.volumes import reading_settings


def needs(job: Job, known: Record) -> Needs:
    """Return the truth, and how segmentations are compared with it."""
    settings = {
        "evaluation": job.tree["evaluation"],
        "volumes": [volume.name for volume in job.scored],
        **job.task_settings,
        **reading_settings(job.config, job.scored),
    }
    places = [place for volume in job.scored for place in job.segmentations(volume)]
    if job.config.evaluation.oracle:
        places += map(job.prediction, job.scored)
    return Needs(settings, [one for volume in job.scored for one in job.truth(volume)], places)


def outputs(job: Job) -> Sequence[Path]:
    """Return the scores, and the tables they are made of, which the report reads."""
    tables = [job.directory.tables_file(volume.name) for volume in job.scored] if job.task.has_tables else []
    return [job.directory.scores, *tables]


def check(job: Job, problems: Problems) -> None:
    """Check the labels, and that no volume lies where the run has learnt from it."""
    for volume in job.scored:
        check_truth_of(job, volume, problems)
    refuse_training_data(job, {}, problems)


def inspect(job: Job, step: Step, before: Sequence[Step]) -> None:
    """See that no volume holds what the run has learnt from, wherever that lies."""
    digests = {name: digest for one in before for name, digest in one.digests.items()}
    job.cache[step.name] = _learnt(job, digests)
    inspect_truth(job, step, job.scored)


def _learnt(job: Job, digests: Digests) -> dict[str, str]:
    """Return what the run has learnt from each volume, in words; refuse what it must not have learnt from."""
    problems = Problems()
    refuse_training_data(job, digests, problems)
    problems.refuse()
    return {volume.name: learnt_from(job, volume, digests) for volume in job.scored}


def do(job: Job, step: Step) -> None:
    """Write the scores per volume, and their mean."""
    config = job.config
    learnt = job.cache.pop(step.name, None)
    if learnt is None:  # the step was complete when the run was looked through, and is no longer
        learnt = _learnt(job, recorded_digests(job.directory, ("train", "predict")))
    volumes: dict[str, Any] = {}
    units: list[Row] = []
    for volume in job.scored:
        scored, volumes[volume.name] = _score(job, step, volume)
        volumes[volume.name]["learnt_from"] = learnt[volume.name]
        units += scored.units
    mean = mean_row(units)
    write_json(
        job.directory.scores,
        {
            "task": job.task.name,
            "protocol": config.evaluation.protocol,
            "score": job.score,
            "lower_is_better": [name for name, higher in job.task.scores.items() if not higher],
            "dimensions": config.dimensions,
            "threshold": read_threshold(job.directory)["threshold"],
            "mean": plain(mean) if mean else None,
            "volumes": volumes,
        },
    )


def _score(job: Job, step: Step, volume: VolumeConfig) -> tuple[Scored, dict[str, Any]]:
    """Return the scores of one volume, and what scores.json says of it."""
    truth = job.task.truth(inspected_truth(job, step, volume), dimensions=job.config.dimensions)
    parts = [read_label_stack(place) for place in job.segmentations(volume)]
    segmentation = parts[0].array if len(parts) == 1 else np.stack([part.array for part in parts])
    how = Comparison.of(job.config, parts[0].voxel_size)
    scored = job.task.compare(truth, segmentation, how)
    if job.task.has_tables:
        save_tables(job.directory.tables_file(volume.name), scored.tables)
    sweep = None
    if job.config.evaluation.oracle:
        prediction = read_prediction(job.prediction(volume)).array
        sweep = sweep_volume(job, volume, prediction=prediction, truth=truth, how=how)
    return scored, {
        **scored.content,
        "best": None if sweep is None else best_row(job, sweep),
        "sweep": [] if sweep is None else sweep_table(sweep),
    }


EVALUATE = StepKind("evaluate", 1, needs, outputs, check, do, inspect)
