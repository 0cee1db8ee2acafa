"""What a row of the table of bad inputs is: how to make it, what comes of it, and the words it must hold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from objectwise.errors import ArgumentError, ObjectwiseError


@dataclass(frozen=True)
class Call:
    """A call of the library that must raise.

    Parameters
    ----------
    name : str
        What is wrong, in a few words.
    make : the call
    words : str
        A part of the sentence.
    error : class of ours, optional
    """

    name: str
    make: Callable[[], Any]
    words: str
    error: type[ObjectwiseError] = ArgumentError


@dataclass(frozen=True)
class Setting:
    """A configuration that must be refused: settings on a sound one, or a text of its own."""

    name: str
    settings: tuple[str, ...]
    words: str
    text: str | None = None


@dataclass(frozen=True)
class File:
    """A volume on disk that must not be read, made in an empty folder; `open` gets its location."""

    name: str
    make: Callable[[Any], str]
    words: str
    error: type[ObjectwiseError]


@dataclass(frozen=True)
class Command:
    """A command line that must end with an exit code; `{name}` in it is one of the `places` of inputs.py."""

    name: str
    line: str
    words: str
    code: int = 2


@dataclass(frozen=True)
class Damage:
    """A command on a run directory in which something was damaged; `{run}` in it is a copy of a sound run."""

    name: str
    damage: Callable[[Any], Any]
    line: str
    words: str
    code: int = 2
