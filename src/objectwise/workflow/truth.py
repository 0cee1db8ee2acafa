"""The truth of the volumes of a step: looked at before any work, and read once."""

from __future__ import annotations

from collections.abc import Sequence

from objectwise.config.volumes import VolumeConfig
from objectwise.tasks.task import Arrays
from objectwise.workflow.engine import Step
from objectwise.workflow.job import Job
from objectwise.workflow.preflight import Problems
from objectwise.workflow.volumes import read_truth


def inspect_truth(job: Job, step: Step, volumes: Sequence[VolumeConfig]) -> None:
    """See that what is known of volumes is what the task needs; the work takes it as it was read here."""
    if not job.task.checks_voxels:
        return
    problems = Problems()
    for volume in volumes:
        with problems.at("data"):
            job.cache[_key(step, volume)] = read_truth(job.config, volume, job.task, step.read)
    problems.refuse()


def inspected_truth(job: Job, step: Step, volume: VolumeConfig) -> Arrays:
    """Return what is known of a volume, and let go of it."""
    known: Arrays | None = job.cache.pop(_key(step, volume), None)
    return read_truth(job.config, volume, job.task, step.read) if known is None else known


def _key(step: Step, volume: VolumeConfig) -> str:
    return f"{step.name} {volume.name}"
