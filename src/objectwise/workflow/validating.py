"""The scores of a network while it is trained: those that it would have on the volumes to tune on."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from objectwise.config.models import RunConfig
from objectwise.config.volumes import VolumeConfig
from objectwise.pipeline import merge_sweeps
from objectwise.tasks import Comparison, Truth
from objectwise.workflow.fingerprint import InputDigests
from objectwise.workflow.job import Job
from objectwise.workflow.layout import RunDirectory
from objectwise.workflow.predicting import predict_volume
from objectwise.workflow.reporter import Reporter
from objectwise.workflow.sweeps import sweep_volume
from objectwise.workflow.volumes import Image, read_image, read_truth

if TYPE_CHECKING:
    from torch import nn

    from objectwise.training import Validation


def validation_of(
    config: RunConfig, directory: RunDirectory, digests: Mapping[str, str | None]
) -> Validation | None:
    """Return how the training of a run is validated, with the volumes in memory; None where it is not.

    They must be those that the digests were taken of.
    """
    if config.training.validation is None:
        return None
    from objectwise.training import Validation

    # Without words: a bar of its own would tear that of the training.
    job = Job(config, directory, InputDigests(), Reporter())
    held: list[tuple[VolumeConfig, Image, Truth]] = []
    for volume in config.data.tune:
        image = read_image(config, volume, lambda one: one.read(digests[one.name]))
        known = read_truth(config, volume, job.task, lambda one: one.read(digests[one.name]))
        held.append((volume, image, job.task.truth(known, dimensions=config.dimensions)))

    def scores(network: nn.Module) -> dict[str, float]:
        sweeps = []
        for volume, image, truth in held:
            prediction = predict_volume(job, network, volume, image)
            how = Comparison.of(config, image.voxel_size)
            sweeps.append(sweep_volume(job, volume, prediction=prediction, truth=truth, how=how))
        found = merge_sweeps(sweeps)
        rows = [row[job.score] for row in found.means()]
        if all(map(math.isnan, rows)):  # as of a network that has learnt nothing
            return {job.score: math.nan, "threshold": math.nan}
        best = found.best(job.score, higher_is_better=job.higher_is_better)
        return {job.score: rows[found.thresholds.index(best)], "threshold": best}

    return Validation(scores, job.score, job.higher_is_better)
