"""Mirror images and quarter turns of volumes and of their affinities, whose channels turn along."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectwise.errors import ArgumentError, ShapeError
from objectwise.graph.neighborhood import Offsets, offsets_array


@dataclass(frozen=True)
class Turn:
    """A symmetry of the grid: some axes mirrored, then quarter turns of the last two.

    Parameters
    ----------
    mirrored : (ndim,) bool
    quarters : 0 to 3
        Turns by 90 degrees from the axis before the last towards the last.
    """

    mirrored: tuple[bool, ...]
    quarters: int = 0

    def __call__(self, array: NDArray[Any]) -> NDArray[Any]:
        """Return (..., *spatial) values with their last axes turned; a view."""
        ndim = len(self.mirrored)
        axes = tuple(axis - ndim for axis, mirrored in enumerate(self.mirrored) if mirrored)
        return np.rot90(np.flip(array, axes), self.quarters, axes=(-2, -1))

    def back(self, array: NDArray[Any]) -> NDArray[Any]:
        """Return what the turn was made of; a view."""
        ndim = len(self.mirrored)
        axes = tuple(axis - ndim for axis, mirrored in enumerate(self.mirrored) if mirrored)
        return np.flip(np.rot90(array, -self.quarters, axes=(-2, -1)), axes)

    def offsets_back(self, offsets: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return what offsets (k, ndim) of the turned volume are in the volume itself."""
        rows = offsets.copy()
        for _ in range(self.quarters % 4):
            # A turned array's last axis runs against the axis before the last of what it was turned from.
            rows[:, [-2, -1]] = np.stack([rows[:, -1], -rows[:, -2]], 1)
        signs = np.where(self.mirrored, -1, 1)
        return rows * signs

    def affinities_back(self, affinities: NDArray[Any], offsets: Offsets) -> NDArray[Any]:
        """Return the affinities of a volume from those of the turned one.

        Parameters
        ----------
        affinities : (k, *spatial)
            Of the turned volume, channel i for the edges (v, v + offsets[i]) there.
        offsets : Neighborhood or (k, ndim) int, voxels

        Returns
        -------
        (k, *spatial)
            Of the volume itself, for the same offsets; 0 where an edge leaves it.

        Raises
        ------
        ArgumentError
            If an offset has no partner: turned, it must be a row of the table or the negative of one.
        """
        table = offsets_array(offsets)
        turned = self.back(affinities)
        out = np.zeros_like(turned)
        rows = {tuple(row): channel for channel, row in enumerate(table.tolist())}
        for channel, row in enumerate(self.offsets_back(table).tolist()):
            if tuple(row) in rows:
                out[rows[tuple(row)]] = turned[channel]
                continue
            opposite = tuple(-step for step in row)
            if opposite not in rows:
                raise ArgumentError(
                    f"`offsets` must have {row} or its negative to be turned along with "
                    f"{table[channel].tolist()}, "
                    f"got {table.tolist()}; predict without flips"
                )
            # The same edge stands at its other end.
            here, there = _ends(turned.shape[1:], row)
            out[rows[opposite]][there] = turned[channel][here]
        _clear_outside(out, table)
        return out


def turns(ndim: int, *, square: bool) -> Iterator[Turn]:
    """Yield all mirror images of a volume, and with `square` sections their quarter turns, each once.

    2^ndim turns, twice as many with a square plane: a half turn is two mirror images.
    """
    if ndim not in (2, 3):
        raise ShapeError(f"`ndim` must be 2 or 3, got {ndim}")
    for quarters in (0, 1) if square else (0,):
        for mirrored in itertools.product((False, True), repeat=ndim):
            yield Turn(mirrored, quarters)


def _ends(spatial: tuple[int, ...], offset: list[int]) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Return the voxels v whose v + offset lies inside, and those v + offset."""
    here, there = [], []
    for length, step in zip(spatial, offset, strict=True):
        here.append(slice(max(0, -step), length - max(0, step)))
        there.append(slice(max(0, step), length - max(0, -step)))
    return tuple(here), tuple(there)


def _clear_outside(affinities: NDArray[Any], table: NDArray[np.int64]) -> None:
    """Set edges that leave the volume to 0."""
    for channel, row in zip(affinities, table.tolist(), strict=True):
        here, _ = _ends(channel.shape, row)
        inside = channel[here].copy()
        channel[...] = 0
        channel[here] = inside
