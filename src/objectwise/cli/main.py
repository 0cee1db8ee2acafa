"""The command line: `objectwise COMMAND`. Each command lives in a file of its own.

Nothing heavy is imported here or at the top of a command's file: `objectwise --help` answers at once.
"""

from __future__ import annotations

import io
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from objectwise.cli.demo import demo
from objectwise.cli.errors import Debugging
from objectwise.cli.evaluate import evaluate
from objectwise.cli.init import init
from objectwise.cli.predict import predict
from objectwise.cli.report import report
from objectwise.cli.run import run
from objectwise.cli.segment import segment
from objectwise.cli.train import train


class DebugAnywhere(TyperGroup):
    """Accepts --debug after the command too, where it is typed when something just failed."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Move --debug to the front."""
        rest = [argument for argument in args if argument != "--debug"]
        moved = ["--debug", *rest] if len(rest) < len(args) and rest else args
        parsed: list[str] = super().parse_args(ctx, moved)
        return parsed


app = typer.Typer(
    name="objectwise",
    cls=DebugAnywhere,
    help="Train segmentation networks on objects, not on pixels.\n\n"
    "From a raw volume and its labels to affinities, objects, scores and a page of pictures:\n\n"
    "objectwise init FOLDER        writes a configuration\n\n"
    "objectwise run CONFIG.yaml",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    epilog="Exit codes: 0 done, 1 failed, 2 misused, 130 interrupted. "
    "Results go to stdout, messages to stderr.",
)
for command in (init, run, train, predict, segment, evaluate, report, demo):
    app.command()(command)


def _version(wanted: bool) -> None:
    if wanted:
        from objectwise import __version__

        print(f"objectwise {__version__}")
        raise typer.Exit


@app.callback()
def options(
    *,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and stop.", is_eager=True, callback=_version)
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show where an error came from.")] = False,
) -> None:
    """Handle the options before a command."""
    Debugging.on = debug
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A path that the terminal cannot show is no reason to fail after the work.
        sys.stdout.reconfigure(errors="backslashreplace")
