"""What steps left as JSON, read again: each reader gets the keys it relies on, or a sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from objectwise.atomic import read_json
from objectwise.errors import ArgumentError
from objectwise.workflow.engine import read_record
from objectwise.workflow.layout import RunDirectory

Keys = Mapping[str, type | tuple[type, ...]]

_THRESHOLD_OR_NONE = (int, float, type(None))
_SCORES: Keys = {
    "volumes": dict,
    "dimensions": int,
    "threshold": _THRESHOLD_OR_NONE,
    "mean": (dict, type(None)),
}
_THRESHOLD: Keys = {"threshold": _THRESHOLD_OR_NONE, "sweep": list}


def read_scores(here: RunDirectory) -> dict[str, Any]:
    """Return what `evaluate` wrote.

    Raises
    ------
    ArgumentError
        If it is something else.
    """
    return _read(here.scores, _SCORES)


def read_threshold(here: RunDirectory) -> dict[str, Any]:
    """Return what `segment` wrote of its threshold; raises as `read_scores`."""
    return _read(here.threshold, _THRESHOLD)


def recorded_digests(here: RunDirectory, names: Sequence[str]) -> dict[str, str]:
    """Return, by the name of each input, what the complete ones of these steps were done with."""
    records = [read_record(here.path / name) for name in names if here.has_completed(name)]
    return {name: one["digest"] for known in records for name, one in known.get("inputs", {}).items()}


def _read(path: Path, keys: Keys) -> dict[str, Any]:
    content = read_json(path)
    if isinstance(content, dict) and all(isinstance(content.get(key), kind) for key, kind in keys.items()):
        return content
    raise ArgumentError(
        f"`{path}` must be as its step wrote it, got something else; delete it to have the step done again"
    )
