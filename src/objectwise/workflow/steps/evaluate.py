"""Score every segmented volume that has labels: RUN/evaluate/scores.json."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from objectwise.atomic import read_json, write_json
from objectwise.metrics import Scores, mean_scores
from objectwise.pipeline import read_label_stack, score_stack
from objectwise.workflow.engine import Needs, Record, Step, StepKind
from objectwise.workflow.job import Job
from objectwise.workflow.preflight import Problems, check_labels_of
from objectwise.workflow.sweeps import best_row, sweep_table, sweep_volume


def needs(job: Job, known: Record) -> Needs:
    """Return the labels, and how they are compared."""
    settings = {"evaluation": job.tree["evaluation"], "volumes": [volume.name for volume in job.scored]}
    segmentations = [job.directory.segmentation(volume.name) for volume in job.scored]
    return Needs(settings, list(map(job.labels, job.scored)), segmentations)


def outputs(job: Job) -> Sequence[Path]:
    """Return the scores."""
    return [job.directory.scores]


def check(job: Job, problems: Problems) -> None:
    """Check the labels."""
    for volume in job.scored:
        check_labels_of(job, volume, problems)


def do(job: Job, step: Step) -> None:
    """Write the scores per volume and per section, and their mean."""
    config = job.config
    volumes: dict[str, Any] = {}
    units: list[Scores] = []
    for volume in job.scored:
        scores = score_stack(
            truth=step.read(job.labels(volume)).array,
            segmentation=read_label_stack(job.directory.segmentation(volume.name)).array,
            dimensions=config.dimensions,
            protocol=config.evaluation.protocol,
        )
        sweep = sweep_volume(job, step, volume) if job.swept else None
        volumes[volume.name] = {
            "scores": scores.overall._asdict(),
            "sections": [section._asdict() for section in scores.sections],
            "best": None if sweep is None else best_row(sweep),
            "sweep": [] if sweep is None else sweep_table(sweep),
        }
        units += scores.sections if config.dimensions == 2 else [scores.overall]
    write_json(
        job.directory.scores,
        {
            "protocol": config.evaluation.protocol,
            "dimensions": config.dimensions,
            "threshold": (read_json(job.directory.threshold) or {}).get("threshold"),
            "mean": mean_scores(units)._asdict() if units else None,
            "volumes": volumes,
        },
    )


EVALUATE = StepKind("evaluate", 1, needs, outputs, check, do)
