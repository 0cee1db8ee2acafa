"""The segments that the instance loss looks at, as sums over cells.

Every function returns one row for each segment; a reduction knows the volume of each row and which rows
count. Rows are taken with `index_select` and `masked_select`: on the CPU, PyTorch splits plain indexing among
threads however short it is, and waking them costs more than the work.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from objectwise.losses.instances.batch import Batch
from objectwise.losses.instances.cell_sums import CellSums
from objectwise.losses.instances.segment_loss import SegmentSums


class Segments(NamedTuple):
    """Segments of a batch, (s,) each."""

    sums: SegmentSums
    volume: Tensor
    """int64"""
    counts: Tensor
    """bool; rows that are False take no part."""
    met: Tensor
    """bool; whether an object of the other side meets it."""

    def only(self, rows: Tensor) -> Segments:
        """Let no other rows count."""
        return self._replace(counts=self.counts & rows)


class Part(NamedTuple):
    """Sums over groups of one kind, (g,) each."""

    p: Tensor
    if_positive: Tensor
    if_negative: Tensor
    voxels: Tensor


class Parts(NamedTuple):
    """What the segments are made of; see `Groups`."""

    labels: Part
    outputs_in_background: Part
    outputs_in_truth: Part
    volumes_in_truth: Part
    volumes_in_background: Part
    centers_in_truth: Part
    centers_in_background: Part
    pairs: Part


def parts_of(batch: Batch, sums: CellSums) -> Parts:
    """Add up all groups of cells."""
    groups = batch.groups
    columns = sums.grouped(groups.cells, groups.groups, groups.sizes)
    voxels = torch.split(groups.voxels, list(groups.sizes))
    return Parts(*(Part(a, b, c, one) for (a, b, c), one in zip(columns, voxels, strict=True)))


def whole_segments(parts: Parts) -> Segments:
    """Return the sums over each volume, (v,); one of which nothing is known does not count."""
    return _of_volumes(parts.volumes_in_truth, parts.volumes_in_background)


def center_segments(parts: Parts, crowded: Tensor) -> Segments:
    """Return the sums over the central voxels of each volume, (v,).

    In a crowded volume the centers of predicted objects do not count.
    """
    background = Part(*(torch.where(crowded, 0, column) for column in parts.centers_in_background))
    return _of_volumes(parts.centers_in_truth, background)


def label_segments(
    parts: Parts, batch: Batch, *, crowded: Tensor, minimum_size: int, exclude_true_positives: bool
) -> Segments:
    """Return the sums of every true object with the predicted objects that meet it, (t,).

    A segment is the object itself, all of it, and the voxels of those predicted objects that are background
    in truth or, without `exclude_true_positives`, belong to any other object. In a crowded volume it is the
    object itself only.
    """
    objects, own = batch.true_objects, parts.labels
    around = [parts.outputs_in_background]
    if not exclude_true_positives:
        around.append(parts.outputs_in_truth)
    kept = ~crowded.index_select(0, objects.volume.index_select(0, batch.pair_truth))
    extra = []
    for name in ("p", "if_negative", "voxels"):
        of_output = torch.stack([getattr(part, name) for part in around]).sum(0)
        of_output = of_output.index_select(0, batch.pair_predicted)
        if not exclude_true_positives:
            of_output = of_output - getattr(parts.pairs, name)
        of_pair = torch.where(kept, of_output, 0)
        extra.append(of_pair.new_zeros(len(own.p)).index_add(0, batch.pair_truth, of_pair))
    met = torch.zeros(len(own.p), dtype=torch.bool, device=own.p.device)
    met.index_fill_(0, batch.pair_truth, True)
    p, cross_entropy, voxels = extra
    return Segments(
        SegmentSums(own.p, own.p + p, own.voxels, own.voxels + voxels, own.if_positive + cross_entropy),
        objects.volume,
        objects.sizes >= max(1, minimum_size),
        met,
    )


def output_segments(parts: Parts, batch: Batch) -> Segments:
    """Return the sums of every predicted object, (p,), its truth being all of the true objects it meets.

    Voxels of those true objects outside it count as missing, but belong to other segments.
    """
    objects = batch.predicted_objects
    sizes = batch.true_objects.sizes.index_select(0, batch.pair_truth)
    true = sizes.new_zeros(len(objects.sizes)).index_add(0, batch.pair_predicted, sizes)
    inside, outside = parts.outputs_in_truth, parts.outputs_in_background
    sums = _joined(inside, outside)._replace(true=true)
    return Segments(sums, objects.volume, objects.sizes > 0, true > 0)


def _of_volumes(truth: Part, background: Part) -> Segments:
    volumes = torch.arange(len(truth.p), device=truth.p.device)
    sums = _joined(truth, background)
    return Segments(sums, volumes, sums.voxels > 0, truth.voxels > 0)


def _joined(truth: Part, background: Part) -> SegmentSums:
    """Return the sums of segments that are made of true voxels and of background."""
    return SegmentSums(
        truth.p,
        truth.p + background.p,
        truth.voxels,
        truth.voxels + background.voxels,
        truth.if_positive + background.if_negative,
    )
