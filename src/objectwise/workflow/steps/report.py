"""Write the page of the run: RUN/report.html."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from objectwise.workflow.engine import Needs, Record, Step, StepKind
from objectwise.workflow.job import Job
from objectwise.workflow.pages import write_page
from objectwise.workflow.places import without_places
from objectwise.workflow.preflight import Problems, check_raw_of, check_truth_of


def needs(job: Job, known: Record) -> Needs:
    """Return what the page shows: volumes, segmentations, scores, and the configuration."""
    inputs = [one for volume in job.segmented for one in (*job.raw(volume), *job.truth(volume))]
    segmentations = [place for volume in job.segmented for place in job.segmentations(volume)]
    # Where the volumes lie says nothing about what is in them, which the inputs do.
    settings = without_places(job.tree)
    return Needs({"configuration": settings}, inputs, [job.directory.scores, *segmentations])


def outputs(job: Job) -> Sequence[Path]:
    """Return the page."""
    return [job.directory.report]


def check(job: Job, problems: Problems) -> None:
    """Check the volumes that the page shows."""
    for volume in job.segmented:
        check_raw_of(job, volume, problems)
        check_truth_of(job, volume, problems)


def do(job: Job, step: Step) -> None:
    """Write the page of this one run."""
    write_page([job.directory.path], job.directory.report, digests=step.digests)


REPORT = StepKind("report", 1, needs, outputs, check, do)
