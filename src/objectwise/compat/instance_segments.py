"""The instances of one sample and the loss of each: by sums over cells if it is Dice, else mask by mask."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from objectwise.losses.inputs import on_device, on_host
from objectwise.losses.instances.cell_sums import cell_sums
from objectwise.losses.instances.crops import one_number
from objectwise.losses.instances.segment_loss import SegmentLoss, SegmentSums
from objectwise.maps.instance_cells import InstanceCells, ObjectPlaces, dense_ids, instance_cells
from objectwise.maps.instances import connected_components

Loss = Callable[[Tensor, Tensor], Tensor]


class Sample(NamedTuple):
    """What the terms see of one sample, (1, 1, *spatial) each, and the cells that its instances make."""

    p: Tensor
    y: Tensor
    cells: InstanceCells
    of_voxel: Tensor
    """(*spatial) int32, the cell of every voxel."""
    outputs: ObjectPlaces
    labels: ObjectPlaces
    probability: Tensor
    """(c,) float64, the sum of every cell."""
    square: Tensor
    """(c,) float64, the sum of squares, of which one factor has no gradient."""


def sample_of(p: Tensor, y: Tensor, ids: NDArray[Any] | None, threshold: float) -> Sample:
    """Find the instances of one sample; `ids` (*spatial) name those of the labels."""
    true = on_host(y[0, 0] == 1)
    if ids is None:
        truth = connected_components(true)
        n = int(truth.max())
    else:
        truth, n = dense_ids(ids)
        truth[true & (truth == 0)] = n + 1  # truth of no instance: no background either
    predicted = connected_components(on_host(p[0, 0] >= threshold))
    cells = instance_cells(predicted, truth, overwrite=True)
    of_voxel = on_device(torch.from_numpy(cells.cells), p.device)
    sums = cell_sums(p[0, 0], of_voxel, len(cells.voxels), from_logits=False, logarithms=False)
    labels = ObjectPlaces._make(column[:n] for column in cells.true_objects)
    return Sample(p, y, cells, of_voxel, cells.predicted_objects, labels, sums.probability, sums.square)


class Chosen(NamedTuple):
    """Which instances have losses, and which of them meet."""

    outputs: NDArray[np.int64]
    """(o,) The outputs that have a loss, as positions in the table of objects: rows of what follows."""
    labels: NDArray[np.int64]
    """(l,) The labels that have a loss, likewise."""
    shown: NDArray[np.int64]
    """(o,) The output that stands for each row in the losses of the labels.

    The published code finds it by the number of the row among all outputs: behind one that is too small it is
    another than the row's.
    """
    row_of_cell: NDArray[np.int64]
    """(c,) The row of each cell's output, -1 where it has none."""
    overlaps: NDArray[np.int64]
    """(r,) The cells in which a chosen output and a label, however small, overlap: one for each such pair."""
    crowded: bool
    """Whether there are too many outputs to look at any."""
    seen: int
    """Outputs counted until the published loop ends, the one that ends it included."""


def choose(sample: Sample, *, most: int, too_many: float, small: int) -> Chosen:
    """Choose at most `most` outputs in the order of their last voxels, and leave out what is `small`."""
    n_outputs, n_labels = len(sample.outputs.sizes), len(sample.labels.sizes)
    crowded = n_labels > 0 and n_outputs > n_labels * too_many
    order = np.argsort(sample.outputs.last, kind="stable")
    outputs = order[: 0 if crowded else most or n_outputs]
    outputs = outputs[sample.outputs.sizes[outputs] > small]
    row_of = np.full(n_outputs + 1, -1)
    row_of[1 + outputs] = np.arange(len(outputs))
    row_of_cell, truth = row_of[sample.cells.predicted], sample.cells.truth
    return Chosen(
        outputs,
        np.flatnonzero(sample.labels.sizes > small),
        order[: len(outputs)],
        row_of_cell,
        np.flatnonzero((row_of_cell >= 0) & (truth > 0) & (truth <= n_labels)),
        crowded,
        0 if crowded else min(n_outputs, most + 1 if most else n_outputs),
    )


def is_plain_dice(loss: Loss) -> bool:
    """Say whether a loss is MONAI's Dice with its own defaults, which is a function of sums."""
    kind: Any = type(loss)
    if (kind.__module__, kind.__name__) != ("monai.losses.dice", "DiceLoss"):
        return False
    return _options(loss) == _options(kind())


def _options(dice: Any) -> dict[str, Any]:
    public = {name: value for name, value in vars(dice).items() if not name.startswith("_")}
    return public | {"training": True, "class_weight": dice.class_weight is not None}


