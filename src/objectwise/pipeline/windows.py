"""Overlapping windows over a volume: where they lie, as data, and the blend of what a network makes of each.

image    |--------------------------------------|       A network of valid convolutions reads more than
reads    [=====( 1 )=====]                               it writes: windows are laid by what they write,
reads            [=====( 2 )=====]                       and the image is mirrored at its borders.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from objectwise.errors import ShapeError

if TYPE_CHECKING:
    from torch import Tensor, device

Box = tuple[Any, ...]
"""A slice for each axis."""


@dataclass(frozen=True)
class WindowPlan:
    """Windows over an image of one shape.

    Parameters
    ----------
    spatial : shape of the image
    padding : for each axis, voxels to add by reflection before and after
        So that every window reads inside, and a small image holds a window at all.
    starts : first voxel of each window, in the padded image
    reads, writes : shape of a window's input, and of its output, which lies in the middle
    """

    spatial: tuple[int, ...]
    padding: tuple[tuple[int, int], ...]
    starts: tuple[tuple[int, ...], ...]
    reads: tuple[int, ...]
    writes: tuple[int, ...]

    @classmethod
    def of(
        cls, spatial: Sequence[int], reads: Sequence[int], writes: Sequence[int], overlap: float
    ) -> WindowPlan:
        """Lay windows from the first voxel on, neighbours sharing a fraction of what they write.

        The last one of each axis is moved back so that it ends with the image.

        Raises
        ------
        ShapeError
            If a window writes more than it reads.
        """
        if any(write > read for read, write in zip(reads, writes, strict=True)):
            raise ShapeError(
                f"`writes` must not be larger than what a window reads {tuple(reads)}, got {tuple(writes)}"
            )
        padding, along = [], []
        for length, read, write in zip(spatial, reads, writes, strict=True):
            missing = max(write - length, 0)  # the image is smaller than what a window writes
            margin = (read - write) // 2
            padding.append((missing // 2 + margin, missing - missing // 2 + read - write - margin))
            step = max(int(write * (1 - overlap)), 1)
            last = length + missing - write
            along.append(
                [min(start, last) for start in range(0, last + step, step)][: math.ceil(last / step) + 1]
            )
        return cls(
            tuple(spatial), tuple(padding), tuple(itertools.product(*along)), tuple(reads), tuple(writes)
        )

    def read_box(self, start: Sequence[int]) -> Box:
        """Return what a window reads of the padded image."""
        return tuple(slice(at, at + size) for at, size in zip(start, self.reads, strict=True))

    def write_box(self, start: Sequence[int]) -> Box:
        """Return what a window writes of an image that holds one window's output at least."""
        return tuple(slice(at, at + size) for at, size in zip(start, self.writes, strict=True))

    @property
    def written(self) -> tuple[int, ...]:
        """Shape of what the windows write: the image's, unless it is smaller than a window."""
        return tuple(max(length, size) for length, size in zip(self.spatial, self.writes, strict=True))

    @property
    def inner(self) -> Box:
        """Where the image lies in what is written."""
        return tuple(
            slice((total - length) // 2, (total - length) // 2 + length)
            for total, length in zip(self.written, self.spatial, strict=True)
        )


def blend(
    predict: Callable[[Tensor], Tensor], images: Tensor, plan: WindowPlan, *, batch_size: int, device: device
) -> NDArray[np.float32]:
    """Return the mean of all windows that hold a voxel, weighted by a Gaussian around each window's centre.

    Parameters
    ----------
    predict : (b, c, *reads) to (b, k, *writes) on `device`
    images : (n, c, *spatial) float32 on the CPU
    plan : of the spatial shape of `images`
    batch_size : windows in one call; the windows of several images may share it
    device : where `predict` wants its input

    Returns
    -------
    (n, k, *spatial) float32
    """
    import torch
    from monai.data.utils import compute_importance_map

    padded = _padded(images, plan.padding)
    weight = compute_importance_map(plan.writes, mode="gaussian", sigma_scale=0.125, device="cpu")
    weight = weight.clamp(min=max(float(weight[weight != 0].min()), 1e-3))
    total = torch.zeros((1, 1, *plan.written))
    for start in plan.starts:
        total[(..., *plan.write_box(start))] += weight
    jobs = [(image, start) for image in range(len(images)) for start in plan.starts]
    blended: Tensor | None = None
    for first in range(0, len(jobs), batch_size):
        batch = jobs[first : first + batch_size]
        windows = torch.stack([padded[image][(..., *plan.read_box(start))] for image, start in batch])
        for (image, start), one in zip(batch, predict(windows.to(device)).cpu(), strict=True):
            if blended is None:
                blended = torch.zeros((len(images), len(one), *plan.written))
            blended[image][(..., *plan.write_box(start))] += weight * one
    assert blended is not None
    blended /= total
    array: NDArray[np.float32] = blended.numpy()[(slice(None), slice(None), *plan.inner)]
    # The blend of numbers in 0..1 can leave the range by a rounding error.
    return np.clip(array, 0, 1, out=array)


def _padded(images: Tensor, padding: Sequence[tuple[int, int]]) -> Tensor:
    import torch

    if not any(map(any, padding)):
        return images
    # numpy reflects as often as it takes; torch refuses a padding longer than the image.
    return torch.from_numpy(np.pad(images.numpy(), [(0, 0), (0, 0), *padding], mode="reflect"))
