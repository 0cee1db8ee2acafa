"""Choose the threshold where it is open, and turn predictions into objects."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from objectwise.atomic import write_json
from objectwise.config.volumes import VolumeConfig
from objectwise.pipeline import Prediction, Sweep, merge_sweeps, read_prediction
from objectwise.tasks import Comparison
from objectwise.workflow.engine import Needs, Record, Step, StepKind
from objectwise.workflow.job import WITHOUT_THRESHOLD, Job
from objectwise.workflow.preflight import Problems, check_truth_of
from objectwise.workflow.sweeps import best_threshold, sweep_table, sweep_volume
from objectwise.workflow.truth import inspect_truth, inspected_truth
from objectwise.workflow.volumes import reading_settings


def needs(job: Job, known: Record) -> Needs:
    """Return how objects are made, and the truth that the threshold is chosen on."""
    rules = job.tree["evaluation"] if job.swept else {}
    settings = {
        "segmentation": job.tree["segmentation"],
        "evaluation": {
            "protocol": job.config.evaluation.protocol if job.swept else None,
            **{name: rules[name] for name in ("score", "tolerance") if name in rules},
        },
        "volumes": [volume.name for volume in job.segmented],
        "chosen on": [volume.name for volume in job.swept],
        **job.task_settings,
        **reading_settings(job.config, job.swept),
    }
    inputs = [one for volume in job.swept for one in job.truth(volume)]
    return Needs(settings, inputs, list(map(job.prediction, job.predicted)))


def outputs(job: Job) -> Sequence[Path]:
    """Return the choice of the threshold, and a file a volume."""
    files = [job.directory.segmentation_file(volume.name) for volume in job.segmented]
    return [job.directory.threshold, *files]


def check(job: Job, problems: Problems) -> None:
    """Check the truth that the threshold is chosen on."""
    for volume in job.swept:
        check_truth_of(job, volume, problems)


def inspect(job: Job, step: Step, before: Sequence[Step]) -> None:
    """See that the truth is one of the task."""
    inspect_truth(job, step, job.swept)


def do(job: Job, step: Step) -> None:
    """Write the segmentations and the threshold."""
    # As the training held its volumes: those that are segmented too are read once.
    held: dict[str, Prediction] = {}
    sweeps = []
    for volume in job.swept:
        predicted = read_prediction(job.prediction(volume))
        truth = job.task.truth(inspected_truth(job, step, volume), dimensions=job.config.dimensions)
        how = Comparison.of(job.config, predicted.voxel_size)
        sweeps.append(sweep_volume(job, volume, prediction=predicted.array, truth=truth, how=how))
        if volume in job.segmented:
            held[volume.name] = predicted
    sweep = merge_sweeps(sweeps) if sweeps else None
    threshold = _threshold(job, sweep)
    for volume in job.segmented:
        _segment(job, volume, held.pop(volume.name, None), threshold)
    write_json(
        job.directory.threshold,
        {
            "threshold": threshold,
            "chosen_on": [volume.name for volume in job.swept],
            "sweep": [] if sweep is None else sweep_table(sweep),
        },
    )
    if threshold is None:
        job.reporter.message(f"segment: {job.config.segmentation.method}, without a threshold")
        return
    sign = "highest" if job.higher_is_better else "least"
    score = job.score.replace("_", " ")
    chosen = "as configured" if sweep is None else f"{sign} {score} on the volumes to tune on"
    job.reporter.message(f"segment: threshold {threshold:g} ({chosen})")


def _threshold(job: Job, sweep: Sweep | None) -> float | None:
    if sweep is not None:
        return best_threshold(job, sweep)
    threshold = job.config.segmentation.threshold
    return None if threshold == "auto" else threshold


def _segment(job: Job, volume: VolumeConfig, predicted: Prediction | None, threshold: float | None) -> None:
    """Write the objects of one volume, each channel as a data set."""
    import numpy as np

    from objectwise.data import write_volume

    found = predicted or read_prediction(job.prediction(volume))
    segment_at = job.task.segmenter(found.array, job.config.segmentation, dimensions=job.config.dimensions)
    objects: Any = segment_at(WITHOUT_THRESHOLD if threshold is None else threshold)
    for place, ids in zip(
        job.segmentations(volume), objects if objects.ndim == 4 else [objects], strict=True
    ):
        write_volume(
            place, ids.astype(np.uint64), voxel_size=found.voxel_size, offset=found.offset, overwrite=True
        )


SEGMENT = StepKind("segment", 1, needs, outputs, check, do, inspect)
