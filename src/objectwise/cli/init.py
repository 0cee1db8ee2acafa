"""`objectwise init`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, cast

import typer

from objectwise.cli.errors import one_sentence
from objectwise.cli.files import require_writable
from objectwise.cli.options import DryRun, Json
from objectwise.errors import ArgumentError


@one_sentence
def init(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="FOLDER", help="Images with their truth; or one HDF5 file or Zarr.", show_default=False
        ),
    ],
    *,
    output: Annotated[Path, typer.Option("--output", "-o", help="The configuration to write.")] = Path(
        "objectwise.yaml"
    ),
    task: Annotated[
        str | None,
        typer.Option(
            metavar="affinities|masks",
            help="What to learn; by default what the truth suggests.",
            show_default=False,
        ),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a file that is there.")] = False,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Look at a folder of images and write a configuration for it, with a reason for each choice.

    Knows nnU-Net's layout, pairs of files in one folder or in two, a folder for each case, and containers.

    objectwise init data/nuclei
    objectwise init data/Dataset004_Hippocampus --output hippocampus.yaml
    objectwise init data/cells.h5 --task masks
    """
    from objectwise.atomic import write_text
    from objectwise.cli.text import as_json
    from objectwise.workflow.proposal import Task, propose

    if output.suffix.lower() not in (".yaml", ".yml"):
        raise ArgumentError(f"`--output` must be a file .yaml, got {output}")
    if output.exists() and not overwrite:
        raise ArgumentError(f"`--output` must not exist yet, got {output}; pass --overwrite to replace it")
    if not dry_run:
        require_writable(output.parent)
    # Another word than these is refused there, where the words are known.
    proposal = propose(folder, task=cast("Task | None", task), name=str(output))
    if not dry_run:
        write_text(output, proposal.text)
    report = Path("runs") / output.stem / "report.html"
    commands = [f"objectwise run {output} --dry-run", f"objectwise run {output}", f"open {report}"]
    if json:
        content = {"configuration": proposal.text, "found": list(proposal.found), "next": commands}
        print(as_json(content | {"written": None if dry_run else str(output)}))
    elif dry_run:
        print(proposal.text, end="")
    else:
        print(_said(proposal.found, output, commands))


def _said(found: tuple[str, ...], output: Path, commands: list[str]) -> str:
    words = ("checks everything, writes nothing", "trains, predicts, segments, scores", "the page")
    width = max(map(len, commands))
    rows = [f"    {command.ljust(width)}   # {word}" for command, word in zip(commands, words, strict=True)]
    return "\n".join([*found, f"wrote {output}; look at it, then", *rows])
