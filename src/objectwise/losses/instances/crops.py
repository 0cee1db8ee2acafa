"""Arbitrary losses on segments: each segment is cut out and shown to the loss on its own.

This costs one call for each segment. Losses that are functions of sums over a segment need none of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from objectwise.errors import ArgumentError
from objectwise.losses.instances.batch import Batch
from objectwise.losses.instances.options import AnyLoss
from objectwise.losses.instances.segment_loss import SegmentLoss
from objectwise.losses.instances.segments import Segments


class Piece(NamedTuple):
    """Where a segment lies in one of several volumes."""

    volume: int
    box: tuple[slice, ...] | None
    """None for the whole volume."""
    inside: Tensor
    """bool, in the shape of the box: the segment's voxels."""
    true: Tensor
    """bool, likewise: those that are true."""


class Cuts(Protocol):
    """Knows the pieces of segments by methods whose names are the kinds of segments."""

    @property
    def volumes(self) -> Tensor:
        """(volumes, *spatial), probabilities, differentiable."""


def losses_of(loss: AnyLoss, segments: Segments, cuts: Cuts | None, kind: str) -> Tensor:
    """Return the loss of every segment, (s,) float64; rows that do not count hold nothing of use.

    `kind` names the method of `cuts` that says where such a segment lies; losses of sums need none.
    """
    if isinstance(loss, SegmentLoss):
        return loss(segments.sums)
    rows = segments.counts.nonzero()[:, 0].tolist()
    losses = segments.sums.predicted * 0  # a batch without a segment has a gradient: 0
    if not rows:
        return losses
    assert cuts is not None
    pieces = (getattr(cuts, kind)(row) for row in rows)
    values = [one_number(loss(*crop)) for crop in _crops(cuts.volumes, pieces)]
    where = torch.tensor(rows, device=losses.device)
    return losses.index_put((where,), torch.stack(values).to(losses.dtype))


def _crops(volumes: Tensor, pieces: Iterator[Piece]) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield probabilities and truth of pieces, (1, 1, *crop) each, 0 outside the segment.

    Boxes are gathered together, as many as hold the voxels of all volumes: the gradient of one slice is as
    large as what it is cut from.
    """
    wholes, flat = volumes.unbind(0), volumes.reshape(-1)
    places = torch.arange(volumes.numel(), device=volumes.device).view(volumes.shape)
    for some in _together(pieces, volumes.numel()):
        if some[0].box is None:
            crops = [wholes[piece.volume] for piece in some]
        else:
            indices = [places[piece.volume][piece.box].reshape(-1) for piece in some]
            taken = flat.index_select(0, torch.cat(indices))
            crops = list(torch.split(taken, [len(index) for index in indices]))
        for crop, piece in zip(crops, some, strict=True):
            p = crop.view(piece.inside.shape) * piece.inside
            yield p[None, None], piece.true.to(p.dtype)[None, None]


def _together(pieces: Iterator[Piece], voxels: int) -> Iterator[list[Piece]]:
    """Collect pieces until they have so many voxels."""
    some: list[Piece] = []
    held = 0
    for piece in pieces:
        some.append(piece)
        held += piece.inside.numel()
        if held >= voxels:
            yield some
            some, held = [], 0
    if some:
        yield some


def one_number(value: object) -> Tensor:
    """Return what a loss of a segment returned as a scalar, or say what else it is."""
    if not isinstance(value, Tensor) or value.numel() != 1:
        came = f"shape {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
        raise ArgumentError(
            f"a loss passed as a callable must return one number for a segment, got {came}; "
            "use its reduction 'mean' or 'sum'"
        )
    return value.reshape(())


class ObjectCuts:
    """Where the segments of a batch lie that its predicted and true objects make.

    Parameters
    ----------
    probabilities : (n, c, *spatial), differentiable
    batch : its cells
    crowded, exclude_true_positives
        As in `label_segments`.
    """

    def __init__(
        self, probabilities: Tensor, batch: Batch, crowded: Tensor, *, exclude_true_positives: bool
    ) -> None:
        self.volumes = probabilities.reshape(-1, *probabilities.shape[2:])
        self.cells = batch.cells.reshape(self.volumes.shape).long()
        self.crowded = crowded.tolist()
        self.exclude_true_positives = exclude_true_positives
        # One row more for ignored voxels, whose cell is -1.
        self.predicted = functional.pad(batch.predicted, (0, 1), value=-1)
        self.truth = functional.pad(batch.truth, (0, 1), value=-1)
        self.central = functional.pad(batch.central, (0, 1), value=False)
        self.truths_met: dict[int, list[int]] = {}
        self.predicted_met: dict[int, list[int]] = {}
        pairs = zip(batch.pair_predicted.tolist(), batch.pair_truth.tolist(), strict=True)
        for predicted, truth in pairs:
            self.truths_met.setdefault(predicted, []).append(truth)
            self.predicted_met.setdefault(truth, []).append(predicted)
        sides = batch.predicted_objects, batch.true_objects
        self.predicted_boxes, self.true_boxes = (
            np.concatenate([objects.boxes for objects in side.places]) for side in sides
        )
        self.volume_of_predicted, self.volume_of_true = (side.volume.tolist() for side in sides)

    def whole(self, volume: int) -> Piece:
        """Return a whole volume."""
        cells = self.cells[volume]
        return Piece(volume, None, cells >= 0, self.truth[cells] >= 0)

    def center(self, volume: int) -> Piece:
        """Return the central voxels of a volume."""
        cells = self.cells[volume]
        true = self.truth[cells] >= 0
        counts = self.central[cells] & (cells >= 0)
        if self.crowded[volume]:
            counts &= true
        return Piece(volume, None, counts, true & counts)

    def label(self, row: int) -> Piece:
        """Return a true object with the predicted objects that meet it."""
        volume = self.volume_of_true[row]
        met = [] if self.crowded[volume] else self.predicted_met.get(row, [])
        box = _box(np.concatenate([self.true_boxes[[row]], self.predicted_boxes[met]]))
        cells = self.cells[volume][box]
        own = self.truth[cells] == row
        around = _is_one_of(self.predicted[cells], met)
        if self.exclude_true_positives:
            around &= self.truth[cells] < 0
        return Piece(volume, box, own | (around & (cells >= 0)), own)

    def output(self, row: int) -> Piece:
        """Return a predicted object with the true objects that it meets."""
        volume = self.volume_of_predicted[row]
        met = self.truths_met.get(row, [])
        box = _box(np.concatenate([self.predicted_boxes[[row]], self.true_boxes[met]]))
        cells = self.cells[volume][box]
        inside = (self.predicted[cells] == row) & (cells >= 0)
        return Piece(volume, box, inside, _is_one_of(self.truth[cells], met) & (cells >= 0))


def _box(boxes: NDArray[np.int64]) -> tuple[slice, ...]:
    """Return the smallest box around several."""
    starts, stops = boxes[..., 0].min(0).tolist(), boxes[..., 1].max(0).tolist()
    return tuple(slice(start, stop) for start, stop in zip(starts, stops, strict=True))


def _is_one_of(ids: Tensor, wanted: list[int]) -> Tensor:
    return torch.isin(ids, torch.tensor(wanted, dtype=ids.dtype, device=ids.device))
