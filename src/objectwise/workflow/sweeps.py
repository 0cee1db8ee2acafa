"""The scores of a volume at every candidate threshold, by the configuration of a run."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectwise.config.volumes import VolumeConfig
from objectwise.pipeline import Sweep, sweep_thresholds
from objectwise.workflow.job import Job


def sweep_volume(
    job: Job, volume: VolumeConfig, *, affinities: NDArray[np.float32], truth: NDArray[Any]
) -> Sweep:
    """Segment one predicted volume at every candidate threshold and score the results."""
    settings = job.config.segmentation
    return sweep_thresholds(
        affinities=affinities,
        truth=truth,
        offsets=job.config.neighborhood.embedded(),
        dimensions=job.config.dimensions,
        candidates=settings.candidates,
        method=settings.method,
        minimum_size=settings.minimum_size,
        fragment_threshold=settings.fragment_threshold,
        protocol=job.config.evaluation.protocol,
        progress=partial(job.reporter.progress, f"thresholds on {volume.name}"),
    )


def sweep_table(sweep: Sweep) -> list[dict[str, float]]:
    """Return the mean scores at every threshold as plain data."""
    return [
        {"threshold": threshold, **scores._asdict()}
        for threshold, scores in zip(sweep.thresholds, sweep.means(), strict=True)
    ]


def best_row(sweep: Sweep) -> dict[str, float]:
    """Return the mean scores at the best threshold."""
    threshold = sweep.best()
    return next(row for row in sweep_table(sweep) if row["threshold"] == threshold)
