"""The engine of a run: steps as data, whether each is done, and doing those that are not.

It knows no step by name: `objectwise.workflow.steps` lists them, and a file there says what each needs,
checks and does.

A step is done when its complete.json, written last, names what it is to be done for, and its outputs are
there in the size they were written. What it is done for: its settings (the keys of the configuration that its
outputs depend on), the digests of its inputs, its format number, and the fingerprint of the step before. A
step that was done with more inputs than it needs now is done: where less input gives another output, the
settings say which.

Only the inputs of a step that is asked for are looked at. Of the others, what their record says is believed,
so that a run goes on where their inputs, or the machine they were made on, are out of reach.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, NamedTuple

from objectwise.atomic import clear_partials, read_json, write_json
from objectwise.config.problems import shortened
from objectwise.data import Volume
from objectwise.errors import ArgumentError, VolumeError, VolumeWriteError
from objectwise.workflow.fingerprint import fingerprint, first_difference
from objectwise.workflow.inputs import Input
from objectwise.workflow.job import Job
from objectwise.workflow.layout import MARKER
from objectwise.workflow.preflight import Problems

State = Literal["complete", "started", "outdated", "to do"]
Record = Mapping[str, Any]
"""What a step was begun or completed for, as its folder keeps it in JSON; empty where it keeps nothing."""


DEFAULT = "the default"


class Needs(NamedTuple):
    """What a step depends on.

    `settings` are plain data by the keys of the configuration, `inputs` come from outside the run, and
    `upstream` are the files of earlier steps that it reads.
    """

    settings: Mapping[str, Any]
    inputs: Sequence[Input] = ()
    upstream: Sequence[str | Path] = ()


def nothing_more(job: Job, step: Step, before: Sequence[Step]) -> None:
    """Inspect nothing."""


@dataclass(frozen=True)
class StepKind:
    """What a step is, in whatever run; `objectwise.workflow.steps` has one a file.

    Parameters
    ----------
    name : str
        Of the step, its folder and its command.
    format : int
        Raised when the step computes or writes something else for the same needs: what it did before is then
        outdated. The version of objectwise says nothing about that.
    needs : what it depends on and reads
        Given what the step was begun or completed for, if it was. Reads no input.
    outputs : the files it leaves behind
    check : finds what is wrong without reading voxels; writes nothing
    inspect : finds what only the voxels show, before anything is written, where the step is to be done
        Given the steps before it too. What it has read it may leave in `Job.cache` for the work.
    do : the work itself
        Reads inputs through `Step.read`, calls one room of the library and writes the outputs.
    """

    name: str
    format: int
    needs: Callable[[Job, Record], Needs]
    outputs: Callable[[Job], Sequence[Path]]
    check: Callable[[Job, Problems], None]
    do: Callable[[Job, Step], None]
    inspect: Callable[[Job, Step, Sequence[Step]], None] = nothing_more


@dataclass(frozen=True)
class Step:
    """One step of one run.

    Parameters
    ----------
    name : str
    folder : Path
        The step's own; cleared when the step begins anew.
    format : int
    settings : plain data
    sources : what comes from outside the run
    digests : of the content of each input, by name
        None where the input was not looked at and no record names it.
    before : str or None
        The fingerprint of the step before.
    outputs : files it leaves behind
    inputs : all locations and files it reads, for people
    unseen : places of inputs that are out of reach, where the step is complete and its record is believed
    """

    name: str
    folder: Path
    format: int = 1
    settings: Mapping[str, Any] = field(default_factory=dict)
    sources: tuple[Input, ...] = ()
    digests: Mapping[str, str | None] = field(default_factory=dict)
    before: str | None = None
    outputs: tuple[Path, ...] = ()
    inputs: tuple[str, ...] = ()
    unseen: tuple[str, ...] = ()

    @cached_property
    def fingerprint(self) -> str:
        """One short text for everything that the outputs depend on."""
        names = ("name", "format", "settings", "digests", "before")
        return fingerprint({name: getattr(self, name) for name in names})

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
        known = read_record(self.folder)
        if not known:
            return "to do"
        if self.difference(known) is not None:
            return "outdated"
        if "outputs" not in known:
            return "started"
        return "to do" if self._lost(known) else "complete"

    def difference(self, known: Record) -> Difference | None:
        """Return the first thing in which this step differs from what its record says, or None."""
        if known.get("format") != self.format:
            return Difference("the format of the step", known.get("format"), self.format)
        mine, settings = as_json(self.settings), known.get("settings", {})
        key = first_difference(mine, settings)
        if key is not None:
            return Difference(key, value_at(settings, key), value_at(mine, key))
        for name, digest in self.digests.items():
            kept = known.get("inputs", {}).get(name, {}).get("digest")
            if kept != digest or digest is None:
                return Difference(name, kept, digest)
        if known.get("before") != self.before:
            return Difference("the step before", known.get("before"), self.before)
        return None

    def begin(self) -> None:
        """Make the folder ready: what was made for something else goes, what a killed run left stays.

        Of a step that was complete, outputs that are no longer as they were written go.

        Raises
        ------
        VolumeWriteError
            If something cannot be removed: it would be taken for new.
        """
        if self.folder.exists() and not self.folder.is_dir():
            raise VolumeError(f"`{self.folder}` must be a folder, got a file; move it elsewhere")
        known = read_record(self.folder)
        if not known or self.difference(known) is not None:
            # First the marks: a kill in between must not leave half of the old results as done.
            self.marker.unlink(missing_ok=True)
            self.beginning.unlink(missing_ok=True)
            clear(self.folder)
        elif self.marker.exists():
            for path in self._lost(known):
                path.unlink(missing_ok=True)
        self.marker.unlink(missing_ok=True)
        self.folder.mkdir(parents=True, exist_ok=True)
        clear_partials(self.folder)
        write_json(self.beginning, self._record())

    def finish(self) -> None:
        """Mark the step complete; its outputs must be there."""
        sizes = {path.name: size_of(path) for path in self.outputs}
        missing = [name for name, size in sizes.items() if size is None]
        assert not missing, f"step {self.name} left no {missing[0]}"
        write_json(self.marker, self._record() | {"outputs": sizes})

    def read(self, wanted: Input) -> Volume:
        """Read an input of this step; it must be what the step was begun for."""
        return wanted.read(self.digests[wanted.name])

    def _record(self) -> dict[str, Any]:
        inputs = {one.name: {"digest": self.digests[one.name], **one.where()} for one in self.sources}
        return {
            "step": self.name,
            "format": self.format,
            "settings": self.settings,
            "inputs": inputs,
            "before": self.before,
        }

    def _lost(self, known: Record) -> list[Path]:
        """Return the outputs that are not there in the size they were written."""
        return [path for path in self.outputs if size_of(path) != known.get("outputs", {}).get(path.name, -1)]


class Difference(NamedTuple):
    """Where a step and its record differ."""

    key: str
    old: Any
    new: Any

    def __str__(self) -> str:
        """Say what changed; of long lists, such as the volumes of a folder, what came and went."""
        said = f"{self.key} changed from {shortened(str(self.old))} to {shortened(str(self.new))}"
        if not (isinstance(self.old, list) and isinstance(self.new, list)):
            return said
        rows = (("new", self.new, self.old), ("gone", self.old, self.new))
        changes = [
            f"{word}: {shortened(', '.join(map(str, found)))}"
            for word, mine, other in rows
            if (found := [one for one in mine if one not in other])
        ]
        return f"{said} ({'; '.join(changes)})" if changes else said


def plan(
    kinds: Sequence[StepKind],
    job: Job,
    problems: Problems,
    *,
    only: Collection[str],
    look: bool = True,
) -> tuple[Step, ...]:
    """Return the steps of a run with everything they depend on; writes nothing.

    Parameters
    ----------
    kinds, job
    problems : gets what is wrong with inputs
    only : names of the steps whose inputs are looked at
    look : bool
        False reads nothing, and takes all inputs for unchanged: what is not complete then is not complete.
    """
    steps: list[Step] = []
    for kind in kinds:
        folder = job.directory.path / kind.name
        known = read_record(folder)
        needs = kind.needs(job, known)
        digests = {one.name: kept_of(one, known).get("digest") for one in needs.inputs}
        unseen = []
        for one in needs.inputs if look else ():
            with problems.at(one.key):
                if not is_believed(one, known, asked=kind.name in only):
                    digests[one.name] = one.digest(job.digests)
                elif not one.is_there():
                    unseen.append(one.place)
        steps.append(
            Step(
                kind.name,
                folder,
                kind.format,
                needs.settings,
                tuple(needs.inputs),
                digests,
                before=steps[-1].fingerprint if steps else None,
                outputs=tuple(kind.outputs(job)),
                inputs=(*map(str, needs.upstream), *(one.place for one in needs.inputs)),
                unseen=tuple(unseen),
            )
        )
    return tuple(steps)


def kept_of(one: Input, known: Record) -> Record:
    """Return what a record says of an input; empty where it says nothing."""
    kept: Record = known.get("inputs", {}).get(one.name, {})
    return kept


def is_believed(one: Input, known: Record, *, asked: bool) -> bool:
    """Say whether the record of a step is believed in what it says of an input, instead of a look at it.

    Of a step that is asked for, only if the step is complete and the input out of reach at its place; of
    another step always, unless the input has a new place to look at.
    """
    kept = kept_of(one, known)
    moved = any(kept.get(key) != value for key, value in one.where().items())
    if asked:
        return "outputs" in known and not moved and not one.is_there()
    return not kept or not moved or not one.is_there()


def execute(kinds: Sequence[StepKind], steps: Sequence[Step], job: Job, *, only: Collection[str]) -> None:
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
            missing = f" ({', '.join(step.unseen)} is not there to compare)" if step.unseen else ""
            job.reporter.message(f"{step.name}: complete, skipped{missing}")
            continue
        resumed = step.state() == "started"
        job.reporter.message(f"{step.name}: {'resumed' if resumed else 'begun'}")
        step.begin()
        kind.do(job, step)
        step.finish()
        job.reporter.message(f"{step.name}: done")


def check_order(steps: Sequence[Step], only: Collection[str]) -> None:
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


def read_record(folder: Path) -> Record:
    """Return what a step's folder says it was completed for, or begun for; empty where it says nothing."""
    for name in (MARKER, "started.json"):
        known = read_json(folder / name)
        if isinstance(known, dict) and _is_record(known):
            return known
    return {}


