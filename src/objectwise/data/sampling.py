"""Patches for training: patch number i of a seed is always the same patch.

Nothing is drawn in sequence: every patch has a random generator of its own, made from (seed, i). So the
patches do not depend on how many processes load them, in which order, or where a killed run went on.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from objectwise.checks import check_labels, check_whole_number
from objectwise.data.balance import Balance, Places
from objectwise.data.intensity import AnyNormalisation, fit_normalisation
from objectwise.data.labelled_volume import LabelledVolume
from objectwise.errors import ArgumentError, ShapeError

TRIES = 50
"""Corners drawn for one patch before the best of them is taken."""

# Streams of one (seed, i), so that augmenting differently never moves a patch.
_CORNER_STREAM, _AUGMENTATION_STREAM = 0, 1


class Patch(NamedTuple):
    """Training data cut from one volume."""

    raw: NDArray[np.float32]
    """(channels, *patch_shape) float32, 0..1 where an augmentation meets it."""
    truth: Mapping[str, NDArray[Any]]
    """What the volume has of `labels`, `classes`, `ignore` and `unlabelled`, with its channels in front
    where it has any. Labels are int64: 0 is background, the patch's objects are 1..n in the order of their
    ids."""

    @property
    def labels(self) -> NDArray[np.int64]:
        """The ids."""
        return self.truth["labels"]

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the truth, each part (channels, *patch_shape)."""
        ndim = self.raw.ndim
        return {name: part if part.ndim == ndim else part[None] for name, part in self.truth.items()}


class Position(NamedTuple):
    """Where a patch lies: the number of its volume, and its first voxel there."""

    volume: int
    corner: tuple[int, ...]


Augmentation = Callable[[Patch, int], Patch]
"""Change a patch by a seed: equal seeds, equal changes."""


