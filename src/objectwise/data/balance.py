"""Patches a training sees more often than chance has them: of rare classes, of small or several objects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from objectwise.checks import check_choice, check_number, check_whole_number
from objectwise.data.labelled_volume import LabelledVolume
from objectwise.errors import ArgumentError

AROUND = ("anywhere", "objects", "classes")


class Place(NamedTuple):
    """A voxel: the number of its volume, and its position there."""

    volume: int
    corner: tuple[int, ...]


@dataclass(frozen=True)
class Balance:
    """How patches are drawn.

    Raises
    ------
    ArgumentError
        If a word or a number is none of those it may be.
    """

    around: str = "anywhere"
    """`objects`: a share of the patches holds a voxel of an object, every object being as likely as any
    other; `classes`: of a class other than the background, every class being as likely."""
    share: float = 0.5
    """Of the patches that are drawn so; the others come from anywhere."""
    minimum_objects: int = 0
    """Objects that a patch must hold, else it is drawn again: 2 in the first paper on maximin pairs, where a
    patch of one object says nothing about where objects end."""
    minimum_object_size: int = 1
    """Voxels of such an object within the patch."""

    def __post_init__(self) -> None:
        check_choice(self.around, AROUND, name="around")
        check_number(self.share, name="share")
        if not 0 <= self.share <= 1:
            raise ArgumentError(f"`share` must be in 0..1, got {self.share}")
        check_whole_number(self.minimum_objects, least=0, name="minimum_objects")
        check_whole_number(self.minimum_object_size, least=1, name="minimum_object_size")

    def share_of_objects(self, labels: NDArray[Any]) -> float:
        """Return how many objects of the size labels hold, as a share of those asked for; at most 1."""
        ids, sizes = np.unique(labels[labels != 0], return_counts=True)
        held = int(np.count_nonzero(sizes >= self.minimum_object_size))
        return min(1.0, held / self.minimum_objects) if ids.size else 0.0


class Places:
    """The objects or classes of all volumes, to draw a voxel of one.

    Only their boxes are kept: a voxel is looked for in its object's box when it is drawn.
    """

    def __init__(self, share: float, groups: Sequence[Sequence[tuple[int, int, tuple[slice, ...]]]]) -> None:
        self._share = share
        self._groups = groups
        self._labels: list[NDArray[Any]] = []

    @classmethod
    def of(cls, volumes: Sequence[LabelledVolume], balance: Balance) -> Places | None:
        """Find what patches are drawn around; None where they come from anywhere.

        Raises
        ------
        ArgumentError
            If no volume holds any.
        """
        if balance.around == "anywhere" or balance.share == 0:
            return None
        compact = [_compact(_array_of(volume, balance.around), balance.around) for volume in volumes]
        found: dict[int, list[tuple[int, int, tuple[slice, ...]]]] = {}
        for number, labels in enumerate(compact):
            for index, box in enumerate(ndimage.find_objects(labels), start=1):
                if box is not None:
                    # An object is its own group; a class is one in all volumes.
                    group = len(found) if balance.around == "objects" else index
                    found.setdefault(group, []).append((number, index, box))
        if not found:
            raise ArgumentError(
                f"`around` must find {balance.around} in the training volumes, got none; "
                "check the labels, or draw patches from anywhere"
            )
        places = cls(balance.share, [found[group] for group in sorted(found)])
        places._labels = compact
        return places

    def draw(self, generator: np.random.Generator) -> Place | None:
        """Return a voxel of a random object or class; None as often as patches come from anywhere."""
        if generator.random() >= self._share:
            return None
        group = self._groups[int(generator.integers(len(self._groups)))]
        number, index, box = group[int(generator.integers(len(group)))]
        voxels = np.flatnonzero(self._labels[number][box] == index)
        shape = tuple(part.stop - part.start for part in box)
        inside = np.unravel_index(int(voxels[generator.integers(voxels.size)]), shape)
        return Place(number, tuple(int(at + part.start) for at, part in zip(inside, box, strict=True)))


def _array_of(volume: LabelledVolume, around: str) -> NDArray[Any]:
    array = volume.labels if around == "objects" else volume.classes
    if array is None:
        needed = "labels (ids)" if around == "objects" else "classes"
        raise ArgumentError(f"`around` {around!r} needs {needed} of every volume, got none of {volume.name}")
    return array


def _compact(array: NDArray[Any], around: str) -> NDArray[np.int32]:
    """Return ids from 1 on without gaps, or class labels; channels are told apart by their numbers."""
    channels = array if array.ndim == 4 else array[None]
    found = np.zeros(channels.shape[1:], np.int32)
    last = 0
    for channel in channels:
        values = np.unique(channel, return_inverse=True)[1] if around == "objects" else channel
        numbers = values.reshape(channel.shape).astype(np.int32)
        if around == "objects" and not (channel == 0).any():
            numbers += 1
        found = np.where(numbers != 0, numbers + last, found)
        last += int(numbers.max(initial=0)) if around == "objects" or len(channels) > 1 else 0
    return found
