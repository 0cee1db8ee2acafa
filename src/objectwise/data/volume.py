"""A volume in memory, and what is known of one on disk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectwise.errors import ArgumentError, ShapeError

AnyArray = NDArray[Any]


@dataclass(frozen=True, eq=False, init=False)
class Volume:
    """An array with the physical size and place of its voxels.

    Parameters
    ----------
    array : (z, y, x) or (y, x), integer or float; with channels in front if it has any
    voxel_size : one positive float per axis of space, optional
        1 along every axis by default.
    offset : one float per axis of space, optional
        Where the first voxel lies, in the unit of `voxel_size`; 0 by default.
    has_channels : bool, default False
        Whether the first axis of the array is that of the channels.
    """

    array: AnyArray
    voxel_size: tuple[float, ...]
    offset: tuple[float, ...]

    def __init__(
        self,
        array: AnyArray,
        voxel_size: Sequence[float] | None = None,
        offset: Sequence[float] | None = None,
        *,
        has_channels: bool = False,
    ) -> None:
        ndim = array.ndim - has_channels
        object.__setattr__(self, "array", array)
        object.__setattr__(self, "voxel_size", checked_voxel_size(voxel_size, ndim))
        object.__setattr__(self, "offset", checked_offset(offset, ndim))

    @property
    def channels(self) -> int | None:
        """Number of channels; None where the array has no axis of them."""
        return len(self.array) if self.array.ndim > len(self.voxel_size) else None


@dataclass(frozen=True)
class VolumeInfo:
    """What is known of a volume without its voxels; see `Volume`."""

    shape: tuple[int, ...]
    """Of space alone: (z, y, x) or (y, x)."""
    dtype: np.dtype[Any]
    voxel_size: tuple[float, ...]
    offset: tuple[float, ...]
    location: str = field(default="", compare=False)
    channels: int | None = None
    """In front of `shape`; None where the array has no axis of them."""


def checked_voxel_size(values: Sequence[float] | None, ndim: int) -> tuple[float, ...]:
    """Return one positive size per axis; None stands for 1 on each."""
    sizes = _one_number_per_axis(values, ndim, "voxel_size", default=1.0)
    if not all(size > 0 for size in sizes):
        raise ArgumentError(f"`voxel_size` must be positive, got {sizes}")
    return sizes


def checked_offset(values: Sequence[float] | None, ndim: int) -> tuple[float, ...]:
    """Return one offset per axis; None stands for 0 on each."""
    return _one_number_per_axis(values, ndim, "offset", default=0.0)


def _one_number_per_axis(
    values: Sequence[float] | None, ndim: int, name: str, *, default: float
) -> tuple[float, ...]:
    if values is None:
        return (default,) * ndim
    try:
        numbers = tuple(float(value) for value in values)
    except (TypeError, ValueError) as error:
        raise ArgumentError(f"`{name}` must hold one number per axis ({ndim}), got {values!r}") from error
    if len(numbers) != ndim:
        raise ShapeError(f"`{name}` must hold one number per axis ({ndim}), got {numbers}")
    if not np.isfinite(numbers).all():
        raise ArgumentError(f"`{name}` must be finite, got {numbers}")
    return numbers
