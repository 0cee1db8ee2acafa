"""The segments that the corrected instance loss looks at, as sums over cells.

Every function returns one row for each segment; a reduction knows the volume of each row and which rows
count.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from objectwise.losses.cell_sums import CellSums
from objectwise.losses.instance_batch import Batch
from objectwise.losses.segments import SegmentSums


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


class _Amounts(NamedTuple):
    """What is added up over cells, (c,) each."""

    p: Tensor
    cross_entropy: Tensor
    voxels: Tensor


def whole_segments(batch: Batch, sums: CellSums) -> Segments:
    """Return the sums over each volume, (v,)."""
    return _of_volumes(batch, sums, torch.ones_like(batch.central))


def center_segments(batch: Batch, sums: CellSums, crowded: Tensor) -> Segments:
    """Return the sums over the central voxels of each volume, (v,).

    In a crowded volume the centers of predicted objects do not count.
    """
    counts = batch.central & ((batch.truth >= 0) | ~crowded[batch.volume])
    segments = _of_volumes(batch, sums, counts)
    return segments.only(segments.sums.voxels > 0)


def label_segments(
    batch: Batch,
    sums: CellSums,
    *,
    crowded: Tensor,
    minimum_size: int,
    exclude_true_positives: bool,
) -> Segments:
    """Return the sums of every true object with the predicted objects that meet it, (t,).

    A segment is the object itself, all of it, and the voxels of those predicted objects that are background
    in truth or, without `exclude_true_positives`, belong to any other object. In a crowded volume it is the
    object itself only.
    """
    objects = batch.true_objects
    n = len(objects.sizes)
    own = _inside(batch.truth, _amounts(batch, sums, positive=True), n)
    extra = _rest_of_met(batch, sums, exclude_true_positives)
    kept = ~crowded[objects.volume[batch.pair_truth]]
    extra = _Amounts(*(torch.where(kept, amount, 0) for amount in extra))
    around = _inside(batch.pair_truth, extra, n)
    met = torch.zeros(n, dtype=torch.bool, device=own.p.device)
    met[batch.pair_truth] = True
    return Segments(
        SegmentSums(
            own.p,
            own.p + around.p,
            own.voxels,
            own.voxels + around.voxels,
            own.cross_entropy + around.cross_entropy,
        ),
        objects.volume,
        objects.sizes >= max(1, minimum_size),
        met,
    )


def output_segments(batch: Batch, sums: CellSums) -> Segments:
    """Return the sums of every predicted object, (p,), its truth being all of the true objects it meets.

    Voxels of those true objects outside it count as missing, but belong to other segments.
    """
    objects = batch.predicted_objects
    n = len(objects.sizes)
    amounts = _amounts(batch, sums, positive=None)
    inside = _inside(batch.predicted, amounts, n)
    overlap = _inside(torch.where(batch.truth >= 0, batch.predicted, -1), amounts, n).p
    sizes = batch.true_objects.sizes[batch.pair_truth]
    true = sizes.new_zeros(n).index_add(0, batch.pair_predicted, sizes)
    return Segments(
        SegmentSums(overlap, inside.p, true, inside.voxels, inside.cross_entropy),
        objects.volume,
        objects.sizes > 0,
        true > 0,
    )


def _of_volumes(batch: Batch, sums: CellSums, counts: Tensor) -> Segments:
    amounts = _amounts(batch, sums, positive=None)
    n = batch.n_volumes
    inside = _inside(torch.where(counts, batch.volume, -1), amounts, n)
    positive = _inside(torch.where(counts & (batch.truth >= 0), batch.volume, -1), amounts, n)
    return Segments(
        SegmentSums(positive.p, inside.p, positive.voxels, inside.voxels, inside.cross_entropy),
        torch.arange(n, device=counts.device),
        torch.ones(n, dtype=torch.bool, device=counts.device),
        positive.voxels > 0,
    )


def _amounts(batch: Batch, sums: CellSums, *, positive: bool | None) -> _Amounts:
    """Return the sums of every cell; `positive` says what its voxels should be, None asks the truth."""
    if positive is None:
        cross_entropy = torch.where(batch.truth >= 0, sums.if_positive, sums.if_negative)
    else:
        cross_entropy = sums.if_positive if positive else sums.if_negative
    return _Amounts(sums.probability, cross_entropy, batch.voxels)


def _inside(rows: Tensor, amounts: _Amounts, n: int) -> _Amounts:
    """Add up the amounts by row; negative rows count nowhere."""
    rows = torch.where(rows < 0, n, rows)
    return _Amounts(*(amount.new_zeros(n + 1).index_add(0, rows, amount)[:n] for amount in amounts))


def _rest_of_met(batch: Batch, sums: CellSums, exclude_true_positives: bool) -> _Amounts:
    """Return, for every overlapping pair, what the predicted object holds outside the true one, (r,)."""
    as_background = _amounts(batch, sums, positive=False)
    n = len(batch.predicted_objects.sizes)
    if exclude_true_positives:
        of_object = _inside(torch.where(batch.truth < 0, batch.predicted, -1), as_background, n)
        return _Amounts(*(amount[batch.pair_predicted] for amount in of_object))
    of_object = _inside(batch.predicted, as_background, n)
    of_pair = _inside(batch.cell_pair, as_background, len(batch.pair_truth))
    return _Amounts(
        *(whole[batch.pair_predicted] - pair for whole, pair in zip(of_object, of_pair, strict=True))
    )
