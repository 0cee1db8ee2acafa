"""What the headers of a folder's volumes say, and a few sections of their truth."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectwise.config.nnunet import Case
from objectwise.data import describe_volume, read_labels
from objectwise.data.formats import format_of
from objectwise.data.formats.common import Header, is_default, one_sentence, parse_location
from objectwise.errors import ArgumentError, DtypeError, ShapeError
from objectwise.workflow.proposal.layouts import Layout, listed

MOST_HEADERS = 200
"""Cases whose headers are read, evenly spread; a folder of more is told of."""
MOST_SAMPLED = 6
"""Cases whose truth is looked at."""
PLACES = 6
"""Places in a volume at which two neighbouring sections are read."""
DEEP = 32
"""Sections of a compressed NIfTI, which is decompressed as a whole for each reading."""
MOST_CHANNELS = 8
"""An array of one axis more than its truth has its channels along an end of so many."""


@dataclass(frozen=True)
class Images:
    """What the raw volumes are.

    Parameters
    ----------
    shapes : (z, y, x) or (y, x) of each that was looked at, without channels
    sizes : voxel size of each, in the order of its shape; 1 where nothing is stated
    dtypes : names, without repeats
    channels : how many, of a list of files or in one
    channel_axis : where they are in one file
    """

    shapes: Sequence[tuple[int, ...]]
    sizes: Sequence[tuple[float, ...]]
    dtypes: Sequence[str]
    channels: int
    channel_axis: int | None

    @property
    def smallest(self) -> tuple[int, ...]:
        """The least length along each axis, z of a single image being 1."""
        return tuple(min(lengths) for lengths in zip(*map(as_stack, self.shapes), strict=True))

    @property
    def spacing(self) -> tuple[float, ...]:
        """The median voxel size, z, y, x; that of z is 1 where all are single images."""
        rows = np.array([(1.0, *size)[-3:] for size in self.sizes])
        return tuple(float(size) for size in np.median(rows, axis=0))

    @property
    def spread(self) -> float:
        """How many times the largest voxel size along an axis is the smallest, of those that are stated."""
        rows = np.array([size[-2:] for size in self.sizes if not is_default(size, 1.0)])
        return float((rows.max(0) / rows.min(0)).max()) if len(rows) else 1.0


def as_stack(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return a shape as (z, y, x)."""
    return (1, *shape)[-3:]


def survey_images(layout: Layout) -> Images:
    """Read the headers of all volumes, of some where there are many.

    Raises
    ------
    ShapeError, DtypeError, ArgumentError
        If a truth has another shape than its image or holds no integers, or images differ in their channels.
    """
    shapes, sizes, dtypes = [], [], set()
    kinds: dict[tuple[int, int | None], str] = {}
    for case in spread(layout.cases, MOST_HEADERS):
        truth = describe_volume(case["truth"])
        if truth.dtype.kind not in "iu":
            raise DtypeError(f"`{case['truth']}` must hold integers to be a truth, got dtype {truth.dtype}")
        places = case["raw"] if isinstance(case["raw"], list) else [case["raw"]]
        for place in places:
            header = _header(place)
            shape, channels, axis = _without_channels(header, len(truth.shape))
            if shape != truth.shape:
                raise ShapeError(
                    f"`{place}` and `{case['truth']}` must have the same shape, got {header.shape} "
                    f"and {truth.shape}"
                )
            kinds.setdefault((channels, axis), place)
            dtypes.add(header.dtype.name)
        shapes.append(truth.shape)
        size = header.voxel_size
        sizes.append(truth.voxel_size if not size or is_default(size, 1.0) else size[-len(truth.shape) :])
    if len(kinds) > 1:
        found = listed(f"{channels} in {place}" for (channels, _), place in kinds.items())
        raise ArgumentError(f"`FOLDER` must hold images of the same number of channels, got {found}")
    (channels, axis), _ = next(iter(kinds.items()))
    return Images(shapes, sizes, sorted(dtypes), channels if len(places) == 1 else len(places), axis)


def _header(place: str) -> Header:
    location = parse_location(place)
    with one_sentence(location, "read"), format_of(location).opened(location) as opened:
        return opened.header


def _without_channels(header: Header, ndim: int) -> tuple[tuple[int, ...], int, int | None]:
    """Return the shape without channels, how many there are, and their axis."""
    shape = header.shape
    if header.channels is not None:
        return header.spatial, header.channels, -1
    if len(shape) == ndim + 1:
        axis = 0 if shape[0] <= shape[-1] else -1
        if shape[axis] <= MOST_CHANNELS:
            return (shape[1:] if axis == 0 else shape[:-1]), shape[axis], axis
    return shape, 1, None


@dataclass(frozen=True)
class Sample:
    """Sections of the truth of one case, (k, y, x); two that follow each other are marked.

    Parameters
    ----------
    sections : (k, y, x) integers
    follows : for each section but the first, whether it lies right behind the one before
    """

    sections: NDArray[Any]
    follows: tuple[bool, ...]


def sample_truth(layout: Layout) -> list[Sample]:
    """Read a few sections of the truth of a few cases, without what is marked as unknown."""
    samples = []
    ignore = layout.dataset.ignore_label if layout.dataset else None
    for case in spread(layout.cases, MOST_SAMPLED):
        found = _sections_of(case["truth"])
        if ignore is not None:
            found = Sample(np.where(found.sections == ignore, 0, found.sections), found.follows)
        samples.append(found)
    return samples


def _sections_of(place: str) -> Sample:
    shape, header = describe_volume(place).shape, _header(place)
    if len(shape) == 2:
        return Sample(read_labels(place).array[None], ())
    read: list[NDArray[Any]] = []
    numbers: list[int] = []
    for first, stop in _ranges(shape[0], together=header.depth == 0):
        read.append(read_labels(place, sections=(first, stop)).array)
        numbers += range(first, stop)
    follows = tuple(second == first + 1 for first, second in itertools.pairwise(numbers))
    return Sample(np.concatenate(read), follows)


def _ranges(depth: int, *, together: bool) -> Iterator[tuple[int, int]]:
    """Yield which sections to read; those that cost a whole volume each time come together."""
    if together or depth <= 2 * PLACES:
        count = min(depth, DEEP if together else depth)
        yield (depth - count) // 2, (depth - count) // 2 + count
        return
    for place in range(PLACES):
        first = math.floor((place + 0.5) * depth / PLACES) - 1
        yield first, first + 2


def spread(cases: Sequence[Case], most: int) -> list[Case]:
    """Return so many cases at most, evenly spread."""
    if len(cases) <= most:
        return list(cases)
    return [cases[number * len(cases) // most] for number in range(most)]
