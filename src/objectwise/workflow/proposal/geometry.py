"""Patch and levels of a U-Net that suit the shape of volumes and of their voxels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

LEAST = 4
"""Voxels of a patch at the coarsest level, along an axis that was made coarser."""
SAME = 2.0
"""Times the shortest side of a voxel that a side may have, for kernels and strides to go along it."""
FEATURES = (16, 32, 64, 128)
"""Channels at the levels there may be."""

Rows = tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Geometry:
    """A patch, and kernels and strides of the levels from fine to coarse."""

    patch_shape: tuple[int, ...]
    kernel_sizes: Rows
    strides: Rows

    @property
    def features(self) -> tuple[int, ...]:
        """Channels at each level."""
        return FEATURES[: len(self.kernel_sizes)]


def geometry_for(shape: Sequence[int], spacing: Sequence[float], n_voxels: int) -> Geometry:
    """Return a patch of about so many voxels, as long along each axis as volumes and physical lengths allow.

    An axis is made coarser, and kernels look along it, where its voxels are no longer than twice the
    shortest axis at that level: thick sections wait until the pixels have become as large.

    Parameters
    ----------
    shape : of the smallest volume, voxels; the patch fits in
    spacing : size of a voxel, any unit
    n_voxels : of the patch, at most
    """
    target = _target(shape, spacing, n_voxels)
    sizes, left = list(map(float, spacing)), list(target)
    kernels, strides = [_kernel(sizes)], []
    while len(kernels) < len(FEATURES):
        able = [axis for axis, length in enumerate(left) if length // 2 >= LEAST]
        if not able:
            break
        longest = SAME * min(sizes[axis] for axis in able)
        stride = tuple(2 if axis in able and size <= longest else 1 for axis, size in enumerate(sizes))
        left = [length // step for length, step in zip(left, stride, strict=True)]
        sizes = [size * step for size, step in zip(sizes, stride, strict=True)]
        strides.append(stride)
        # An axis that kernels look along stays one: another, too short to be coarser, may lag behind.
        kernels.append(tuple(map(max, kernels[-1], _kernel(sizes))))
    if not strides:  # a U-Net has two levels, however small the images
        strides = [tuple(2 if length >= 2 else 1 for length in target)]
        kernels = kernels * 2
    products = [math.prod(along) for along in zip(*strides, strict=True)]
    patch = tuple(length // step * step for length, step in zip(target, products, strict=True))
    return Geometry(patch, tuple(kernels), tuple(strides))


def _kernel(sizes: Sequence[float]) -> tuple[int, ...]:
    longest = SAME * min(sizes)
    return tuple(3 if size <= longest else 1 for size in sizes)


def _target(shape: Sequence[int], spacing: Sequence[float], n_voxels: int) -> tuple[int, ...]:
    """Return a box of at most `n_voxels` within a shape, of one physical length where the shape allows."""
    target: dict[int, int] = {}
    free = list(range(len(shape)))
    while free:
        voxels = n_voxels / math.prod(target.values())
        length = (voxels * math.prod(spacing[axis] for axis in free)) ** (1 / len(free))
        thin = [axis for axis in free if length < spacing[axis]]  # a voxel is more than its share
        short = [axis for axis in free if shape[axis] <= length / spacing[axis]]
        for axis in thin or short or free:
            target[axis] = min(shape[axis], max(1, int(length / spacing[axis] + 1e-6)))
        free = [axis for axis in free if axis not in target]
    return tuple(target[axis] for axis in range(len(shape)))
