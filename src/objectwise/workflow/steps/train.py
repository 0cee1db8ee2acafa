"""Train the network: RUN/train/network.pt."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from objectwise.checks import check_offsets_fit
from objectwise.workflow.engine import Needs, Step, StepKind
from objectwise.workflow.job import Job
from objectwise.workflow.preflight import (
    Problems,
    check_labels_of,
    check_machine,
    check_network_shape,
    check_patch,
    check_raw_of,
)
from objectwise.workflow.processes import train_run


def needs(job: Job) -> Needs:
    """Return everything that the weights depend on."""
    trained, start = job.config.data.train, job.config.training.initial_weights
    parts = {
        "order": [volume.name for volume in trained],
        "raw": job.raw_digests(trained),
        "labels": job.label_digests(trained),
        "start": job.digests.of_file(start) if start else None,
        "dimensions": job.config.dimensions,
        "offsets": job.config.neighborhood.offsets,
        "seed": job.config.seed,
        "normalisation": job.tree["normalisation"],
        "network": job.tree["network"],
        # The starting weights count by their content, which has its own entry.
        "training": job.tree["training"] | {"initial_weights": None},
    }
    places = [place for volume in trained for place in (volume.raw, volume.labels or "")]
    return Needs(parts, [*places, *([str(start)] if start else [])])


def outputs(job: Job) -> Sequence[Path]:
    """Return the network."""
    return [job.directory.network]


def check(job: Job, problems: Problems) -> None:
    """Check volumes, patch, network, starting weights and machine."""
    config = job.config
    for volume in config.data.train:
        raw = check_raw_of(job, volume, problems)
        check_labels_of(job, volume, problems)
        if raw is not None:
            with problems.at(f"{job.key_of(volume)}.raw"):
                check_patch(config.training.patch_shape, raw.shape[-config.dimensions :])
    with problems.at("network"):
        check_network_shape(config, config.training.patch_shape, name="training.patch_shape")
    with problems.at("offsets"):
        check_offsets_fit(config.training.patch_shape, config.neighborhood.array)
    check_machine(config, problems)
    if config.training.initial_weights is not None:
        from objectwise.networks import load_network
        from objectwise.networks.storage import check_same_architecture
        from objectwise.training import network_of

        with problems.at("training.initial_weights"):
            initial = load_network(config.training.initial_weights)
            name = str(config.training.initial_weights)
            check_same_architecture(initial, network_of(config, weights=False), name=name)


def do(job: Job, step: Step) -> None:
    """Train; a folder that holds a checkpoint is continued."""
    train_run(job.config, job.directory, step.fingerprint)


TRAIN = StepKind("train", needs, outputs, check, do)
