"""Options that several commands share, each worded once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Target = Annotated[
    Path,
    typer.Argument(
        metavar="CONFIG",
        help="A configuration (YAML), or the directory of a run to go on with.",
        show_default=False,
    ),
]
OptionalTarget = Annotated[
    Path | None,
    typer.Argument(
        metavar="CONFIG",
        help="A configuration (YAML), or the directory of a run. Leave it out to work on plain files.",
        show_default=False,
    ),
]
RunOutput = Annotated[
    Path | None,
    typer.Option(
        "--output", "-o", help="Run directory; runs/<name of CONFIG> by default.", show_default=False
    ),
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Change one key of the configuration, e.g. training.steps=200 or data.train.0.sections=[0,16]. "
        "Repeatable; the value is YAML, and null takes a key back to its default.",
        show_default=False,
    ),
]
Overwrite = Annotated[
    bool,
    typer.Option(
        "--overwrite",
        help="Accept a directory that holds another configuration, and redo the steps it concerns; "
        "replace an output file that is there.",
    ),
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Check everything, print what would be done, write nothing.")
]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
