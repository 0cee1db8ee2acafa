"""What all commands on a run directory do: find the run, do steps, print the outcome."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from objectwise.cli.errors import resumable
from objectwise.cli.files import require_writable
from objectwise.cli.text import as_json, score_table, table
from objectwise.errors import ArgumentError

if TYPE_CHECKING:
    from objectwise.config import RunConfig
    from objectwise.workflow import Run


def do_steps(
    target: Path,
    only: Sequence[str] | None = None,
    *,
    output: Path | None = None,
    settings: Sequence[str] | None = None,
    overwrite: bool = False,
    dry_run: bool = False,
    json: bool = False,
) -> None:
    """Do steps of the run that `target` names (all by default), and print its scores or its plan."""
    config, directory = find_run(target, output, settings or ())
    from objectwise.cli.progress import TerminalReporter
    from objectwise.workflow import STEPS, run

    if not dry_run:
        require_writable(directory)
    steps = tuple(only or STEPS)
    with nullcontext() if dry_run else resumable(), TerminalReporter() as reporter:
        done = run(config, directory, only=steps, overwrite=overwrite, dry_run=dry_run, reporter=reporter)
    if dry_run:
        print(as_json(plan_of(done, steps)) if json else plan_text(done, steps))
    else:
        print(as_json(outcome_of(done)) if json else outcome_text(done, steps))


def find_run(target: Path, output: Path | None, settings: Sequence[str]) -> tuple[RunConfig, Path]:
    """Return the configuration and the directory that a command line means.

    A directory is a run to go on with: its own configuration is read, and results stay there.
    """
    from objectwise.config import load_config

    if not target.is_dir():
        return load_config(target, settings), output or Path("runs") / target.stem
    inside = target / "config.yaml"
    if not inside.is_file():
        raise ArgumentError(
            f"`CONFIG` must be a YAML file or a run with a config.yaml, got the folder {target}"
        )
    return load_config(inside, settings), output or target


def plan_of(run: Run, only: Sequence[str]) -> dict[str, Any]:
    """Return what would be done, as plain data."""
    return {
        "directory": str(run.directory.path),
        "steps": [
            {
                "name": step.name,
                "state": step.state(),
                "todo": step.name in only and step.state() != "complete",
                "inputs": list(step.inputs),
                "outputs": [str(path) for path in step.outputs],
                "fingerprint": step.fingerprint,
            }
            for step in run.steps
        ],
    }


def plan_text(run: Run, only: Sequence[str]) -> str:
    """Return what would be done, for people."""
    words = {
        "complete": "complete, would be skipped",
        "started": "would go on",
        "outdated": "would be redone (--overwrite)",
        "to do": "would run",
    }
    lines = [f"run directory: {run.directory.path}"]
    for step in run.steps:
        state = step.state()
        word = words[state] if step.name in only or state == "complete" else f"{state}, not asked for"
        lines.append(f"{step.name}: {word}")
        lines += [f"    reads   {item}" for item in step.inputs]
        lines += [f"    writes  {path}" for path in step.outputs]
    return "\n".join(lines)


def outcome_of(run: Run) -> dict[str, Any]:
    """Return what a run has come to, as plain data."""
    return {
        "directory": str(run.directory.path),
        "steps": {step.name: step.state() for step in run.steps},
        "report": str(run.directory.report) if run.directory.report.is_file() else None,
        "scores": run.scores() if run.is_complete("evaluate") else None,
    }


def outcome_text(run: Run, only: Sequence[str]) -> str:
    """Return the scores where they were asked for, and where the results are."""
    lines = []
    scores = run.scores() if run.is_complete("evaluate") else None
    if scores is not None and ("evaluate" in only or "report" in only):
        lines.append(scores_text(scores))
    steps = [step for step in run.steps if step.name in only]
    last = steps[-1] if steps else run.steps[-1]
    rows = [[f"{last.name}:", str(path)] for path in last.outputs]
    return "\n".join([*lines, table(rows)])


def scores_text(scores: dict[str, Any]) -> str:
    """Return the content of scores.json as a table."""
    if not scores["volumes"]:
        return "no labels to score against (data.evaluate.N.labels)"
    rows = {name: volume["scores"] for name, volume in scores["volumes"].items()}
    if len(rows) > 1:
        rows["mean"] = scores["mean"]
    unit = "mean over sections" if scores["dimensions"] == 2 else "whole volume"
    learnt = [
        f"{name}: {words}" for name, one in scores["volumes"].items() if (words := one.get("learnt_from"))
    ]
    threshold = scores["threshold"]
    found = "no threshold" if threshold is None else f"threshold {threshold:g}"
    head = f"{found}; {unit}; {_direction(rows, scores.get('lower_is_better'))}"
    return "\n".join([head, score_table(rows, first="volume"), *learnt])


def _direction(rows: Mapping[str, Mapping[str, Any]], lower: Sequence[str] | None) -> str:
    """Say which scores are better when lower; scores of earlier versions all are."""
    names = list(next(iter(rows.values())))
    if lower is None or set(names) <= set(lower):
        return "lower is better"
    return f"higher is better, but for {', '.join(name for name in names if name in lower)}"