class PatchSampler:
    """All patches of a seed, by number; a map-style data set for a data loader.

    Every position of every volume is equally likely, so large volumes give more patches, unless `balance`
    says otherwise. A patch with a labelled fraction below `minimum_foreground`, or with too few objects, is
    drawn again, at most 50 times; then the fullest of the corners drawn is taken, so no draw is endless and
    none depends on another.

    Parameters
    ----------
    volumes : sequence of LabelledVolume
        Shapes may differ; none may be smaller than the patch (its border would be invented).
    patch_shape : (2,) or (3,) int, voxels
        Two numbers cut single sections from the stacks.
    seed : int, >= 0
    minimum_foreground : float, 0..1
        Least fraction of voxels with a label or a class other than 0.
    covered : (ndim,) int, voxels, optional
        What a network's output covers of a patch, its middle: of that the two rules above, and `balance`,
        are asked. All of the patch by default.
    balance : Balance, optional
        Which objects or classes patches are drawn around, and how many objects they hold.
    augmentation : callable, optional
        Called with the patch and a seed made from (seed, i).
    normalisation : Normalisation or ChannelNormalisation, optional
        By default `fit_normalisation` of all volumes: they share one.

    Raises
    ------
    ShapeError
        If the arrays of a volume differ in shape, or a volume is smaller than the patch.
    DtypeError
        If labels are not integers.
    ArgumentError
        If a volume has no patch with enough labelled voxels, or nothing to balance.
    """

    def __init__(
        self,
        volumes: Sequence[LabelledVolume],
        patch_shape: Sequence[int],
        *,
        seed: int,
        minimum_foreground: float = 0.0,
        covered: Sequence[int] | None = None,
        balance: Balance | None = None,
        augmentation: Augmentation | None = None,
        normalisation: AnyNormalisation | None = None,
    ) -> None:
        if not volumes:
            raise ArgumentError("`volumes` must hold at least one volume, got none")
        if len(patch_shape) not in (2, 3) or min(patch_shape) < 1:
            raise ShapeError(f"`patch_shape` must be 2 or 3 positive numbers, got {tuple(patch_shape)}")
        check_whole_number(seed, least=0, name="seed")
        self.patch_shape = tuple(int(length) for length in patch_shape)
        self.seed = seed
        self.minimum_foreground = minimum_foreground
        self.balance = Balance() if balance is None else balance
        self._augmentation = augmentation
        self.covered = self.patch_shape if covered is None else tuple(int(length) for length in covered)
        self._window, self._inner = (
            (1,) * (3 - len(shape)) + shape for shape in (self.patch_shape, self.covered)
        )
        self._volumes = [self._checked(volume) for volume in volumes]
        self._check_objects()
        self._places = Places.of(self._volumes, self.balance)
        self.normalisation = normalisation or fit_normalisation([volume.raw for volume in self._volumes])
        self._normalisations = [self.normalisation.of(volume.raw) for volume in self._volumes]
        positions = [math.prod(self._n_corners(volume)) for volume in self._volumes]
        self._volume_ends = np.cumsum(positions)

    def position(self, index: int) -> Position:
        """Return where patch number `index` lies."""
        generator = np.random.default_rng([self.seed, index, _CORNER_STREAM])
        best, best_share = self._draw(generator)
        for _ in range(TRIES - 1):
            if best_share >= 1:
                break
            candidate, share = self._draw(generator)
            if share > best_share:
                best, best_share = candidate, share
        return best

    def __getitem__(self, index: int) -> Patch:
        """Return patch number `index` (any number from 0 on), augmented."""
        position = self.position(index)
        box = self._box(position, self._window)
        volume = self._volumes[position.volume]
        normalisation = self._normalisations[position.volume]
        raw = normalisation.unit(_cut(volume.raw, box))
        truth = {
            name: _cut(array, box).reshape(*array.shape[:-3], *self.patch_shape)
            for name, array in volume.truth().items()
        }
        if "labels" in truth:
            truth["labels"] = compact_labels(truth["labels"])
        patch = Patch(raw.reshape(-1, *self.patch_shape), truth)
        if self._augmentation is not None:
            generator = np.random.default_rng([self.seed, index, _AUGMENTATION_STREAM])
            patch = self._augmentation(patch, int(generator.integers(2**32)))
        return patch._replace(raw=normalisation.finished(patch.raw))

    def _draw(self, generator: np.random.Generator) -> tuple[Position, float]:
        """Return a position, and how far it comes up to what is asked of a patch, 1 being enough."""
        position = self._around_a_place(generator) if self._places is not None else None
        if position is None:
            position = self._anywhere(generator)
        volume, box = self._volumes[position.volume], self._box(position, self._inner)
        share = 1.0
        if self.minimum_foreground > 0:
            filled = volume.foreground()[box]
            share = np.count_nonzero(filled) / filled.size / self.minimum_foreground
        if self.balance.minimum_objects:
            assert volume.labels is not None
            share = min(share, self.balance.share_of_objects(_cut(volume.labels, box)))
        return position, share

    def _anywhere(self, generator: np.random.Generator) -> Position:
        flat = int(generator.integers(self._volume_ends[-1]))
        number = int(np.searchsorted(self._volume_ends, flat, side="right"))
        first = int(self._volume_ends[number - 1]) if number else 0
        corners = self._n_corners(self._volumes[number])
        return Position(number, tuple(int(i) for i in np.unravel_index(flat - first, corners)))

    def _around_a_place(self, generator: np.random.Generator) -> Position | None:
        assert self._places is not None
        place = self._places.draw(generator)
        if place is None:
            return None
        corners = self._n_corners(self._volumes[place.volume])
        corner = tuple(
            int(np.clip(voxel - generator.integers(inner) - (length - inner) // 2, 0, last - 1))
            for voxel, inner, length, last in zip(
                place.corner, self._inner, self._window, corners, strict=True
            )
        )
        return Position(place.volume, corner)

    def _box(self, position: Position, shape: Sequence[int]) -> tuple[slice, ...]:
        """Return the middle of a patch, of a shape: all of it, or what is covered."""
        starts = [
            corner + (length - size) // 2
            for corner, length, size in zip(position.corner, self._window, shape, strict=True)
        ]
        return tuple(slice(start, start + size) for start, size in zip(starts, shape, strict=True))

    def _n_corners(self, volume: LabelledVolume) -> tuple[int, ...]:
        return tuple(
            length - window + 1 for length, window in zip(volume.raw.shape[-3:], self._window, strict=True)
        )

    def _checked(self, volume: LabelledVolume) -> LabelledVolume:
        name, raw = volume.name, volume.raw
        if raw.ndim == 2 and len(self.patch_shape) == 2:
            raw = raw[None]
        if raw.ndim not in (3, 4):
            raise ShapeError(f"`raw of {name}` must have the axes z, y, x, got shape {raw.shape}")
        truth: dict[str, NDArray[Any]] = {}
        for key, given in volume.truth().items():
            if key in ("labels", "classes"):
                check_labels(given, name=f"{key} of {name}")
            array = given[None] if given.ndim == 2 and len(self.patch_shape) == 2 else given
            if array.shape[-3:] != raw.shape[-3:] or array.ndim not in (3, 4):
                raise ShapeError(
                    f"`raw of {name}` and `{key} of {name}` must have the same shape, "
                    f"got {volume.raw.shape} and {array.shape}"
                )
            truth[key] = array
        if any(length < window for length, window in zip(raw.shape[-3:], self._window, strict=True)):
            raise ShapeError(
                f"`patch_shape` must fit in every volume, got {self.patch_shape} for {name} of shape "
                f"{volume.raw.shape}; take a smaller patch or leave the volume out"
            )
        checked = LabelledVolume(name, raw, **truth, voxel_size=volume.voxel_size)
        if self.minimum_foreground > 0:
            self._check_foreground(checked)
        return checked

    def _check_objects(self) -> None:
        without = [volume.name for volume in self._volumes if volume.labels is None]
        if self.balance.minimum_objects and without:
            raise ArgumentError(
                f"`minimum_objects` needs labels (ids) of every volume, got none of {without[0]}"
            )

    def _check_foreground(self, volume: LabelledVolume) -> None:
        first, last = (
            Position(0, corner) for corner in ((0, 0, 0), tuple(n - 1 for n in self._n_corners(volume)))
        )
        reached = tuple(
            slice(begin.start, end.stop)
            for begin, end in zip(self._box(first, self._inner), self._box(last, self._inner), strict=True)
        )
        fullest = largest_foreground(volume.foreground()[reached], self._inner)
        if fullest < self.minimum_foreground:
            raise ArgumentError(
                f"`minimum_foreground` must be reached by some patch of every volume, got "
                f"{self.minimum_foreground} where the fullest patch of {volume.name} has {fullest:.3g}; "
                "lower it, or check that these are the volume's labels"
            )


def middle_of(array: NDArray[Any], shape: Sequence[int]) -> NDArray[Any]:
    """Return the middle of the last axes of an array: what a network of valid convolutions gives back."""
    lengths = array.shape[-len(shape) :]
    if lengths == tuple(shape):
        return array
    starts = [(length - size) // 2 for length, size in zip(lengths, shape, strict=True)]
    box = tuple(slice(start, start + size) for start, size in zip(starts, shape, strict=True))
    return np.ascontiguousarray(_cut(array, box))


def _cut(array: NDArray[Any], box: tuple[slice, ...]) -> NDArray[Any]:
    """Return a box of the last axes."""
    index: Any = (..., *box)
    return np.asarray(array[index])


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
