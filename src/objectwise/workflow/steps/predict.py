"""Predict every volume that is segmented or that the threshold is chosen on."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from objectwise.pipeline import write_prediction
from objectwise.workflow.engine import Needs, Record, Step, StepKind
from objectwise.workflow.job import Job
from objectwise.workflow.memory import check_prediction_memory
from objectwise.workflow.predicting import predict_volume
from objectwise.workflow.preflight import Problems, check_accelerator, check_network_shape, check_raw_of
from objectwise.workflow.volumes import read_image, reading_settings
from objectwise.workflow.voxel_sizes import check_voxel_sizes


def needs(job: Job, known: Record) -> Needs:
    """Return the raw voxels, and how windows are laid over them.

    Which volumes there are is no setting: each is predicted for itself, and done is done.
    """
    settings = {
        "prediction": job.tree["prediction"],
        **job.task_settings,
        **reading_settings(job.config, job.predicted),
    }
    inputs = [one for volume in job.predicted for one in job.raw(volume)]
    return Needs(settings, inputs, [job.network])


def outputs(job: Job) -> Sequence[Path]:
    """Return a file a volume."""
    return [job.directory.prediction_file(volume.name) for volume in job.predicted]


def check(job: Job, problems: Problems) -> None:
    """Check raw volumes, window and machine."""
    for volume in job.predicted:
        check_raw_of(job, volume, problems)
    check_voxel_sizes(
        job, (volume for volume in job.predicted if volume not in job.config.data.train), problems
    )
    with problems.at("network"):
        check_network_shape(job.config, job.window_shape, name="prediction.window_shape")
    check_accelerator(job.config, problems)
    check_prediction_memory(job, job.predicted, problems)


def do(job: Job, step: Step) -> None:
    """Write the prediction of every volume; those that a killed run left are kept."""
    from objectwise.networks import load_network

    network = load_network(job.network, python=job.config.network.python)
    for volume in job.predicted:
        if job.directory.prediction_file(volume.name).is_file():
            # Of this fingerprint, or `Step.begin` had cleared it, and whole, because it appears whole.
            job.reporter.message(f"predict {volume.name}: there already")
            continue
        raw = read_image(job.config, volume, step.read)
        progress = partial(job.reporter.progress, f"predict {volume.name}")
        prediction = predict_volume(job, network, volume, raw, progress=progress)
        write_prediction(
            job.prediction(volume),
            prediction,
            job.task.attributes,
            voxel_size=raw.voxel_size,
            offset=raw.offset,
            overwrite=True,
        )


PREDICT = StepKind("predict", 1, needs, outputs, check, do)
