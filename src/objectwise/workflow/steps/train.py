"""Train the network: RUN/train/network.pt, and the best one on the way, RUN/train/best.pt."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from objectwise.config.models import RunConfig
from objectwise.curves import share_of_waiting
from objectwise.errors import DeviceError
from objectwise.workflow.engine import Needs, Record, Step, StepKind
from objectwise.workflow.inputs import Input
from objectwise.workflow.job import Job
from objectwise.workflow.memory import check_prediction_memory, check_training_memory
from objectwise.workflow.preflight import (
    Problems,
    check_network_shape,
    check_patch,
    check_raw_of,
    check_training_device,
    check_truth_of,
)
from objectwise.workflow.processes import device_count, train_here, train_on_devices, training_volumes
from objectwise.workflow.validating import validation_of
from objectwise.workflow.volumes import array_names, reading_settings
from objectwise.workflow.voxel_sizes import check_voxel_sizes

MUCH = 0.1
"""Share of a training's time that is worth a word on how not to wait."""


def needs(job: Job, known: Record) -> Needs:
    """Return everything that the weights depend on."""
    config, start = job.config, job.config.training.initial_weights
    settings = {
        "order": [volume.name for volume in config.data.train],
        "dimensions": config.dimensions,
        "offsets": config.neighborhood.offsets if config.task.name == "affinities" else None,
        "seed": config.seed,
        "normalisation": job.tree["normalisation"],
        "network": job.tree["network"],
        # The starting weights count by their content, which is an input.
        "training": job.tree["training"] | {"initial_weights": None, "devices": _devices(config, known)},
        **job.task_settings,
        **reading_settings(config, config.data.train),
        **_validation(job, known),
    }
    inputs = [one for volume in config.data.train for one in (*job.raw(volume), *job.truth(volume))]
    inputs += _validation_inputs(job, known)
    return Needs(settings, [*inputs, *([_weights(start)] if start else [])])


def _validation(job: Job, known: Record) -> dict[str, Any]:
    """Return what the scores during the training depend on; nothing where there are none.

    A complete training is what it is: by what its best network was chosen then does not follow what the
    later steps do now.
    """
    if not job.validated:
        return {}
    kept = known.get("settings", {}).get("validation")
    if "outputs" in known and isinstance(kept, dict):
        return {"validation": kept}
    rules = job.tree["evaluation"]
    return {
        "validation": {
            "order": [volume.name for volume in job.validated],
            "prediction": {
                name: value for name, value in job.tree["prediction"].items() if name != "weights"
            },
            "segmentation": job.tree["segmentation"],
            "evaluation": {name: rules[name] for name in ("protocol", "score", "tolerance") if name in rules},
            **reading_settings(job.config, job.validated),
        }
    }


def _validation_inputs(job: Job, known: Record) -> list[Input]:
    inputs = [one for volume in job.validated for one in (*job.raw(volume), *job.truth(volume))]
    return [one for one in inputs if "outputs" not in known or one.name in known.get("inputs", {})]


def _weights(path: Path) -> Input:
    return Input("start", "training.initial_weights", str(path), "file")


def _devices(config: RunConfig, known: Record) -> int:
    """Return how many devices the patches of each step are split over.

    `auto` means all there are when the training begins; a complete one is what it is, wherever one looks.
    """
    kept = known.get("settings", {}).get("training", {}).get("devices")
    if config.training.devices == "auto" and "outputs" in known and isinstance(kept, int):
        return kept
    try:
        return device_count(config)
    except DeviceError:  # a problem of the training alone, which `check` finds
        return kept if isinstance(kept, int) else 1


def outputs(job: Job) -> Sequence[Path]:
    """Return the network, and the best one where it is looked for."""
    return [job.directory.network, *([job.directory.best_network] if job.validated else [])]


def check(job: Job, problems: Problems) -> None:
    """Check volumes, patch, network, starting weights and machine."""
    config = job.config
    for volume in config.data.train:
        raw = check_raw_of(job, volume, problems)
        check_truth_of(job, volume, problems)
        if raw is not None:
            with problems.at(job.raw(volume)[0].key):
                check_patch(config.training.patch_shape, raw.shape[-config.dimensions :])
    check_voxel_sizes(job, config.data.train, problems)
    _check_validation(job, problems)
    with problems.at("training.loss"):
        from objectwise.training import objective_of

        objective_of(config, arrays=array_names(config, job.task))
    covered = config.training.patch_shape
    with problems.at("network"):
        covered = check_network_shape(config, covered, name="training.patch_shape", training=True)
    with problems.at("offsets" if config.task.name == "affinities" else "training.patch_shape"):
        job.task.check_shape(covered)
    check_training_device(config, problems)
    check_training_memory(job, problems)
    if config.training.initial_weights is not None:
        from objectwise.networks import load_network
        from objectwise.networks.storage import check_same_architecture, check_same_channels
        from objectwise.training import network_of

        with problems.at("training.initial_weights"):
            initial = load_network(config.training.initial_weights, python=config.network.python)
            name = str(config.training.initial_weights)
            check_same_architecture(initial, network_of(config, weights=False), name=name)
            check_same_channels(
                initial, config.task.name or str(config.task.python), job.task.channels, name=name
            )


def _check_validation(job: Job, problems: Problems) -> None:
    """Check the volumes that the network is scored on while it is trained."""
    for volume in job.validated:
        check_raw_of(job, volume, problems)
        check_truth_of(job, volume, problems)
    check_voxel_sizes(job, job.validated, problems)
    if job.validated:
        with problems.at("network"):
            check_network_shape(job.config, job.window_shape, name="prediction.window_shape")
        check_prediction_memory(job, job.validated, problems)


def inspect(job: Job, step: Step, before: Sequence[Step]) -> None:
    """See that patches can be cut from the volumes; the training takes them as they were read here."""
    from objectwise.training import build_sampler

    volumes = training_volumes(job.config, step.digests)
    build_sampler(job.config, volumes)
    job.cache[step.name] = volumes, validation_of(job.config, job.directory, step.digests)


def do(job: Job, step: Step) -> None:
    """Train; a folder that holds a checkpoint is continued."""
    read = job.cache.pop(step.name, None)
    start = job.config.training.initial_weights
    if start is not None:
        _weights(start).require_unchanged(str(step.digests["start"]))
    devices = int(step.settings["training"]["devices"])
    if devices > 1:
        train_on_devices(job.directory, step.fingerprint, devices=devices)
    else:
        volumes, validate = read or (
            training_volumes(job.config, step.digests),
            validation_of(job.config, job.directory, step.digests),
        )
        train_here(job.config, volumes, job.directory, step.fingerprint, devices=devices, validate=validate)
    _tell_waiting(job)


def _tell_waiting(job: Job) -> None:
    waited = share_of_waiting(job.directory.metrics)
    if waited is not None:
        more = f"; more than {job.config.training.workers} training.workers may help"
        job.reporter.message(
            f"train: {waited:.0%} of the time went by waiting for patches{more if waited > MUCH else ''}"
        )


TRAIN = StepKind("train", 1, needs, outputs, check, do, inspect)
