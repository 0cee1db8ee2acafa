"""From exceptions to exit codes: 0 done, 1 failed, 2 misused, 130 interrupted."""

from __future__ import annotations

import errno
import functools
import os
import select
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ParamSpec, TypeVar

import typer

from objectwise.errors import ObjectwiseError, ObjectwiseWarning, VolumeWriteError, needs_extra

P = ParamSpec("P")
R = TypeVar("R")

FAILED, MISUSED, INTERRUPTED = 1, 2, 130
_RESUMES = "the same command resumes the run"
_WRONG_PATH = (errno.ENAMETOOLONG, errno.ELOOP)
"""No file can have such a name, or it is a link to itself: the one who gave it is at fault."""
_KEPT = "; completed steps are kept"
"""Of a failure that the same command may meet again."""


def say(text: str) -> None:
    """Print one line to stderr."""
    print(text, file=sys.stderr)


@contextmanager
def resumable() -> Iterator[None]:
    """Note on whatever stops this block that it is a run, whose completed parts are kept."""
    try:
        yield
    except BaseException as error:
        error.add_note(_RESUMES)
        raise


def one_sentence(command: Callable[P, R]) -> Callable[P, R]:
    """Turn what a command raises into a sentence on stderr and an exit code."""

    @functools.wraps(command)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            with _warnings_as_sentences(), needs_extra(f"objectwise {command.__name__}"):
                return command(*args, **kwargs)
        except (typer.Exit, typer.Abort, typer.BadParameter):
            raise
        except VolumeWriteError as error:
            again = f"; once that is mended, {_RESUMES}" if _resumes(error) else ""
            _explain(f"failed: {error}{again}")
            raise typer.Exit(FAILED) from error
        except ObjectwiseError as error:
            _explain(f"error: {error}")
            raise typer.Exit(MISUSED) from error
        except KeyboardInterrupt as error:
            say(f"\ninterrupted; {_RESUMES if _resumes(error) else 'nothing was half written'}")
            raise typer.Exit(INTERRUPTED) from error
        except Exception as error:
            if isinstance(error, BrokenPipeError) and hasattr(select, "poll") and _nobody_reads():
                raise typer.Exit(FAILED) from error
            if isinstance(error, OSError) and error.errno in _WRONG_PATH:
                _explain(f"error: `{error.filename}` must be a path, got {error.strerror}")
                raise typer.Exit(MISUSED) from error
            kept = _KEPT if _resumes(error) else ""
            _explain(f"failed: {_reason(error)}{kept} (--debug shows where)")
            raise typer.Exit(FAILED) from error

    return guarded


@contextmanager
def _warnings_as_sentences() -> Iterator[None]:
    """Print our own warnings as a line each, without file and line of code; those of others stay theirs."""
    with warnings.catch_warnings():
        warnings.simplefilter("always", ObjectwiseWarning)
        show, said = warnings.showwarning, set[str]()

        def shown(message: Warning | str, category: type[Warning], *args: Any, **kwargs: Any) -> None:
            if not issubclass(category, ObjectwiseWarning):
                show(message, category, *args, **kwargs)
            elif str(message) not in said:  # a volume is looked at several times
                said.add(str(message))
                say(f"warning: {message}")

        warnings.showwarning = shown
        yield


class Debugging:
    """Whether `--debug` was given; set once by the main command."""

    on = False


def _explain(sentence: str) -> None:
    if Debugging.on:
        traceback.print_exc()
    say(sentence)


def _reason(error: Exception) -> str:
    """Say what stopped a command in words of ours where we have them."""
    text = f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"
    # torch has an exception of its own on a GPU, and none on the CPU.
    if isinstance(error, MemoryError) or "out of memory" in text.lower() or "t allocate memory" in text:
        return f"the memory did not suffice; choose smaller patches, windows or batches ({text})"
    return text


def _nobody_reads() -> bool:
    """Say whether stdout leads to a process that has ended, as `head` has after its lines; then mute it."""
    watch = select.poll()
    watch.register(sys.stdout.fileno(), 0)  # errors are always told
    if not any(event & select.POLLERR for _, event in watch.poll(0)):
        return False
    # What is still to be written at the end of the process would be another error.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return True


def _resumes(error: BaseException) -> bool:
    return _RESUMES in getattr(error, "__notes__", ())
