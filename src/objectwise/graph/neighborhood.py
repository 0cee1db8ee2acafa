"""Neighborhoods: which voxels are joined by an edge, and where the edge is stored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from objectwise.checks import check_offsets
from objectwise.errors import ArgumentError, DtypeError, ShapeError


@dataclass(frozen=True)
class Neighborhood:
    """A set of edges per voxel: channel i at voxel v is the edge (v, v + offsets[i]).

    Parameters
    ----------
    offsets : (k, ndim) int, voxels, axis order z, y, x
        Any number and length, either sign, 2-D or 3-D; no zero row, and no row equal or opposite to another.
    voxel_size : ndim floats, optional
        Physical size of a voxel along each axis; only `lengths` uses it.

    Raises
    ------
    ShapeError, DtypeError, ArgumentError
        If `offsets` is no such table, or `voxel_size` is not positive or has another number of axes.

    Examples
    --------
    >>> Neighborhood.nearest(3).offsets
    ((-1, 0, 0), (0, -1, 0), (0, 0, -1))
    >>> Neighborhood([[0, 1], [3, 0]]).lengths
    (1.0, 3.0)
    """

    offsets: tuple[tuple[int, ...], ...]
    voxel_size: tuple[float, ...] | None = None

    def __init__(self, offsets: Any, voxel_size: Sequence[float] | None = None) -> None:
        table = check_offsets(offsets)
        object.__setattr__(self, "offsets", tuple(tuple(row) for row in table.tolist()))
        if voxel_size is not None:
            try:
                voxel_size = tuple(float(size) for size in voxel_size)
            except (TypeError, ValueError) as error:
                raise DtypeError(f"`voxel_size` must hold one number per axis, got {voxel_size!r}") from error
            if len(voxel_size) != table.shape[1]:
                raise ShapeError(
                    f"`voxel_size` must have one number per axis ({table.shape[1]}), got {voxel_size}"
                )
            if not all(np.isfinite(size) and size > 0 for size in voxel_size):
                raise ArgumentError(f"`voxel_size` must be positive, got {voxel_size}")
        object.__setattr__(self, "voxel_size", voxel_size)

    @classmethod
    def nearest(cls, ndim: int, voxel_size: Sequence[float] | None = None) -> Self:
        """Join each voxel to its predecessor along every axis (the negative unit steps, the default)."""
        if not isinstance(ndim, int | np.integer) or ndim not in (2, 3):
            raise ArgumentError(f"`ndim` must be 2 or 3, got {ndim!r}; give the number of axes as an int")
        return cls(-np.eye(ndim, dtype=np.int64), voxel_size)

    @property
    def array(self) -> NDArray[np.int64]:
        """The offsets as a (k, ndim) int64 array."""
        return np.array(self.offsets, dtype=np.int64)

    @property
    def ndim(self) -> int:
        """Number of spatial axes."""
        return len(self.offsets[0])

    @property
    def lengths(self) -> tuple[float, ...]:
        """Length of each edge, in units of `voxel_size` (voxels without one)."""
        scaled = self.array * np.asarray(self.voxel_size or (1.0,) * self.ndim)
        return tuple(np.linalg.norm(scaled, axis=1).tolist())

    def embedded(self) -> Neighborhood:
        """Return the 3-D neighborhood that joins voxels within a section of a stack only."""
        if self.ndim == 3:
            return self
        voxel_size = None if self.voxel_size is None else (1.0, *self.voxel_size)
        return Neighborhood([(0, *row) for row in self.offsets], voxel_size)

    def __len__(self) -> int:
        """Return the number of channels."""
        return len(self.offsets)


Offsets = Neighborhood | Sequence[Sequence[int]] | NDArray[np.integer[Any]]
"""What every `offsets` argument accepts: a Neighborhood, or a (k, ndim) table of integers."""


def offsets_array(offsets: Offsets) -> NDArray[np.int64]:
    """Return the (k, ndim) int64 table of a neighborhood or of a valid table."""
    if isinstance(offsets, Neighborhood):
        return offsets.array
    return check_offsets(offsets)
