"""`objectwise demo`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from objectwise.cli.errors import one_sentence, resumable
from objectwise.cli.files import require_writable
from objectwise.cli.options import DryRun, Json, Overwrite

if TYPE_CHECKING:
    from objectwise.workflow.demo import Demo, Part


@one_sentence
def demo(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Where everything goes; made if missing.")],
    seed: Annotated[int, typer.Option(min=0, help="Seed of phantom, weights and patches.")] = 0,
    dry_run: DryRun = False,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Train with cross-entropy and with MALIS on made-up tissue, and compare both on tissue held out.

    Needs no data and takes less than five minutes on two cores. The result is DIR/report.html.

    Given again, it goes on where it was stopped. With another seed, --overwrite redoes what that changes.

    objectwise demo runs/demo
    """
    from objectwise.cli.progress import TerminalReporter
    from objectwise.cli.text import as_json
    from objectwise.workflow.demo import plan_demo, run_demo

    if dry_run:
        parts = plan_demo(directory, seed=seed, overwrite=overwrite)
        print(as_json([asdict(part) for part in parts]) if json else _plan_text(parts))
        return
    require_writable(directory)
    with resumable(), TerminalReporter() as reporter:
        outcome = run_demo(directory, seed=seed, overwrite=overwrite, reporter=reporter)
    content = {"report": outcome.report, "runs": outcome.scores}
    print(as_json(content) if json else _outcome_text(outcome))


def _plan_text(parts: Sequence[Part]) -> str:
    lines = []
    for part in parts:
        lines.append(f"{part.name}: {'complete, would be skipped' if part.done else 'would run'}")
        lines += [f"    writes  {path}" for path in part.outputs]
    return "\n".join(lines)


def _outcome_text(outcome: Demo) -> str:
    from objectwise.cli.text import score, table

    keys = ("adapted_rand_error", "voi_split", "voi_merge")
    rows = [["run", "threshold", *keys, "best threshold", "its error"]]
    for name, scores in outcome.scores.items():
        mean = scores["mean"]
        best = next(iter(scores["volumes"].values()))["best"]
        rows.append(
            [
                name,
                f"{scores['threshold']:g}",
                *(score(mean[key]) for key in keys),
                f"{best['threshold']:g}",
                score(best["adapted_rand_error"]),
            ]
        )
    return f"held-out phantom; lower is better\n{table(rows)}\nreport: {outcome.report}"
