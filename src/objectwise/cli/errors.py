"""From exceptions to exit codes: 0 done, 1 failed, 2 misused, 130 interrupted."""

from __future__ import annotations

import functools
import sys
import traceback
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import typer

from objectwise.errors import ObjectwiseError, needs_extra

P = ParamSpec("P")
R = TypeVar("R")

FAILED, MISUSED, INTERRUPTED = 1, 2, 130


def say(text: str) -> None:
    """Print one line to stderr."""
    print(text, file=sys.stderr)


def one_sentence(*, resumes: bool = False) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Turn what a command raises into a sentence on stderr and an exit code.

    Parameters
    ----------
    resumes : bool
        Whether the same command, given again, continues what was stopped.
    """

    def decorate(command: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(command)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
            try:
                with needs_extra(f"objectwise {command.__name__}"):
                    return command(*args, **kwargs)
            except (typer.Exit, typer.Abort, typer.BadParameter):
                raise
            except ObjectwiseError as error:
                _explain(f"error: {error}")
                raise typer.Exit(MISUSED) from error
            except KeyboardInterrupt as error:
                again = "; the same command resumes the run" if resumes else "; nothing was half written"
                say(f"\ninterrupted{again}")
                raise typer.Exit(INTERRUPTED) from error
            except Exception as error:
                again = "; the same command resumes the run" if resumes else ""
                _explain(f"failed: {type(error).__name__}: {error}{again} (--debug shows where)")
                raise typer.Exit(FAILED) from error

        return guarded

    return decorate


class Debugging:
    """Whether `--debug` was given; set once by the main command."""

    on = False


def _explain(sentence: str) -> None:
    if Debugging.on:
        traceback.print_exc()
    say(sentence)
