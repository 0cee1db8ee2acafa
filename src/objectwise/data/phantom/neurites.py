"""Neurites as chains of balls: thick processes first, thinner ones into the room that they leave."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from objectwise.data.phantom.noise import Float64

# Calibre classes: radius in units of half the cell size, and the share of space filled once it is done.
# Chosen for the spread of profile areas of real neuropil: most are small, a few are huge.
CALIBRES = ((2.4, 0.06), (1.8, 0.17), (1.3, 0.31), (0.95, 0.46), (0.7, 0.57), (0.5, 0.66))
_DIRECTIONS_TRIED = 6
_BRANCHING = 0.05
_BLOCKED = 0.2


class Balls(NamedTuple):
    """Balls of all neurites, in the order in which they grew."""

    centre: Float64
    """(n, 3), voxels of the finest axis."""
    radius: Float64
    """(n,), same unit."""
    owner: NDArray[np.int64]
    """(n,), neurite of each ball, from 0."""
    branch: NDArray[np.int64]
    """(n,), unbranched stretch of each ball; the balls of one stretch follow each other."""


class _Space:
    """A coarse grid that remembers which neurite fills it; 0 is free."""

    def __init__(self, low: Float64, high: Float64, grid: float) -> None:
        self.low = low
        self.grid = grid
        self.owner = np.zeros(np.ceil((high - low) / grid).astype(int) + 1, dtype=np.int32)
        self.filled = 0

    def inside(self, point: Float64) -> bool:
        index = (point - self.low) / self.grid
        return bool((index >= 0).all() and (index < np.array(self.owner.shape) - 0.5).all())

    def blocked(self, points: Float64, owner: int) -> Float64:
        """Return the share of each row of probes, (..., p, 3), that lies in another neurite."""
        index = np.rint((points - self.low) / self.grid).astype(np.intp)
        # Probes that leave the grid look at its rim: the tissue goes on there.
        np.clip(index, 0, np.array(self.owner.shape) - 1, out=index)
        found = self.owner[index[..., 0], index[..., 1], index[..., 2]]
        share: Float64 = ((found != 0) & (found != owner)).mean(axis=-1)
        return share

    def fill(self, centre: Float64, radius: float, owner: int) -> int:
        """Give a ball's free cells to a neurite, and return their number."""
        index = (centre - self.low) / self.grid
        reach = radius / self.grid
        first = np.maximum(np.ceil(index - reach), 0).astype(int)
        last = np.floor(index + reach).astype(int) + 1
        box = tuple(slice(a, b) for a, b in zip(first, last, strict=True))
        z, y, x = (
            (np.arange(part.start, min(part.stop, n)) - i) ** 2
            for part, i, n in zip(box, index, self.owner.shape, strict=True)
        )
        room = self.owner[box]
        fresh = (z[:, None, None] + y[:, None] + x <= reach * reach) & (room == 0)
        room[fresh] = owner
        gained = int(np.count_nonzero(fresh))
        self.filled += gained
        return gained

    def starts(self, rng: np.random.Generator, radius: float) -> Float64:
        """Return free places with room for a ball of this radius, in random order."""
        clearance = ndimage.distance_transform_edt(self.owner == 0, sampling=self.grid)
        places = np.flatnonzero(clearance >= radius) if self.filled else np.arange(self.owner.size)
        places = rng.permutation(places)[:20_000]
        points: Float64 = self.low + self.grid * np.stack(
            np.unravel_index(places, self.owner.shape), axis=1
        ).astype(np.float64)
        return points


def grow_neurites(rng: np.random.Generator, extent: Float64, cell_size: float) -> Balls:
    """Pack branching neurites into the box [0, extent] and a margin around it.

    Parameters
    ----------
    rng : numpy.random.Generator
    extent : (3,) float, voxels of the finest axis
    cell_size : float
        Typical diameter of a neurite, same unit.
    """
    margin = cell_size
    space = _Space(np.full(3, -margin), extent + margin, grid=max(cell_size / 10, 0.5))
    grower = _Grower(rng, space, thinnest=CALIBRES[-1][0] * cell_size / 2)
    for calibre, share in CALIBRES:
        radius = calibre * cell_size / 2
        for start in space.starts(rng, radius):
            if space.filled >= share * space.owner.size:
                break
            grower.grow(start, radius)
    return grower.balls()


class _Grower:
    """Random walks that prefer free room."""

    def __init__(self, rng: np.random.Generator, space: _Space, thinnest: float) -> None:
        self.rng = rng
        self.thinnest = thinnest
        self.space = space
        self.rows: list[tuple[float, float, float, float, int, int]] = []
        self.neurites = 0
        self.branches = 0
        self.probes = _fibonacci_sphere(14)

    def grow(self, start: Float64, radius: float) -> None:
        """Grow one neurite both ways from a free place; does nothing if the place has been taken."""
        radius *= self.rng.uniform(0.8, 1.2)
        if self.space.blocked(start + radius * self.probes, 0) > _BLOCKED:
            return
        self.neurites += 1
        direction = _unit(self.rng.standard_normal(3))
        tips = [(start, direction, radius), (start, -direction, radius)]
        while tips:
            tips += self._walk(*tips.pop())

    def _walk(
        self, point: Float64, direction: Float64, radius: float
    ) -> list[tuple[Float64, Float64, float]]:
        """Walk until the way is blocked or the box ends; return the branches left behind."""
        side_tips = []
        self.branches += 1
        calibre = 1.0
        patience = 3
        while self.space.inside(point):
            # Calibre wanders around 1, with a varicosity now and then.
            calibre += 0.3 * (1 - calibre) + 0.09 * self.rng.standard_normal()
            calibre += 0.6 * (self.rng.random() < 0.02)
            size = radius * min(max(calibre, 0.6), 1.6)
            self.rows.append((*point.tolist(), size, self.neurites - 1, self.branches - 1))
            # A walk that fills no new room has curled up in itself, and would never end.
            patience = 3 if self.space.fill(point, size, self.neurites) else patience - 1
            if patience == 0:
                break
            turned = direction + 0.3 * self.rng.standard_normal((_DIRECTIONS_TRIED, 3))
            turned /= np.linalg.norm(turned, axis=1, keepdims=True)
            ahead = point + 0.6 * size * turned
            share = self.space.blocked(ahead[:, None] + size * self.probes, self.neurites)
            best = int(np.argmin(share))
            if share[best] > _BLOCKED:
                break
            if self.rng.random() < _BRANCHING:
                aside = _unit(direction + self.rng.standard_normal(3))
                thinner = radius * self.rng.uniform(0.5, 0.9)
                if thinner >= self.thinnest:
                    side_tips.append((point, aside, thinner))
            point, direction = ahead[best], turned[best]
        return side_tips

    def balls(self) -> Balls:
        table = np.array(self.rows, dtype=np.float64).reshape(-1, 6)
        return Balls(table[:, :3], table[:, 3], table[:, 4].astype(np.int64), table[:, 5].astype(np.int64))


def _unit(vector: Float64) -> Float64:
    length: Float64 = vector / np.linalg.norm(vector)
    return length


def _fibonacci_sphere(n: int) -> Float64:
    """Return n nearly even directions."""
    height = (2 * np.arange(n) + 1) / n - 1
    angle = np.pi * (3 - np.sqrt(5)) * np.arange(n)
    ring = np.sqrt(1 - height**2)
    return np.stack([height, ring * np.sin(angle), ring * np.cos(angle)], axis=1)
