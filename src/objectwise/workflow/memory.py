"""Whether training and prediction of a run fit into memory, known before either begins."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from objectwise.config.volumes import VolumeConfig
from objectwise.errors import ObjectwiseError
from objectwise.pipeline.memory import estimate_prediction_memory, require_prediction_memory
from objectwise.pipeline.predict import find_device
from objectwise.workflow.inputs import key_of
from objectwise.workflow.job import Job
from objectwise.workflow.preflight import Problems
from objectwise.workflow.processes import device_count


def check_training_memory(job: Job, problems: Problems) -> None:
    """Require that a training fits; what cannot be read, or built, is a problem of others."""
    from objectwise.training.memory import estimate_training, require_training_memory

    volumes = []
    try:
        device = find_device(job.config.training.accelerator).type
        for volume in job.config.data.train:
            infos = [one.describe() for one in (*job.raw(volume), *job.truth(volume))]
            voxel = sum(np.dtype(info.dtype).itemsize * (info.channels or 1) for info in infos)
            volumes.append((infos[0].shape, voxel))
        needed = estimate_training(job.config, volumes, device=device)
    except ObjectwiseError:
        return
    with problems.at("training"):
        processes = device_count(job.config)
        require_training_memory(needed, device, processes=processes)


def check_prediction_memory(job: Job, volumes: Iterable[VolumeConfig], problems: Problems) -> None:
    """Require that each prediction fits; what cannot be read, or built, is a problem of others."""
    from objectwise.training import network_of

    config = job.config
    for volume in volumes:
        try:
            device = find_device(config.training.accelerator).type
            info = job.raw(volume)[0].describe()
            needed = estimate_prediction_memory(
                network_of(config, weights=False),
                (config.data.channels, *info.shape),
                itemsize=np.dtype(info.dtype).itemsize,
                channels=len(job.task.channels),
                window_shape=job.window_shape,
                batch_size=config.prediction.batch_size,
                device=device,
            )
        except ObjectwiseError:
            continue
        with problems.at("prediction"):
            require_prediction_memory(needed, device, what=f"the prediction of {key_of(config, volume)}")
