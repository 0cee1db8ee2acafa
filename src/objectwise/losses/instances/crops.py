"""Arbitrary losses on segments: each segment is cut out and shown to the loss on its own.

This costs one call for each segment. Losses that are functions of sums over a segment need none of it.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from objectwise.errors import ArgumentError
from objectwise.losses.instances.batch import Batch
from objectwise.losses.instances.options import AnyLoss
from objectwise.losses.instances.segment_loss import SegmentLoss
from objectwise.losses.instances.segments import Segments


def losses_of(loss: AnyLoss, segments: Segments, crops: object, kind: str) -> Tensor:
    """Return the loss of every segment, (s,) float64; rows that do not count hold nothing of use.

    `kind` names the method of `crops` that cuts such a segment out; losses of sums need none.
    """
    if isinstance(loss, SegmentLoss):
        return loss(segments.sums)
    rows = segments.counts.nonzero()[:, 0].tolist()
    losses = segments.sums.predicted * 0  # a batch without a segment has a gradient: 0
    if not rows:
        return losses
    cut: Callable[[int], tuple[Tensor, Tensor]] = getattr(crops, kind)
    values = [one_number(loss(*cut(row))) for row in rows]
    where = torch.tensor(rows, device=losses.device)
    return losses.index_put((where,), torch.stack(values).to(losses.dtype))


def one_number(value: object) -> Tensor:
    """Return what a loss of a segment returned as a scalar, or say what else it is."""
    if not isinstance(value, Tensor) or value.numel() != 1:
        came = f"shape {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
        raise ArgumentError(
            f"a loss passed as a callable must return one number for a segment, got {came}; "
            "use its reduction 'mean' or 'sum'"
        )
    return value.reshape(())


class Crops:
    """Cuts segments out of a batch: probabilities and truth, (1, 1, *crop) each, 0 outside the segment.

    Parameters
    ----------
    probabilities : (n, c, *spatial), differentiable
    batch : its cells
    crowded, exclude_true_positives
        As in `label_segments`.
    """

    def __init__(
        self,
        probabilities: Tensor,
        batch: Batch,
        crowded: Tensor,
        *,
        exclude_true_positives: bool,
    ) -> None:
        spatial = probabilities.shape[2:]
        self.probabilities = probabilities.reshape(-1, *spatial)
        self.batch = batch
        self.cells = batch.cells.reshape(self.probabilities.shape).long()
        self.crowded = crowded
        self.exclude_true_positives = exclude_true_positives
        # One row more for ignored voxels, whose cell is -1.
        self.predicted = torch.nn.functional.pad(batch.predicted, (0, 1), value=-1)
        self.truth = torch.nn.functional.pad(batch.truth, (0, 1), value=-1)
        self.central = torch.nn.functional.pad(batch.central, (0, 1), value=False)
        self.truths_met: dict[int, list[int]] = {}
        self.predicted_met: dict[int, list[int]] = {}
        pairs = zip(batch.pair_predicted.tolist(), batch.pair_truth.tolist(), strict=True)
        for predicted, truth in pairs:
            self.truths_met.setdefault(predicted, []).append(truth)
            self.predicted_met.setdefault(truth, []).append(predicted)
        self.predicted_boxes = np.concatenate([side.boxes for side in batch.predicted_objects.places])
        self.true_boxes = np.concatenate([side.boxes for side in batch.true_objects.places])

    def whole(self, volume: int) -> tuple[Tensor, Tensor]:
        """Return a whole volume."""
        cells = self.cells[volume]
        return self._masked(self.probabilities[volume], cells >= 0, self.truth[cells] >= 0)

    def center(self, volume: int) -> tuple[Tensor, Tensor]:
        """Return the central voxels of a volume."""
        cells = self.cells[volume]
        true = self.truth[cells] >= 0
        counts = self.central[cells] & (cells >= 0)
        if self.crowded[volume]:
            counts &= true
        return self._masked(self.probabilities[volume], counts, true & counts)

    def label(self, row: int) -> tuple[Tensor, Tensor]:
        """Return a true object with the predicted objects that meet it."""
        volume = int(self.batch.true_objects.volume[row])
        met = self.predicted_met.get(row, [])
        if self.crowded[volume]:
            met = []
        box = self._box(np.concatenate([self.true_boxes[[row]], self.predicted_boxes[met]]))
        cells = self.cells[volume][box]
        own = self.truth[cells] == row
        around = torch.isin(self.predicted[cells], torch.tensor(met, dtype=torch.int64, device=cells.device))
        if self.exclude_true_positives:
            around &= self.truth[cells] < 0
        return self._masked(self.probabilities[volume][box], own | (around & (cells >= 0)), own)

    def output(self, row: int) -> tuple[Tensor, Tensor]:
        """Return a predicted object with the true objects that it meets."""
        volume = int(self.batch.predicted_objects.volume[row])
        met = self.truths_met.get(row, [])
        box = self._box(np.concatenate([self.predicted_boxes[[row]], self.true_boxes[met]]))
        cells = self.cells[volume][box]
        inside = (self.predicted[cells] == row) & (cells >= 0)
        true = torch.isin(self.truth[cells], torch.tensor(met, dtype=torch.int64, device=cells.device))
        return self._masked(self.probabilities[volume][box], inside, true & (cells >= 0))

    @staticmethod
    def _box(boxes: NDArray[np.int64]) -> tuple[slice, ...]:
        """Return the smallest box around several."""
        starts, stops = boxes[..., 0].min(0).tolist(), boxes[..., 1].max(0).tolist()
        return tuple(slice(start, stop) for start, stop in zip(starts, stops, strict=True))

    @staticmethod
    def _masked(probabilities: Tensor, inside: Tensor, true: Tensor) -> tuple[Tensor, Tensor]:
        return (probabilities * inside)[None, None], true.to(probabilities.dtype)[None, None]
