"""Patches for training: patch number i of a seed is always the same patch.

Nothing is drawn in sequence: every patch has a random generator of its own, made from (seed, i). So the
patches do not depend on how many processes load them, in which order, or where a killed run went on.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from objectwise.checks import check_labels, check_same_shape
from objectwise.data.intensity import normalise_raw, raw_range
from objectwise.errors import ArgumentError, ShapeError

TRIES = 50
"""Corners drawn for one patch before the best of them is taken."""

# Streams of one (seed, i), so that augmenting differently never moves a patch.
_CORNER_STREAM, _AUGMENTATION_STREAM = 0, 1


class LabelledVolume(NamedTuple):
    """A raw volume and its labels, both (z, y, x), or (y, x) for 2-D patches."""

    name: str
    raw: NDArray[Any]
    labels: NDArray[Any]


class Patch(NamedTuple):
    """Training data cut from one volume."""

    raw: NDArray[np.float32]
    """(1, *patch_shape) float32, 0..1."""
    labels: NDArray[np.int64]
    """(*patch_shape) int64: 0 is background, the patch's objects are 1..n in the order of their ids."""


class Position(NamedTuple):
    """Where a patch lies: the number of its volume, and its first voxel there."""

    volume: int
    corner: tuple[int, ...]


Augmentation = Callable[[Patch, int], Patch]
"""Change a patch by a seed: equal seeds, equal changes."""


