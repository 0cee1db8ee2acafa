"""What the pages of all tasks have in common: templates, the configurations of the runs, and the file."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from objectwise.atomic import replaced_file
from objectwise.errors import ArgumentError, ShapeError


def fill(template: str, **content: Any) -> str:
    """Return a page: a template of this package with every value in it escaped."""
    return _environment().get_template(template).render(version=_version(), **content)


def write_page(path: Path | str, page: str) -> Path:
    """Write a page, whole or not at all; a file of that name is replaced."""
    path = Path(path)
    with replaced_file(path) as partial:
        partial.write_text(page, encoding="utf-8")
    return path


def check_runs(runs: Sequence[tuple[str, Mapping[str, tuple[int, ...]]]]) -> None:
    """Require runs, given by name and the shapes of their volumes, that can be compared."""
    if not runs:
        raise ArgumentError("`runs` must hold at least one run, got none")
    names = [name for name, _ in runs]
    if len(set(names)) < len(names):
        raise ArgumentError(f"`runs` must have different names, got {names}")
    known: dict[str, tuple[int, ...]] = {}
    for _, volumes in runs:
        for volume, other in volumes.items():
            shape = known.setdefault(volume, other)
            if shape != other:
                raise ShapeError(
                    f"`runs` must agree on the shape of volume {volume!r}, "
                    f"got {shape} and {other}; compare runs on the same data"
                )


def configurations(runs: Sequence[tuple[str, str]]) -> list[tuple[str, list[tuple[str, bool]]]]:
    """Return each run's configuration (YAML) as lines, those marked that differ from the first run's."""
    texts = [text.splitlines() for _, text in runs]
    differs = [[False] * len(lines) for lines in texts]
    for index in range(1, len(texts)):
        matcher = difflib.SequenceMatcher(None, texts[0], texts[index], autojunk=False)
        for tag, begin, end, other_begin, other_end in matcher.get_opcodes():
            if tag != "equal":
                differs[0][begin:end] = [True] * (end - begin)
                differs[index][other_begin:other_end] = [True] * (other_end - other_begin)
    return [
        (name, list(zip(lines, marks, strict=True)))
        for (name, _), lines, marks in zip(runs, texts, differs, strict=True)
        if lines
    ]


def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("objectwise.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _version() -> str:
    try:
        return metadata.version("objectwise")
    except metadata.PackageNotFoundError:
        return ""
