"""Results as plain text: aligned columns that survive a pipe."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

SCORES = ("adapted_rand_error", "voi_split", "voi_merge", "cremi_score")


def table(rows: Sequence[Sequence[str]]) -> str:
    """Align columns: the first to the left, numbers to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]

    def cell(text: str, width: int, column: int) -> str:
        number = column > 0 and _is_number(text)
        return text.rjust(width) if number else text.ljust(width)

    lines = (
        "  ".join(cell(*pair, column) for column, pair in enumerate(zip(row, widths, strict=True)))
        for row in rows
    )
    return "\n".join(line.rstrip() for line in lines)


def score_table(rows: Mapping[str, Mapping[str, float | None]], *, first: str) -> str:
    """Return named scores as a table: one row per key of `rows`, the most looked at score first."""
    names = list(next(iter(rows.values())))
    order = [*(name for name in SCORES if name in names), *(name for name in names if name not in SCORES)]
    return number_table(
        {name: {key: values.get(key) for key in order} for name, values in rows.items()}, first=first
    )


def number_table(rows: Mapping[str, Mapping[str, float | None]], *, first: str) -> str:
    """Return named numbers as a table: one row per key of `rows`, all with the same names."""
    names = list(next(iter(rows.values())))
    return table([[first, *names], *([row, *map(score, values.values())] for row, values in rows.items())])


def score(value: float | int | None) -> str:
    """Return a score with four digits, a count as it is; '-' where there is none."""
    if isinstance(value, int):
        return str(value)
    return "-" if value is None or math.isnan(value) else f"{value:.4f}"


def as_json(content: Any) -> str:
    """Return plain data as JSON; NaN becomes null."""
    return json.dumps(_plain(content), indent=2, allow_nan=False)


def _plain(content: Any) -> Any:
    if isinstance(content, Mapping):
        return {str(key): _plain(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_plain(value) for value in content]
    if isinstance(content, float) and not math.isfinite(content):
        return None
    return content if isinstance(content, str | int | float | None) else str(content)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return text == "-"
    return True
