"""Choose the threshold where it is open, and turn affinities into objects."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from objectwise.atomic import write_json
from objectwise.pipeline import merge_sweeps, read_affinities
from objectwise.pipeline.affinity_files import AffinityVolume
from objectwise.workflow.engine import Needs, Record, Step, StepKind
from objectwise.workflow.job import Job
from objectwise.workflow.preflight import Problems, check_labels_of
from objectwise.workflow.sweeps import sweep_table, sweep_volume


def needs(job: Job, known: Record) -> Needs:
    """Return how objects are made, and the labels that the threshold is chosen on."""
    settings = {
        "segmentation": job.tree["segmentation"],
        "evaluation": {"protocol": job.config.evaluation.protocol if job.swept else None},
        "volumes": [volume.name for volume in job.segmented],
        "chosen on": [volume.name for volume in job.swept],
    }
    affinities = [job.directory.affinities(volume.name) for volume in job.predicted]
    return Needs(settings, list(map(job.labels, job.swept)), affinities)


def outputs(job: Job) -> Sequence[Path]:
    """Return the choice of the threshold, and a file a volume."""
    files = [job.directory.segmentation_file(volume.name) for volume in job.segmented]
    return [job.directory.threshold, *files]


def check(job: Job, problems: Problems) -> None:
    """Check the labels that the threshold is chosen on."""
    for volume in job.swept:
        check_labels_of(job, volume, problems)


def do(job: Job, step: Step) -> None:
    """Write the segmentations and the threshold."""
    import numpy as np

    from objectwise.data import write_volume
    from objectwise.segmentation import segment

    settings = job.config.segmentation
    # As the training held its volumes: those that are segmented too are read once.
    held: dict[str, AffinityVolume] = {}
    sweeps = []
    for volume in job.swept:
        predicted = read_affinities(job.directory.affinities(volume.name))
        truth = step.read(job.labels(volume)).array
        sweeps.append(sweep_volume(job, volume, affinities=predicted.array, truth=truth))
        if volume in job.segmented:
            held[volume.name] = predicted
    sweep = merge_sweeps(sweeps) if sweeps else None
    threshold = settings.threshold if sweep is None else sweep.best()
    assert threshold != "auto"
    for volume in job.segmented:
        predicted = (
            held.pop(volume.name)
            if volume.name in held
            else read_affinities(job.directory.affinities(volume.name))
        )
        labels = segment(
            predicted.array,
            job.config.neighborhood.embedded(),
            method=settings.method,
            threshold=threshold,
            minimum_size=settings.minimum_size,
            fragment_threshold=settings.fragment_threshold,
        )
        write_volume(
            job.directory.segmentation(volume.name),
            labels.astype(np.uint64),
            voxel_size=predicted.voxel_size,
            offset=predicted.offset,
            overwrite=True,
        )
    write_json(
        job.directory.threshold,
        {
            "threshold": threshold,
            "chosen_on": [volume.name for volume in job.swept],
            "sweep": [] if sweep is None else sweep_table(sweep),
        },
    )
    chosen = "as configured" if sweep is None else "least adapted Rand error on the volumes to tune on"
    job.reporter.message(f"segment: threshold {threshold:g} ({chosen})")


SEGMENT = StepKind("segment", 1, needs, outputs, check, do)