def _is_record(known: dict[str, Any]) -> bool:
    """Say whether what was read is as `Step` writes it; a step with any other record is to be done."""
    settings, inputs, outputs = (known.get(name, {}) for name in ("settings", "inputs", "outputs"))
    return all(isinstance(part, dict) for part in (settings, inputs, outputs)) and all(
        isinstance(one, dict) for one in inputs.values()
    )


def clear(folder: Path) -> None:
    """Remove everything in a folder, which may be a link to one.

    Raises
    ------
    VolumeWriteError
        If something stays, with its path.
    """
    if not folder.is_dir():
        return
    try:
        for path in folder.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
    except OSError as error:
        raise VolumeWriteError(
            f"`{folder}` must be cleared of an earlier result, got {error.strerror} for {error.filename}; "
            "close what holds it, or remove it"
        ) from error


def size_of(path: Path) -> int | None:
    """Return the bytes of a file, or None where there is none."""
    return path.stat().st_size if path.is_file() else None


def as_json(content: Any) -> Any:
    """Return plain data as it is after writing and reading: tuples are lists."""
    return json.loads(json.dumps(content))


def value_at(tree: Any, key: str) -> Any:
    """Return what stands at a dotted path; settings leave out keys at their default."""
    for part in key.split("."):
        if isinstance(tree, list) and part.isdecimal() and int(part) < len(tree):
            tree = tree[int(part)]
        else:
            tree = tree.get(part, DEFAULT) if isinstance(tree, dict) else DEFAULT
    return tree
