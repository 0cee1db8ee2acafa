"""The prediction of one volume by the configuration of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from objectwise.config.volumes import VolumeConfig
from objectwise.pipeline import predict_probabilities
from objectwise.pipeline.predict import Progress
from objectwise.workflow.job import Job
from objectwise.workflow.volumes import Image

if TYPE_CHECKING:
    from torch import nn


def predict_volume(
    job: Job, network: nn.Module, volume: VolumeConfig, raw: Image, *, progress: Progress | None = None
) -> NDArray[np.float32]:
    """Return what the channels of a network mean in a volume, (k, z, y, x)."""
    settings = job.config.prediction
    return predict_probabilities(
        network,
        raw.array,
        activation=job.task.probabilities,
        turned_back=job.task.turned_back if settings.flips else None,
        window_shape=job.window_shape,
        overlap=settings.overlap,
        batch_size=settings.batch_size,
        accelerator=job.config.training.accelerator,
        threads=job.config.training.threads,
        name=volume.name,
        progress=progress,
    )
