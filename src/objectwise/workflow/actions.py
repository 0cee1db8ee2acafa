"""What the steps of a run do. Each reads files, calls one room of the library and writes files."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from objectwise.config.models import RunConfig, VolumeConfig
from objectwise.metrics import Scores, mean_scores
from objectwise.pipeline import (
    Sweep,
    merge_sweeps,
    predict_affinities,
    read_affinities,
    read_label_stack,
    read_raw_stack,
    score_stack,
    sweep_thresholds,
    write_affinities,
)
from objectwise.workflow.atomic import read_json, write_json
from objectwise.workflow.layout import RunDirectory, predicted_volumes, segmented_volumes, sweep_volumes
from objectwise.workflow.preflight import window_shape
from objectwise.workflow.reporter import Reporter
from objectwise.workflow.steps import Action, Step
from objectwise.workflow.training_step import train_run


def actions_of(config: RunConfig, run: RunDirectory, reporter: Reporter) -> dict[str, Action]:
    """Return what each step of `plan_steps` does."""
    return {
        "train": partial(train_step, config, run, reporter),
        "predict": partial(predict_step, config, run, reporter),
        "segment": partial(segment_step, config, run, reporter),
        "evaluate": partial(evaluate_step, config, run, reporter),
        "report": partial(report_step, config, run, reporter),
    }


def train_step(config: RunConfig, run: RunDirectory, reporter: Reporter, step: Step) -> None:
    """Train; a folder that holds a checkpoint is continued."""
    train_run(config, run, step.fingerprint)


def predict_step(config: RunConfig, run: RunDirectory, reporter: Reporter, step: Step) -> None:
    """Write the affinities of every volume that is segmented or that the threshold is chosen on.

    Those that a killed run left are kept.
    """
    from objectwise.networks import load_network

    network = load_network(run.network)
    for volume in predicted_volumes(config):
        if run.affinities_file(volume.name).is_file():
            # Of this fingerprint, or `Step.begin` had cleared it, and whole, because it appears whole.
            reporter.message(f"predict {volume.name}: there already")
            continue
        raw = read_raw_stack(volume.raw, volume.sections)
        affinities = predict_affinities(
            network,
            raw.array,
            window_shape=window_shape(config),
            overlap=config.prediction.overlap,
            batch_size=config.prediction.batch_size,
            accelerator=config.training.accelerator,
            progress=partial(reporter.progress, f"predict {volume.name}"),
        )
        write_affinities(
            run.affinities(volume.name),
            affinities,
            config.neighborhood.embedded().array,
            voxel_size=raw.voxel_size,
            offset=raw.offset,
            overwrite=True,
        )


def segment_step(config: RunConfig, run: RunDirectory, reporter: Reporter, step: Step) -> None:
    """Choose the threshold where it is open, and write the segmentations and the choice."""
    import numpy as np

    from objectwise.data import write_volume
    from objectwise.segmentation import segment

    sweep = _sweep(config, run, sweep_volumes(config), reporter)
    threshold = config.segmentation.threshold if sweep is None else sweep.best()
    assert threshold != "auto"
    for volume in segmented_volumes(config):
        predicted = read_affinities(run.affinities(volume.name))
        labels = segment(
            predicted.array,
            config.neighborhood.embedded(),
            method=config.segmentation.method,
            threshold=threshold,
            minimum_size=config.segmentation.minimum_size,
            fragment_threshold=config.segmentation.fragment_threshold,
        )
        write_volume(
            run.segmentation(volume.name),
            labels.astype(np.uint64),
            voxel_size=predicted.voxel_size,
            offset=predicted.offset,
            overwrite=True,
        )
    write_json(
        run.threshold,
        {
            "threshold": threshold,
            "chosen_on": [volume.name for volume in sweep_volumes(config)],
            "sweep": [] if sweep is None else sweep_table(sweep),
        },
    )
    chosen = "as configured" if sweep is None else "least adapted Rand error on the volumes to tune on"
    reporter.message(f"segment: threshold {threshold:g} ({chosen})")


def evaluate_step(config: RunConfig, run: RunDirectory, reporter: Reporter, step: Step) -> None:
    """Write the scores of every segmented volume that has labels."""
    volumes: dict[str, Any] = {}
    units: list[Scores] = []
    for volume in segmented_volumes(config):
        if volume.labels is None:
            continue
        truth = read_label_stack(volume.labels, volume.sections).array
        segmentation = read_label_stack(run.segmentation(volume.name)).array
        scores = score_stack(
            truth=truth,
            segmentation=segmentation,
            dimensions=config.dimensions,
            protocol=config.evaluation.protocol,
        )
        sweep = _sweep(config, run, [volume], reporter) if sweep_volumes(config) else None
        volumes[volume.name] = {
            "scores": scores.overall._asdict(),
            "sections": [section._asdict() for section in scores.sections],
            "best": None if sweep is None else _best(sweep),
            "sweep": [] if sweep is None else sweep_table(sweep),
        }
        units += scores.sections if config.dimensions == 2 else [scores.overall]
    write_json(
        run.scores,
        {
            "protocol": config.evaluation.protocol,
            "dimensions": config.dimensions,
            "threshold": (read_json(run.threshold) or {}).get("threshold"),
            "mean": mean_scores(units)._asdict() if units else None,
            "volumes": volumes,
        },
    )


def report_step(config: RunConfig, run: RunDirectory, reporter: Reporter, step: Step) -> None:
    """Write the page of this one run."""
    from objectwise.workflow.pages import write_page

    write_page([run.path], run.report)


def sweep_table(sweep: Sweep) -> list[dict[str, float]]:
    """Return the mean scores at every threshold as plain data."""
    return [
        {"threshold": threshold, **scores._asdict()}
        for threshold, scores in zip(sweep.thresholds, sweep.means(), strict=True)
    ]


def _best(sweep: Sweep) -> dict[str, float]:
    threshold = sweep.best()
    return next(row for row in sweep_table(sweep) if row["threshold"] == threshold)


def _sweep(
    config: RunConfig, run: RunDirectory, volumes: Sequence[VolumeConfig], reporter: Reporter
) -> Sweep | None:
    sweeps = []
    for volume in volumes:
        assert volume.labels is not None
        sweeps.append(
            sweep_thresholds(
                affinities=read_affinities(run.affinities(volume.name)).array,
                truth=read_label_stack(volume.labels, volume.sections).array,
                offsets=config.neighborhood.embedded(),
                dimensions=config.dimensions,
                candidates=config.segmentation.candidates,
                method=config.segmentation.method,
                minimum_size=config.segmentation.minimum_size,
                fragment_threshold=config.segmentation.fragment_threshold,
                protocol=config.evaluation.protocol,
                progress=partial(reporter.progress, f"thresholds on {volume.name}"),
            )
        )
    return merge_sweeps(sweeps) if sweeps else None
