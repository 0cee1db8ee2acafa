"""The contingency tables of the sections of a stack: each voxel counted once, for all its scores."""

from __future__ import annotations

import itertools
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectwise.atomic import replaced_file
from objectwise.checks import check_same_shape
from objectwise.errors import ShapeError, VolumeError
from objectwise.metrics.borders import mask_borders
from objectwise.metrics.contingency import ContingencyTable
from objectwise.metrics.protocols import Protocol, find_protocol

_ROWS = "rows_of_section"


def section_tables(
    *, truth: NDArray[Any], segmentation: NDArray[Any], protocol: str | Protocol = "cremi"
) -> list[ContingencyTable]:
    """Count the id pairs of every section of a stack.

    Where ids mean the same in all sections, `ContingencyTable.merged` of the tables is that of the stack.

    Parameters
    ----------
    truth, segmentation : (z, y, x), any integer dtypes, not negative
    protocol : str or Protocol
        Its `border_distance` masks truth before it is counted; what it ignores is counted all the same.

    Returns
    -------
    list of ContingencyTable, one per z

    Raises
    ------
    DtypeError, ArgumentError, ShapeError
        If an array is not 3-D, holds no integers or negative ones, or if the shapes differ.
    """
    rules = find_protocol(protocol)
    check_same_shape(np.asarray(truth), np.asarray(segmentation), names=("truth", "segmentation"))
    if np.ndim(truth) != 3:
        raise ShapeError(
            f"`truth` must be a stack (z, y, x) to score its sections, got shape {np.shape(truth)}; "
            "use evaluate for one image"
        )
    if rules.border_distance is not None:
        truth = mask_borders(truth, rules.border_distance)
    return [
        ContingencyTable.from_labels(truth=true_section, segmentation=section)
        for true_section, section in zip(truth, segmentation, strict=True)
    ]


def save_tables(path: Path, tables: Sequence[ContingencyTable]) -> None:
    """Write tables as one `.npz` of plain arrays: the rows of all, and how many rows each has.

    Equal tables give equal bytes; a file of that name is replaced, whole or not at all.
    """
    rows = [table.arrays() for table in tables]
    columns: dict[str, Any] = {
        name: np.concatenate([empty, *(one[name] for one in rows)])
        for name, empty in ContingencyTable.empty().arrays().items()
    }
    columns[_ROWS] = np.array([len(one["counts"]) for one in rows], np.int64)
    with replaced_file(path) as partial, partial.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **columns)


def load_tables(path: Path) -> list[ContingencyTable]:
    """Read what `save_tables` wrote.

    Raises
    ------
    VolumeError
        If there is no such file, or it is damaged or something else.
    """
    path = Path(path)
    if not path.is_file():
        raise VolumeError(f"`path` must be a file of contingency tables, got no such file: {path}")
    if not zipfile.is_zipfile(path):
        raise VolumeError(f"`path` must be a whole .npz file of contingency tables, got {path}")
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            n_rows = archive[_ROWS]
            columns = [archive[name] for name in ContingencyTable.empty().arrays()]
        return _split(columns, n_rows)
    except MemoryError:
        raise
    except Exception as error:  # damage shows as whatever zipfile, zlib and numpy's header stumble over
        raise VolumeError(
            f"`path` must be a whole .npz file of contingency tables, got {path} "
            f"({str(error) or type(error).__name__})"
        ) from error


def _split(columns: Sequence[NDArray[Any]], n_rows: NDArray[Any]) -> list[ContingencyTable]:
    """Cut the rows of all tables into those of each, and check them."""
    bounds = [0, *np.cumsum(n_rows).tolist()]
    lengths = {bounds[-1], *map(len, columns)}
    if n_rows.dtype != np.int64 or (n_rows < 0).any() or len(lengths) > 1:
        raise ShapeError(f"`{_ROWS}` must add up to the rows, got {bounds[-1]} for {len(columns[-1])}")
    return [
        ContingencyTable(*(column[start:stop] for column in columns))
        for start, stop in itertools.pairwise(bounds)
    ]
