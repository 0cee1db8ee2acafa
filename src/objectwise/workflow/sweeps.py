"""The scores of a volume at every candidate threshold, by the configuration of a run."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectwise.config.volumes import VolumeConfig
from objectwise.metrics.rows import Row, plain
from objectwise.pipeline import Sweep, sweep
from objectwise.tasks import Comparison, Truth
from objectwise.workflow.job import Job


def sweep_volume(
    job: Job, volume: VolumeConfig, *, prediction: NDArray[np.float32], truth: Truth, how: Comparison
) -> Sweep:
    """Segment one predicted volume at every candidate threshold and score the results."""
    settings, task = job.config.segmentation, job.task
    segment_at = task.segmenter(prediction, settings, dimensions=job.config.dimensions)
    needed = replace(how, only=job.score)

    def scored(segmentation: NDArray[Any]) -> list[Row]:
        return list(task.compare(truth, segmentation, needed).units)

    return sweep(
        segment_at,
        scored,
        job.candidates,
        partial(job.reporter.progress, f"thresholds on {volume.name}"),
    )


def best_threshold(job: Job, found: Sweep) -> float:
    """Return the candidate with the best score of the configuration."""
    return found.best(job.score, higher_is_better=job.higher_is_better)


def sweep_table(found: Sweep) -> list[dict[str, float | None]]:
    """Return the mean scores at every threshold as plain data."""
    return [
        {"threshold": threshold, **plain(row)}
        for threshold, row in zip(found.thresholds, found.means(), strict=True)
    ]


def best_row(job: Job, found: Sweep) -> dict[str, float | None]:
    """Return the mean scores at the best threshold."""
    threshold = best_threshold(job, found)
    return next(row for row in sweep_table(found) if row["threshold"] == threshold)
