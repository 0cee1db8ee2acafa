"""Segments that the truth alone defines, as sums over cells: cell 2 r + y is where region r has truth y."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from objectwise.checks import check_labels
from objectwise.graph.axes import as_volume
from objectwise.kernels.instances import halve_regions, object_moments
from objectwise.losses.inputs import on_device, on_host
from objectwise.losses.instances.batch import true_ids
from objectwise.losses.instances.cell_sums import CellSums
from objectwise.losses.instances.crops import Piece
from objectwise.losses.instances.inputs import Foreground
from objectwise.losses.instances.segment_loss import SegmentSums
from objectwise.losses.instances.segments import Segments
from objectwise.maps.instance_cells import dense_ids
from objectwise.maps.voronoi import voronoi_regions


class Partition(NamedTuple):
    """Regions of all volumes of a batch, numbered through; the first of each volume is outside all others."""

    cells: Tensor
    """int32, (volumes, *spatial); -1 where ignored."""
    voxels: Tensor
    """(2 regions,) float64, voxels of every cell."""
    volume: Tensor
    """(regions,) int64"""
    inside: Tensor
    """(regions,) bool; False for the outside of each volume."""
    n_regions: int
    n_volumes: int


def blob_partition(inputs: Foreground, instances: Tensor | None, connectivity: int | None) -> Partition:
    """Make every true object a region; the background is outside."""
    return _partition(inputs, true_ids(inputs, instances, connectivity))


def region_partition(
    inputs: Foreground,
    instances: Tensor | None,
    regions: Tensor | None,
    *,
    connectivity: int | None,
    spacing: Sequence[float] | None,
) -> Partition:
    """Make the Voronoi regions of the true objects, or those that are given, the regions."""
    if regions is not None:
        flat = check_labels(on_host(regions), name="regions").reshape(-1, *regions.shape[2:])
        return _partition(inputs, [dense_ids(one)[0] for one in flat])
    objects = true_ids(inputs, instances, connectivity)
    whole = [voronoi_regions(ids, spacing) if ids.any() else np.ones_like(ids) for ids in objects]
    return _partition(inputs, whole)


def _partition(inputs: Foreground, regions: list[NDArray[np.int32]]) -> Partition:
    rows = len(regions), -1
    target = on_host(inputs.target).reshape(rows)
    no_mask = np.zeros((len(regions), 0), np.bool_)
    ignored = no_mask if inputs.ignore is None else on_host(inputs.ignore).reshape(rows)
    counts = [int(ids.max()) + 1 for ids in regions]
    firsts = np.cumsum([0, *counts])
    cells = np.empty((len(regions), *inputs.target.shape[2:]), np.int32)
    voxels = np.zeros(2 * firsts[-1], np.int64)
    for i, ids in enumerate(regions):
        halve_regions(ids.reshape(-1), target[i], ignored[i], firsts[i], cells.reshape(rows)[i], voxels)
    device = inputs.values.device
    volume = np.repeat(np.arange(len(counts)), counts)
    inside = np.concatenate([np.arange(count) > 0 for count in counts])
    return Partition(
        on_device(torch.from_numpy(cells), device),
        on_device(torch.from_numpy(voxels.astype(np.float64)), device),
        on_device(torch.from_numpy(volume), device),
        on_device(torch.from_numpy(inside), device),
        int(firsts[-1]),
        len(counts),
    )


class _Halves(NamedTuple):
    """Sums of every region where the truth is 0 and where it is 1, (regions,) each."""

    p: tuple[Tensor, Tensor]
    cross_entropy: tuple[Tensor, Tensor]
    voxels: tuple[Tensor, Tensor]


def _halves(partition: Partition, sums: CellSums) -> _Halves:
    return _Halves(
        (sums.probability[0::2], sums.probability[1::2]),
        (sums.if_negative[0::2], sums.if_positive[1::2]),
        (partition.voxels[0::2], partition.voxels[1::2]),
    )


def volume_segments(partition: Partition, sums: CellSums) -> Segments:
    """Return the sums over each volume, (v,); one of which nothing is known does not count."""
    p, cross_entropy, voxels = _halves(partition, sums)
    n = partition.n_volumes

    def total(*rows: Tensor) -> Tensor:
        return rows[0].new_zeros(n).index_add(0, partition.volume, torch.stack(rows).sum(0))

    true, every = total(voxels[1]), total(*voxels)
    return Segments(
        SegmentSums(total(p[1]), total(*p), true, every, total(*cross_entropy)),
        torch.arange(n, device=true.device),
        every > 0,
        true > 0,
    )


def region_segments(partition: Partition, sums: CellSums, minimum_size: int) -> Segments:
    """Return the sums over each region, (regions,); small objects count nowhere, regions without truth do."""
    p, cross_entropy, voxels = _halves(partition, sums)
    small = (voxels[1] > 0) & (voxels[1] < minimum_size)
    return Segments(
        SegmentSums(p[1], p[0] + p[1], voxels[1], voxels[0] + voxels[1], cross_entropy[0] + cross_entropy[1]),
        partition.volume,
        partition.inside & ~small & (voxels[0] + voxels[1] > 0),
        voxels[1] > 0,
    )


def blob_segments(partition: Partition, sums: CellSums, minimum_size: int) -> Segments:
    """Return the sums over each object and all background of its volume, (regions,)."""
    p, cross_entropy, voxels = _halves(partition, sums)
    outside = (~partition.inside).nonzero()[:, 0].index_select(0, partition.volume)
    return Segments(
        SegmentSums(
            p[1],
            p[1] + p[0].index_select(0, outside),
            voxels[1],
            voxels[1] + voxels[0].index_select(0, outside),
            cross_entropy[1] + cross_entropy[0].index_select(0, outside),
        ),
        partition.volume,
        partition.inside & (voxels[1] >= max(1, minimum_size)),
        voxels[1] > 0,
    )


class RegionCuts:
    """Where the segments of a batch lie that its regions make."""

    def __init__(self, inputs: Foreground, partition: Partition) -> None:
        self.cells = torch.where(partition.cells < 0, -2, partition.cells)  # an even number: no truth
        self.volume_of = partition.volume.tolist()
        self._inputs, self._partition = inputs, partition

    @cached_property
    def volumes(self) -> Tensor:
        """Probabilities."""
        return self._inputs.probabilities().reshape(self.cells.shape)

    @cached_property
    def boxes(self) -> NDArray[np.int64]:
        """(regions, ndim, 2) Bounding boxes, found in one pass over the voxels."""
        firsts = np.flatnonzero(~on_host(self._partition.inside)).tolist()
        counts = np.diff([*firsts, self._partition.n_regions]).tolist()
        ids = on_host(self.cells) // 2
        boxes = [
            object_moments(as_volume(np.maximum(one - first, 0)), count - 1).boxes
            for one, first, count in zip(ids, firsts, counts, strict=True)
        ]
        return np.concatenate(boxes)[:, 4 - ids.ndim :]

    def whole(self, volume: int) -> Piece:
        """Return a whole volume."""
        cells = self.cells[volume]
        return Piece(volume, None, cells >= 0, cells % 2 == 1)

    def region(self, row: int) -> Piece:
        """Return a region, cropped to its bounding box."""
        volume = self.volume_of[row]
        box = tuple(slice(start, stop) for start, stop in self.boxes[row].tolist())
        cells = self.cells[volume][box]
        true = cells == 2 * row + 1
        return Piece(volume, box, true | (cells == 2 * row), true)

    def blob(self, row: int) -> Piece:
        """Return the whole volume without the other objects."""
        volume = self.volume_of[row]
        cells = self.cells[volume]
        own = cells == 2 * row + 1
        return Piece(volume, None, own | ((cells % 2 == 0) & (cells >= 0)), own)
