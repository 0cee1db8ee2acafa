"""The log of a training: a CSV with a row a step, read to its last whole row."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from objectwise.errors import ArgumentError


def read_metrics(path: Path | str) -> list[dict[str, float]]:
    """Read the rows of a training log, such as `metrics.csv`.

    Parameters
    ----------
    path : path
        A header line, then one line a step; a blank cell is a term that was not computed then.

    Returns
    -------
    list of dict
        NaN for blanks and words. A last row that a kill cut short is left out; a missing file has no rows.

    Raises
    ------
    ArgumentError
        If it is something else.
    """
    path = Path(path)
    if not path.is_file():
        return []
    try:
        # Rows are whole only up to the last line break.
        lines = path.read_text(encoding="utf-8").rpartition("\n")[0].splitlines()
        rows = csv.DictReader(lines)
        if lines and "step" not in (rows.fieldnames or ()):
            raise _no_log(path, f"no column 'step' in {lines[0][:80]!r}")
        return [
            {name: _number(cell) for name, cell in row.items()}
            for row in rows
            if None not in row.values() and None not in row
        ]
    except (UnicodeDecodeError, csv.Error) as error:
        raise _no_log(path, str(error)) from error


def _no_log(path: Path, reason: str) -> ArgumentError:
    return ArgumentError(f"`{path}` must be the log of a training, got {reason}; delete it to go without")


def read_curves(path: Path | str) -> dict[str, NDArray[np.float64]]:
    """Read a training log as columns, (n,) float64 each; see `read_metrics`. A log without rows has none."""
    rows = read_metrics(path)
    names = rows[0] if rows else ()
    return {name: np.array([row[name] for row in rows], dtype=np.float64) for name in names}


def share_of_waiting(path: Path | str) -> float | None:
    """Return the mean share of its steps that a training waited for patches; None of a log without it."""
    shares = [row["waiting"] for row in read_metrics(path) if not math.isnan(row.get("waiting", math.nan))]
    return math.fsum(shares) / len(shares) if shares else None


def _number(cell: str) -> float:
    try:
        return float(cell or "nan")
    except ValueError:
        return math.nan
