"""The engine of a run: steps as data, whether each is done, and doing those that are not.

It knows no step by name: `objectwise.workflow.steps` lists them, and a file there says what each needs,
checks and does.

A step is done when its complete.json, written last, names the same fingerprint, and its outputs are there in
the size they were written. The fingerprint is that of the parts: the keys of the configuration that the step
depends on, the digests of its inputs, the version of objectwise, and the fingerprint of the step before.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

from objectwise import __version__
from objectwise.atomic import clear_partials, read_json, write_json
from objectwise.errors import ArgumentError
from objectwise.workflow.fingerprint import fingerprint
from objectwise.workflow.job import Job
from objectwise.workflow.layout import MARKER
from objectwise.workflow.preflight import Problems

State = Literal["complete", "started", "outdated", "to do"]


class Needs(NamedTuple):
    """What a step depends on, as plain data, and the locations and files it reads."""

    parts: Mapping[str, Any]
    inputs: Sequence[str]


@dataclass(frozen=True)
class StepKind:
    """What a step is, in whatever run; `objectwise.workflow.steps` has one a file.

    Parameters
    ----------
    name : str
        Of the step, its folder and its command.
    needs : what it depends on and reads
    outputs : the files it leaves behind
    check : finds what is wrong before work begins; writes nothing
    do : the work itself
        Reads files, calls one room of the library and writes the outputs.
    """

    name: str
    needs: Callable[[Job], Needs]
    outputs: Callable[[Job], Sequence[Path]]
    check: Callable[[Job, Problems], None]
    do: Callable[[Job, Step], None]


@dataclass(frozen=True)
class Step:
    """One step of one run.

    Parameters
    ----------
    name : str
    folder : Path
        The step's own; cleared when the step begins anew.
    inputs : locations and files it reads
    outputs : files it leaves behind
    fingerprint : str
        Of everything the outputs depend on.
    parts : plain data, optional
        What the fingerprint was taken from; kept to say what changed.
    """

    name: str
    folder: Path
    inputs: tuple[str, ...]
    outputs: tuple[Path, ...]
    fingerprint: str
    parts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def marker(self) -> Path:
        """The file that says the step is complete."""
        return self.folder / MARKER

    @property
    def beginning(self) -> Path:
        """The file that says for what the step was begun."""
        return self.folder / "started.json"

    def state(self) -> State:
        """Say how far the step is.

        `outdated` means complete or begun, but for another configuration or other inputs.
        """
        known = self.known()
        if not known:
            return "to do"
        if known.get("fingerprint") != self.fingerprint:
            return "outdated"
        if "outputs" not in known:
            return "started"
        return "complete" if known["outputs"] == self._sizes() else "to do"

    def known(self) -> dict[str, Any]:
        """Return what the folder says it was completed for, or begun for; empty where it says nothing."""
        for path in (self.marker, self.beginning):
            known = read_json(path)
            if isinstance(known, dict):
                return known
        return {}

    def begin(self) -> None:
        """Make the folder ready: what another fingerprint left there goes, what a killed run left stays.

        Of a step that was complete, outputs that are no longer as they were written go.
        """
        known = self.known()
        if known.get("fingerprint") != self.fingerprint:
            shutil.rmtree(self.folder, ignore_errors=True)
        if self.marker.exists():
            written, sizes = known.get("outputs", {}), self._sizes()
            for path in self.outputs:
                if sizes[path.name] != written.get(path.name):
                    path.unlink(missing_ok=True)
        self.marker.unlink(missing_ok=True)
        self.folder.mkdir(parents=True, exist_ok=True)
        clear_partials(self.folder)
        write_json(self.beginning, {"fingerprint": self.fingerprint, "parts": self.parts})

    def finish(self) -> None:
        """Mark the step complete; its outputs must be there."""
        sizes = self._sizes()
        missing = [name for name, size in sizes.items() if size is None]
        assert not missing, f"step {self.name} left no {missing[0]}"
        write_json(
            self.marker,
            {"step": self.name, "fingerprint": self.fingerprint, "parts": self.parts, "outputs": sizes},
        )

    def _sizes(self) -> dict[str, int | None]:
        return {path.name: path.stat().st_size if path.is_file() else None for path in self.outputs}


def plan(kinds: Sequence[StepKind], job: Job) -> tuple[Step, ...]:
    """Return the steps of a run with everything they depend on.

    Reads the inputs for their digests where the job does not remember them, and writes nothing.
    """
    steps: list[Step] = []
    for kind in kinds:
        needs = kind.needs(job)
        upstream = steps[-1].fingerprint if steps else None
        parts = {
            "version of objectwise": __version__,
            "step": kind.name,
            **needs.parts,
            "step before": upstream,
        }
        places = tuple(needs.inputs), tuple(kind.outputs(job))
        steps.append(Step(kind.name, job.directory.path / kind.name, *places, fingerprint(parts), parts))
    return tuple(steps)


def execute(kinds: Sequence[StepKind], steps: Sequence[Step], job: Job, *, only: Sequence[str]) -> None:
    """Do the steps named in `only`, in order; complete ones are skipped.

    Raises
    ------
    ArgumentError
        Before anything is done, if a step that an earlier one must feed would find it incomplete.
    """
    check_order(steps, only)
    for kind, step in zip(kinds, steps, strict=True):
        if step.name not in only:
            continue
        if step.state() == "complete":
            job.reporter.message(f"{step.name}: complete, skipped")
            continue
        resumed = step.state() == "started"
        job.reporter.message(f"{step.name}: {'resumed' if resumed else 'begun'}")
        step.begin()
        kind.do(job, step)
        step.finish()
        job.reporter.message(f"{step.name}: done")


def check_order(steps: Sequence[Step], only: Sequence[str]) -> None:
    """Require every step before one that is asked for to be complete, or asked for too."""
    last = max((at for at, step in enumerate(steps) if step.name in only), default=-1)
    for step in steps[:last]:
        if step.name not in only and step.state() != "complete":
            raise ArgumentError(
                f"step {steps[last].name!r} needs the step {step.name!r} complete, got {step.state()!r} "
                f"in {step.folder.parent}; do that step first, or all with `objectwise run`"
            )


def forget_outdated(steps: Sequence[Step]) -> None:
    """Unmark the steps that were complete or begun for another configuration or other inputs."""
    for step in steps:
        if step.state() == "outdated":
            # In this order a kill in between leaves a step that is still complete for what it was.
            step.beginning.unlink(missing_ok=True)
            step.marker.unlink(missing_ok=True)
