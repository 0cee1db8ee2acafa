"""Score every segmented volume that has labels: RUN/evaluate/scores.json."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from objectwise.atomic import write_json
from objectwise.config.volumes import VolumeConfig
from objectwise.metrics import Scores, mean_scores, save_tables, section_tables
from objectwise.pipeline import StackScores, read_affinities, read_label_stack, score_tables
from objectwise.workflow.engine import Needs, Record, Step, StepKind
from objectwise.workflow.job import Job
from objectwise.workflow.preflight import Problems, check_labels_of
from objectwise.workflow.results import read_threshold, recorded_digests
from objectwise.workflow.shared_voxels import Digests, learnt_from, refuse_training_data
from objectwise.workflow.sweeps import best_row, sweep_table, sweep_volume


def needs(job: Job, known: Record) -> Needs:
    """Return the labels, and how they are compared."""
    settings = {"evaluation": job.tree["evaluation"], "volumes": [volume.name for volume in job.scored]}
    places = [
        job.directory.segmentation,
        *([job.directory.affinities] if job.config.evaluation.oracle else []),
    ]
    upstream = [place(volume.name) for volume in job.scored for place in places]
    return Needs(settings, list(map(job.labels, job.scored)), upstream)


def outputs(job: Job) -> Sequence[Path]:
    """Return the scores, and the tables they are made of, which the report reads."""
    return [job.directory.scores, *(job.directory.tables_file(volume.name) for volume in job.scored)]


def check(job: Job, problems: Problems) -> None:
    """Check the labels, and that no volume lies where the run has learnt from it."""
    for volume in job.scored:
        check_labels_of(job, volume, problems)
    refuse_training_data(job, {}, problems)


def inspect(job: Job, step: Step, before: Sequence[Step]) -> None:
    """See that no volume holds what the run has learnt from, wherever that lies."""
    digests = {name: digest for one in before for name, digest in one.digests.items()}
    job.cache[step.name] = _learnt(job, digests)


def _learnt(job: Job, digests: Digests) -> dict[str, str]:
    """Return what the run has learnt from each volume, in words; refuse what it must not have learnt from."""
    problems = Problems()
    refuse_training_data(job, digests, problems)
    problems.refuse()
    return {volume.name: learnt_from(job, volume, digests) for volume in job.scored}


def do(job: Job, step: Step) -> None:
    """Write the scores per volume and per section, and their mean."""
    config = job.config
    learnt = job.cache.pop(step.name, None)
    if learnt is None:  # the step was complete when the run was looked through, and is no longer
        learnt = _learnt(job, recorded_digests(job.directory, ("train", "predict")))
    volumes: dict[str, Any] = {}
    units: list[Scores] = []
    for volume in job.scored:
        scores, volumes[volume.name] = _score(job, step, volume)
        volumes[volume.name]["learnt_from"] = learnt[volume.name]
        units += scores.sections if config.dimensions == 2 else [scores.overall]
    write_json(
        job.directory.scores,
        {
            "protocol": config.evaluation.protocol,
            "dimensions": config.dimensions,
            "threshold": read_threshold(job.directory)["threshold"],
            "mean": mean_scores(units)._asdict() if units else None,
            "volumes": volumes,
        },
    )


def _score(job: Job, step: Step, volume: VolumeConfig) -> tuple[StackScores, dict[str, Any]]:
    """Return the scores of one volume, and what scores.json says of it; each voxel is counted once."""
    config, truth = job.config, step.read(job.labels(volume)).array
    segmentation = read_label_stack(job.directory.segmentation(volume.name)).array
    tables = section_tables(truth=truth, segmentation=segmentation, protocol=config.evaluation.protocol)
    save_tables(job.directory.tables_file(volume.name), tables)
    scores = score_tables(tables, dimensions=config.dimensions, protocol=config.evaluation.protocol)
    sweep = None
    if config.evaluation.oracle:
        affinities = read_affinities(job.directory.affinities(volume.name)).array
        sweep = sweep_volume(job, volume, affinities=affinities, truth=truth)
    return scores, {
        "scores": scores.overall._asdict(),
        "sections": [section._asdict() for section in scores.sections],
        "best": None if sweep is None else best_row(sweep),
        "sweep": [] if sweep is None else sweep_table(sweep),
    }


EVALUATE = StepKind("evaluate", 1, needs, outputs, check, do, inspect)
