"""Scores by name, whatever they are, and their means."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

Row = Mapping[str, float]
"""Scores by name; NaN where there is none."""


def mean_row(rows: Sequence[Row]) -> dict[str, float]:
    """Return the mean of each score over the rows that have it; NaN where none has."""
    names = rows[0] if rows else ()
    kept = {name: [row[name] for row in rows if not math.isnan(row[name])] for name in names}
    return {name: math.fsum(values) / len(values) if values else math.nan for name, values in kept.items()}


def plain(row: Row) -> dict[str, float | None]:
    """Return a row for JSON, which has no NaN."""
    return {name: None if math.isnan(value) else value for name, value in row.items()}
