"""`objectwise demo`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from objectwise.cli.errors import one_sentence, resumable
from objectwise.cli.options import Json


@one_sentence
def demo(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Where everything goes; made if missing.")],
    seed: Annotated[int, typer.Option(min=0, help="Seed of phantom, weights and patches.")] = 0,
    json: Json = False,
) -> None:
    r"""Train with cross-entropy and with MALIS on made-up tissue, and compare both on tissue held out.

    Needs no data and takes less than five minutes on two cores. The result is DIR/report.html.

    \b
    objectwise demo runs/demo
    """
    from objectwise.cli.progress import TerminalReporter
    from objectwise.cli.text import as_json, score, table
    from objectwise.workflow.demo import run_demo

    with resumable():
        outcome = run_demo(directory, seed=seed, reporter=TerminalReporter())
    if json:
        print(as_json({"report": outcome.report, "runs": outcome.scores}))
        return
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
    print("held-out phantom; lower is better")
    print(table(rows))
    print(f"report: {outcome.report}")