class PatchSampler:
    """All patches of a seed, by number; a map-style data set for a data loader.

    Every position of every volume is equally likely, so large volumes give more patches. A patch with a
    labelled fraction below `minimum_foreground` is drawn again, at most 50 times; then the fullest of the
    corners drawn is taken, so no draw is endless and none depends on another.

    Parameters
    ----------
    volumes : sequence of LabelledVolume
        Shapes may differ; none may be smaller than the patch (its border would be invented).
    patch_shape : (2,) or (3,) int, voxels
        Two numbers cut single sections from the stacks.
    seed : int, >= 0
    minimum_foreground : float, 0..1
        Least fraction of voxels with a label other than 0.
    augmentation : callable, optional
        Called with the patch and a seed made from (seed, i).

    Raises
    ------
    ShapeError
        If raw and labels differ in shape, or a volume is smaller than the patch.
    DtypeError
        If labels are not integers.
    ArgumentError
        If a volume has no patch with enough labelled voxels.
    """

    def __init__(
        self,
        volumes: Sequence[LabelledVolume],
        patch_shape: Sequence[int],
        *,
        seed: int,
        minimum_foreground: float = 0.0,
        augmentation: Augmentation | None = None,
    ) -> None:
        if not volumes:
            raise ArgumentError("`volumes` must hold at least one volume, got none")
        if len(patch_shape) not in (2, 3) or min(patch_shape) < 1:
            raise ShapeError(f"`patch_shape` must be 2 or 3 positive numbers, got {tuple(patch_shape)}")
        self.patch_shape = tuple(int(length) for length in patch_shape)
        self.seed = seed
        self.minimum_foreground = minimum_foreground
        self._augmentation = augmentation
        self._window = (1,) * (3 - len(self.patch_shape)) + self.patch_shape
        self._volumes = [self._checked(volume) for volume in volumes]
        self._ranges = [raw_range(volume.raw) for volume in self._volumes]
        positions = [math.prod(self._n_corners(volume)) for volume in self._volumes]
        self._volume_ends = np.cumsum(positions)

    def position(self, index: int) -> Position:
        """Return where patch number `index` lies."""
        generator = np.random.default_rng([self.seed, index, _CORNER_STREAM])
        best, best_fraction = self._draw(generator)
        for _ in range(TRIES - 1):
            if best_fraction >= self.minimum_foreground:
                break
            candidate, fraction = self._draw(generator)
            if fraction > best_fraction:
                best, best_fraction = candidate, fraction
        return best

    def __getitem__(self, index: int) -> Patch:
        """Return patch number `index` (any number from 0 on), augmented."""
        position = self.position(index)
        box = self._box(position)
        volume = self._volumes[position.volume]
        raw = normalise_raw(volume.raw[box], self._ranges[position.volume])
        patch = Patch(
            raw.reshape(1, *self.patch_shape),
            compact_labels(volume.labels[box].reshape(self.patch_shape)),
        )
        if self._augmentation is None:
            return patch
        generator = np.random.default_rng([self.seed, index, _AUGMENTATION_STREAM])
        return self._augmentation(patch, int(generator.integers(2**32)))

    def _draw(self, generator: np.random.Generator) -> tuple[Position, float]:
        flat = int(generator.integers(self._volume_ends[-1]))
        number = int(np.searchsorted(self._volume_ends, flat, side="right"))
        first = int(self._volume_ends[number - 1]) if number else 0
        volume = self._volumes[number]
        corner = tuple(int(i) for i in np.unravel_index(flat - first, self._n_corners(volume)))
        position = Position(number, corner)
        if self.minimum_foreground == 0:
            return position, 1.0
        labels = volume.labels[self._box(position)]
        return position, np.count_nonzero(labels) / labels.size

    def _box(self, position: Position) -> tuple[slice, ...]:
        return tuple(
            slice(start, start + length) for start, length in zip(position.corner, self._window, strict=True)
        )

    def _n_corners(self, volume: LabelledVolume) -> tuple[int, ...]:
        return tuple(
            length - window + 1 for length, window in zip(volume.raw.shape, self._window, strict=True)
        )

    def _checked(self, volume: LabelledVolume) -> LabelledVolume:
        name, raw, labels = volume
        check_labels(labels, name=f"labels of {name}")
        check_same_shape(raw, labels, names=(f"raw of {name}", f"labels of {name}"))
        if raw.ndim == 2 and len(self.patch_shape) == 2:
            raw, labels = raw[None], labels[None]
        if raw.ndim != 3:
            raise ShapeError(f"`raw of {name}` must have the axes z, y, x, got shape {raw.shape}")
        if any(length < window for length, window in zip(raw.shape, self._window, strict=True)):
            raise ShapeError(
                f"`patch_shape` must fit in every volume, got {self.patch_shape} for {name} of shape "
                f"{volume.raw.shape}; take a smaller patch or leave the volume out"
            )
        fullest = largest_foreground(labels, self._window) if self.minimum_foreground > 0 else 1.0
        if fullest < self.minimum_foreground:
            raise ArgumentError(
                f"`minimum_foreground` must be reached by some patch of every volume, got "
                f"{self.minimum_foreground} where the fullest patch of {name} has {fullest:.3g}; "
                "lower it, or check that these are the volume's labels"
            )
        return LabelledVolume(name, raw, labels)


def compact_labels(labels: NDArray[Any]) -> NDArray[np.int64]:
    """Renumber the objects 1..n in the order of their ids; 0 stays 0.

    Ids of 64 bits become small ones that every dtype of at least 32 bits holds exactly, float32 included.
    """
    ids, inverse = np.unique(labels, return_inverse=True)
    first = 0 if ids[0] == 0 else 1
    return inverse.reshape(labels.shape).astype(np.int64) + first


def largest_foreground(labels: NDArray[Any], window: Sequence[int]) -> float:
    """Return the largest labelled fraction of any window of this shape.

    Window sums are separable: one running sum per axis, whatever the window.
    """
    counts = (labels != 0).astype(np.int32)
    for axis, length in enumerate(window):
        sums = np.cumsum(counts, axis=axis, dtype=np.int64)
        lead = np.take(sums, [length - 1], axis=axis)
        n = sums.shape[axis]
        upper = np.take(sums, range(length, n), axis=axis)
        lower = np.take(sums, range(n - length), axis=axis)
        counts = np.concatenate([lead, upper - lower], axis=axis)
    return float(counts.max() / math.prod(window))
