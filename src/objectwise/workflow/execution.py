"""One run, from configuration to report, in one directory; stopped anywhere, it continues there."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from objectwise.atomic import write_text
from objectwise.checks import check_choice
from objectwise.config.load import dump_config, load_config
from objectwise.config.models import RunConfig
from objectwise.data.formats.common import parse_location
from objectwise.errors import ArgumentError, ConfigError
from objectwise.workflow.engine import Step, check_order, execute, forget_outdated, plan, read_record
from objectwise.workflow.fingerprint import InputDigests
from objectwise.workflow.inputs import ChangedInputError, forget_changed
from objectwise.workflow.job import Job
from objectwise.workflow.layout import RunDirectory
from objectwise.workflow.lock import locked
from objectwise.workflow.places import with_absolute_places
from objectwise.workflow.preflight import Problems
from objectwise.workflow.reporter import Reporter
from objectwise.workflow.results import read_scores
from objectwise.workflow.steps import KINDS, STEPS


@dataclass(frozen=True)
class Run:
    """A run directory and its steps."""

    directory: RunDirectory
    steps: tuple[Step, ...]

    def is_complete(self, name: str) -> bool:
        """Say whether a step is complete for the run's configuration."""
        return any(step.name == name and step.state() == "complete" for step in self.steps)

    def scores(self) -> dict[str, Any] | None:
        """Return the content of scores.json, or None where this segmentation was not evaluated yet."""
        return read_scores(self.directory) if self.is_complete("evaluate") else None


def run(
    config: RunConfig,
    directory: str | Path,
    *,
    only: Sequence[str] = STEPS,
    overwrite: bool = False,
    dry_run: bool = False,
    reporter: Reporter | None = None,
) -> Run:
    """Do the steps of a run that are not complete: train, predict, segment, evaluate, report.

    Parameters
    ----------
    config : RunConfig
    directory : path
        New, empty, or that of an earlier run. A run that was killed continues; steps that are complete for
        this configuration and these inputs are skipped.
    only : names of steps
        Do no other steps; those before them must be complete.
    overwrite : bool
        Accept a directory that holds another configuration or other inputs, and replace the results of the
        steps that this concerns.
    dry_run : bool
        Check everything and return the plan; nothing is written.
    reporter : receives messages and progress

    Returns
    -------
    Run
        With the steps, whose `state()` can be asked.

    Raises
    ------
    ConfigError
        If files, shapes, network or machine do not fit the configuration. Nothing was written then.
    ArgumentError
        If the directory holds another run or something else, another process works there, or an earlier
        step is missing.
    """
    for name in only:
        check_choice(name, tuple(kind.name for kind in KINDS), name="only")
    here = RunDirectory(Path(directory))
    job = Job(config, here, InputDigests.read(here.inputs), reporter or Reporter())
    job.task.check_options(config)
    checked = _check(job, plan(KINDS, job, Problems(), only=only, look=False), only)
    _check_directory(here, overwrite=overwrite)
    problems = Problems()
    steps = plan(KINDS, job, problems, only=only)
    problems.refuse()
    _check_steps(steps, here, only=only, overwrite=overwrite)
    _check(job, steps, set(only) - checked)
    for at, (kind, step) in enumerate(zip(KINDS, steps, strict=True)):
        if step.name in only and step.state() != "complete":
            kind.inspect(job, step, steps[:at])
    if dry_run:
        return Run(here, steps)
    with locked(here.path):
        # Again: another process may have been here since.
        _check_directory(here, overwrite=overwrite)
        _check_steps(steps, here, only=only, overwrite=overwrite)
        # Unmark first: a kill between these lines leaves steps to do again, never a stale one taken for done.
        forget_outdated(steps)
        write_text(here.config, dump_config(with_absolute_places(config)))
        job.digests.write(here.inputs)
        try:
            execute(KINDS, steps, job, only=only)
        except ChangedInputError as error:
            forget_changed(here, error.changed)
            raise
    return Run(here, steps)


def _check(job: Job, steps: Sequence[Step], only: Collection[str]) -> set[str]:
    """Check the steps to be done, all problems together; return which these are."""
    problems = Problems()
    to_do = {step.name for step in steps if step.name in only and step.state() != "complete"}
    for kind in KINDS:
        if kind.name in to_do:
            kind.check(job, problems)
    problems.refuse()
    return to_do


def _check_directory(here: RunDirectory, *, overwrite: bool) -> None:
    if parse_location(here.affinities("a")).path != here.prediction_file("a"):
        raise ArgumentError(
            f"`directory` must not read as a volume in a container, got {here.path}; choose another name"
        )
    if here.path.exists() and not here.path.is_dir():
        raise ArgumentError(f"`directory` must be a folder, got the file {here.path}")
    if not here.config.exists():
        others = sorted(item.name for item in here.path.glob("[!.]*")) if here.path.exists() else []
        if others:
            raise ArgumentError(
                f"`directory` must be new, empty or a run, got {here.path} with {others[0]!r} "
                "and no config.yaml; choose another one"
            )
        return
    if overwrite:
        return
    try:
        load_config(here.config)
    except ConfigError as error:
        raise ArgumentError(
            f"`directory` must hold a readable configuration, got {error}; "
            "choose another one, or pass --overwrite"
        ) from error


def _check_steps(steps: Sequence[Step], here: RunDirectory, *, only: Sequence[str], overwrite: bool) -> None:
    for step in steps:
        known = read_record(step.folder)
        found = step.difference(known) if known else None
        if found is not None and not overwrite:
            word = "completed" if "outputs" in known else "begun"
            raise ArgumentError(
                f"the configuration and inputs of step {step.name!r} in {here.path} must be those it was "
                f"{word} with, but {found}; "
                "choose another directory, or pass --overwrite to redo the steps it concerns"
            )
    check_order(steps, only)
