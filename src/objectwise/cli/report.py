"""`objectwise report`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from objectwise.cli.errors import one_sentence
from objectwise.cli.files import require_writable
from objectwise.cli.options import DryRun, Overwrite
from objectwise.errors import ArgumentError


@one_sentence
def report(
    directories: Annotated[
        list[Path], typer.Argument(metavar="RUN_DIR...", help="One run, or several to compare.")
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="HTML file; RUN_DIR/report.html for a single run.", show_default=False
        ),
    ] = None,
    title: Annotated[str | None, typer.Option(help="Title of the page.", show_default=False)] = None,
    dry_run: DryRun = False,
    overwrite: Overwrite = False,
) -> None:
    """Write one self-contained page on one or several runs.

    It shows training curves, pictures with splits and merges marked, scores and configurations. Volumes of
    one name are compared between the runs. What a run has not done yet is left out. A page that is there,
    even the run's own, is replaced with --overwrite only.

    objectwise report runs/isbi2012
    objectwise report runs/bce runs/malis --output comparison.html
    """
    if output is None:
        if len(directories) > 1:
            raise ArgumentError(
                f"`--output` must be given for {len(directories)} runs, like --output page.html"
            )
        output = directories[0] / "report.html"
    if output.is_dir():
        raise ArgumentError(f"`--output` must be a file, got the folder {output}")
    if output.exists() and not overwrite:
        raise ArgumentError(f"`--output` must not exist yet, got {output}; pass --overwrite to replace it")
    if dry_run:
        from objectwise.workflow.pages import read_run, run_names

        run_names(directories)
        for directory in directories:
            read_run(directory)
        print(f"would write {output}")
        return
    require_writable(output.parent)
    from objectwise.workflow import write_page

    print(write_page(directories, output, title=title))