class DiceOfSums:
    """The Dice losses of a sample's instances, from sums over its cells."""

    def __init__(self, sample: Sample, chosen: Chosen) -> None:
        self.sample, self.chosen = sample, chosen
        self.n_labels = len(sample.labels.sizes)

    def whole(self) -> Tensor:
        """Return the loss of the whole sample, (1,)."""
        cells, p = self.sample.cells, self.sample.probability
        true = np.flatnonzero(cells.truth)
        overlap = _added(p, true, np.zeros_like(true), 1)
        return _dice(overlap, p.sum(), cells.voxels[true].sum(keepdims=True))

    def outputs(self) -> Tensor:
        """Return the loss of every chosen output with all labels that it meets, (o,)."""
        chosen, cells, p = self.chosen, self.sample.cells, self.sample.probability
        n, both, inside = len(chosen.outputs), chosen.overlaps, np.flatnonzero(chosen.row_of_cell >= 0)
        rows, rows_inside = chosen.row_of_cell[both], chosen.row_of_cell[inside]
        true = np.bincount(rows, self.sample.labels.sizes[cells.truth[both] - 1], minlength=n)
        return _dice(_added(p, both, rows, n), _added(p, inside, rows_inside, n), true)

    def labels(self, *, no_tp: bool, weighted: bool) -> Tensor:
        """Return the loss of every chosen label with the outputs that are shown for those it meets, (l,)."""
        chosen, cells, p = self.chosen, self.sample.cells, self.sample.probability
        labels = cells.truth[chosen.overlaps] - 1
        shown = chosen.shown[chosen.row_of_cell[chosen.overlaps]]
        own = self._cells_of(shown, labels)
        overlap = _added(p, own, cells.truth[own] - 1, self.n_labels)
        # The published mask of false positives is the prediction itself, detached: they count p * p.
        beside = np.flatnonzero((cells.predicted > 0) & ((cells.truth == 0) | (not no_tp)))
        of_output = _added(
            self.sample.square if no_tp else p,
            beside,
            cells.predicted[beside] - 1,
            len(self.sample.outputs.sizes),
        )
        around = _added(of_output, shown, labels, self.n_labels)
        losses = _dice(overlap, overlap + around if no_tp else around, self.sample.labels.sizes)
        if weighted:
            losses = losses + _dice(overlap, overlap, self.sample.labels.sizes)
        return losses.index_select(0, _placed(chosen.labels, p.device))

    def _cells_of(self, outputs: NDArray[np.int64], labels: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the cells of those pairs of an output and a label that overlap."""
        cells = self.sample.cells
        both = np.flatnonzero((cells.predicted > 0) & (cells.truth > 0) & (cells.truth <= self.n_labels))
        keys = (cells.predicted[both] - 1) * self.n_labels + cells.truth[both] - 1
        return both[np.isin(keys, outputs * self.n_labels + labels)]


class LossOfMasks:
    """Any loss of a sample's instances, each shown as the whole sample with 0 outside of it."""

    def __init__(self, sample: Sample, chosen: Chosen, loss: Loss) -> None:
        self.sample, self.chosen, self.loss = sample, chosen, loss
        cells = sample.of_voxel.long()[None, None]
        self.output, self.label = (
            _placed(ids, cells.device)[cells] for ids in (sample.cells.predicted, sample.cells.truth)
        )

    def whole(self) -> Tensor:
        """Return the loss of the whole sample, (1,)."""
        return one_number(self.loss(self.sample.p, self.sample.y)).reshape(1)

    def outputs(self) -> Tensor:
        """Return the loss of every chosen output with all labels that it meets, (o,)."""
        chosen, p, y = self.chosen, self.sample.p, self.sample.y
        met = _partners(chosen.row_of_cell[chosen.overlaps], self.sample.cells.truth[chosen.overlaps])
        losses = []
        for row, output in enumerate(chosen.outputs.tolist()):
            truth = self._any_of(self.label, met.get(row, []))
            losses.append(one_number(self.loss(p * (self.output == 1 + output), y * truth)))
        return torch.stack(losses)

    def labels(self, *, no_tp: bool, weighted: bool) -> Tensor:
        """Return the loss of every chosen label with the outputs that are shown for those it meets, (l,)."""
        chosen, p, y = self.chosen, self.sample.p, self.sample.y
        shown = 1 + chosen.shown[chosen.row_of_cell[chosen.overlaps]]
        met = _partners(self.sample.cells.truth[chosen.overlaps] - 1, shown)
        false_positive = (p * (y == 0)).detach()
        losses = []
        for label in chosen.labels.tolist():
            own = self.label == 1 + label
            mask = self._any_of(self.output, met.get(label, [])).to(p.dtype)
            if no_tp:
                mask = mask * (false_positive + own)
            loss = one_number(self.loss(p * mask, y * own))
            if weighted:
                loss = loss + one_number(self.loss(p * mask * own, y * own))
            losses.append(loss)
        return torch.stack(losses)

    @staticmethod
    def _any_of(ids: Tensor, wanted: list[int]) -> Tensor:
        return torch.isin(ids, torch.tensor(wanted, dtype=ids.dtype, device=ids.device))


def _partners(first: NDArray[np.int64], second: NDArray[np.int64]) -> dict[int, list[int]]:
    """Return the second of every pair, by the first."""
    partners: dict[int, list[int]] = {}
    for a, b in zip(first.tolist(), second.tolist(), strict=True):
        partners.setdefault(a, []).append(b)
    return partners


def _dice(overlap: Tensor, predicted: Tensor, true: NDArray[np.floating | np.integer]) -> Tensor:
    sizes = on_device(torch.from_numpy(true.astype(np.float64)), overlap.device)
    return SegmentLoss()(SegmentSums(overlap, predicted, sizes, sizes, sizes))


def _added(values: Tensor, which: NDArray[np.int64], groups: NDArray[np.int64], n: int) -> Tensor:
    """Add up `values[which[i]]` in group `groups[i]`, (n,)."""
    taken = values.index_select(0, _placed(which, values.device))
    return values.new_zeros(n).index_add(0, _placed(groups, values.device), taken)


def _placed(indices: NDArray[np.int64], device: torch.device) -> Tensor:
    return on_device(torch.from_numpy(np.ascontiguousarray(indices)), device)
