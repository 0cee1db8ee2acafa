"""The terms of the published instance loss, value and gradient, in its soft mode.

What Rachmadi's code computes with `activation="none"`, with the loops over instances replaced by sums over
cells. Its faults are kept on purpose where it returns a number (docs/instances.md lists them); where it
crashes, or uses what an earlier sample left behind, the value is the one that its other branches suggest.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from objectwise.losses.instances.batch import Batch
from objectwise.losses.instances.cell_sums import CellSums
from objectwise.losses.instances.options import OriginalOptions
from objectwise.losses.instances.segment_loss import DEFAULT_SMOOTH
from objectwise.losses.instances.terms import InstanceTerms
from objectwise.maps.instance_cells import ObjectPlaces

SMOOTHER = 1e-7
"""The published code's own constant against division by zero."""


class _Problem(NamedTuple):
    batch: Batch
    sums: CellSums
    options: OriginalOptions
    spatial: tuple[int, ...]


class _Volume(NamedTuple):
    """What one volume contributes."""

    label_losses: Tensor
    output_losses: Tensor
    center: float
    false: float
    missed: float
    proximity: Tensor


def original_terms(
    batch: Batch, sums: CellSums, options: OriginalOptions, spatial: tuple[int, ...], *, proximity: bool
) -> InstanceTerms:
    """Return the terms of a batch; `center`, `false` and `missed` have no gradient.

    Without `proximity` that term is 0 and costs nothing.
    """
    problem = _Problem(batch, sums, options, spatial)
    volumes = [_volume(problem, i, proximity=proximity) for i in range(batch.n_volumes)]
    whole = torch.stack([_whole(batch, sums, i) for i in range(batch.n_volumes)])
    return InstanceTerms(
        whole.mean(),
        _reduced([volume.label_losses for volume in volumes], options),
        _reduced([volume.output_losses for volume in volumes], options),
        whole.new_tensor([volume.center for volume in volumes]).mean(),
        whole.new_tensor([volume.false for volume in volumes]).mean(),
        whole.new_tensor([volume.missed for volume in volumes]).mean(),
        torch.stack([volume.proximity for volume in volumes]).mean(),
    )


def _reduced(losses: list[Tensor], options: OriginalOptions) -> Tensor:
    if options.over == "instance":
        return torch.cat(losses).mean()
    per_volume = [values.mean() if options.reduction == "mean" else values.sum() for values in losses]
    return torch.stack(per_volume).mean()


def _dice(overlap: Tensor, predicted: Tensor, true: Tensor) -> Tensor:
    return 1 - (2 * overlap + DEFAULT_SMOOTH) / (predicted + true + DEFAULT_SMOOTH)


def _whole(batch: Batch, sums: CellSums, volume: int) -> Tensor:
    """Return the Dice loss of all voxels of a volume, (1,) reduced to a scalar."""
    here = batch.volume == volume
    positive = here & (batch.truth >= 0)
    p = sums.probability
    return _dice(p[positive].sum(), p[here].sum(), batch.voxels[positive].sum())


def _volume(problem: _Problem, i: int, *, proximity: bool) -> _Volume:
    batch, sums, options, spatial = problem
    outputs, labels = batch.predicted_objects.places[i], batch.true_objects.places[i]
    n_outputs, n_labels = len(outputs.sizes), len(labels.sizes)
    too_many = options.too_many is not None and n_labels > 0 and n_outputs > n_labels * options.too_many
    kept = np.empty(0, np.int64) if too_many else _in_its_order(outputs)[: options.max_components]
    kept = kept[outputs.sizes[kept] >= options.minimum_size]
    of_labels = _in_its_order(labels)
    of_labels = of_labels[labels.sizes[of_labels] >= options.minimum_size]

    overlaps = _overlaps(batch, i, kept)
    whole = _whole(batch, sums, i).reshape(1)
    output_losses = _output_losses(problem, i, kept, overlaps) if kept.size else whole
    label_losses = whole
    if of_labels.size:
        label_losses = _label_losses(problem, i, overlaps)[of_labels]

    missed = n_labels - int(overlaps.any(0).sum())
    false = 0 if n_outputs == 0 else n_outputs - int(overlaps.any(1).sum())
    distance = whole.new_zeros(())
    if proximity:
        of_outputs = _Side(outputs, kept, output_losses)
        distance = _proximity(of_outputs, _Side(labels, of_labels, label_losses), spatial)
        if too_many:
            distance = distance + n_outputs
    return _Volume(
        label_losses,
        output_losses,
        _center(
            _center_mask(outputs, kept, options.center_offset, spatial),
            _center_mask(labels, of_labels, options.center_offset, spatial),
        ),
        false / (n_outputs + SMOOTHER) if options.rates else float(false),
        missed / (n_labels + SMOOTHER) if options.rates else float(missed),
        distance,
    )


def _in_its_order(objects: ObjectPlaces) -> NDArray[np.int64]:
    """Return positions in the published order: max-pooling names a component after its last voxel."""
    return np.argsort(objects.last, kind="stable")


def _overlaps(batch: Batch, i: int, kept: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return which output instance, if it is kept, meets which label instance: (outputs, labels)."""
    shape = (len(batch.predicted_objects.places[i].sizes), len(batch.true_objects.places[i].sizes))
    overlaps = np.zeros(shape, bool)
    here = (batch.true_objects.volume[batch.pair_truth] == i).cpu().numpy()
    first_output, first_label = _firsts(batch, i)
    rows = batch.pair_predicted.cpu().numpy()[here] - first_output
    columns = batch.pair_truth.cpu().numpy()[here] - first_label
    keep = np.isin(rows, kept)
    overlaps[rows[keep], columns[keep]] = True
    return overlaps


def _firsts(batch: Batch, i: int) -> tuple[int, int]:
    """Return the numbers in the batch of the first objects of a volume."""
    return (
        sum(len(places.sizes) for places in batch.predicted_objects.places[:i]),
        sum(len(places.sizes) for places in batch.true_objects.places[:i]),
    )


def _tables(batch: Batch, i: int, values: Tensor) -> Tensor:
    """Return sums over (output instance or none, label instance or none) of a volume; none comes last."""
    outputs = len(batch.predicted_objects.places[i].sizes)
    labels = len(batch.true_objects.places[i].sizes)
    first_output, first_label = _firsts(batch, i)
    here = batch.volume == i
    rows, columns = batch.predicted[here], batch.truth[here]
    rows = torch.where(rows < 0, outputs, rows - first_output)
    columns = torch.where(columns < 0, labels, columns - first_label)
    table = values.new_zeros((outputs + 1) * (labels + 1))
    table = table.index_add(0, rows * (labels + 1) + columns, values[here])
    return table.reshape(outputs + 1, labels + 1)


def _output_losses(problem: _Problem, i: int, kept: NDArray[np.int64], overlaps: NDArray[np.bool_]) -> Tensor:
    """Return the Dice loss of every kept output instance with all label instances that it meets."""
    batch, sums, *_ = problem
    rows = torch.from_numpy(kept).to(sums.probability.device)
    p = _tables(batch, i, sums.probability)[rows]
    sizes = batch.true_objects.places[i].sizes
    true = torch.from_numpy((overlaps[kept] @ sizes).astype(np.float64)).to(p)
    return _dice(p[:, :-1].sum(1), p.sum(1), true)


def _label_losses(problem: _Problem, i: int, overlaps: NDArray[np.bool_]) -> Tensor:
    """Return the Dice loss of every label instance with all kept output instances that meet it."""
    batch, sums, options, _ = problem
    meets = torch.from_numpy(overlaps.astype(np.float64)).to(sums.probability)
    p = _tables(batch, i, sums.probability)[:-1]
    overlap = (p[:, :-1] * meets).sum(0)
    if options.exclude_true_positives:
        # The published mask is the prediction itself, detached, so false positives count p * p.
        rest = meets.T @ _tables(batch, i, sums.square)[:-1, -1]
        predicted = overlap + rest
    else:
        predicted = meets.T @ p.sum(1)
    sizes = torch.from_numpy(batch.true_objects.places[i].sizes.astype(np.float64)).to(p)
    return _dice(overlap, predicted, sizes)


def _center(predicted: NDArray[np.bool_], true: NDArray[np.bool_]) -> float:
    """Return the Dice loss of two masks of boxes, which no prediction can change."""
    level = 1 + SMOOTHER
    overlap = level**2 * np.count_nonzero(predicted & true)
    both = level * (np.count_nonzero(predicted) + np.count_nonzero(true))
    return float(1 - (2 * overlap + DEFAULT_SMOOTH) / (both + DEFAULT_SMOOTH))


def _center_mask(
    objects: ObjectPlaces, rows: NDArray[np.int64], offset: float, spatial: tuple[int, ...]
) -> NDArray[np.bool_]:
    mask = np.zeros(spatial, bool)
    reach = np.array([math.ceil(length / max(spatial) * offset) for length in spatial])
    middles = np.ceil(objects.centers_of_mass[rows]).astype(np.int64)
    starts = np.maximum(middles - reach - 1, 0)  # one further down than up, as published
    stops = np.minimum(middles + reach, spatial)
    for start, stop in zip(starts, stops, strict=True):
        mask[tuple(slice(a, b) for a, b in zip(start, stop, strict=True))] = True
    return mask


class _Boxes(NamedTuple):
    starts: Tensor
    stops: Tensor
    middles: Tensor


class _Side(NamedTuple):
    objects: ObjectPlaces
    rows: NDArray[np.int64]
    losses: Tensor


def _proximity(outputs: _Side, labels: _Side, spatial: tuple[int, ...]) -> Tensor:
    """Return the squared difference of the two weighted sums, which can cancel."""
    dtype = outputs.losses.dtype
    if outputs.rows.size and labels.rows.size:
        dtype = torch.float32  # what dividing integers gives in the published code
    of_outputs = _grown_boxes(outputs.objects, outputs.rows, spatial, dtype)
    of_truth = _grown_boxes(labels.objects, labels.rows, spatial, dtype)
    distances = _distances(of_outputs, of_truth).to(outputs.losses)
    by_output = (distances.min(1).values * outputs.losses).sum()
    by_label = (distances.min(0).values * labels.losses).sum()
    squared: Tensor = (by_label - by_output) ** 2
    return squared


def _grown_boxes(
    objects: ObjectPlaces, rows: NDArray[np.int64], spatial: tuple[int, ...], dtype: torch.dtype
) -> _Boxes:
    """Return boxes grown by their own length on each side; one box amid the volume where there is none."""
    if not rows.size:
        middle = torch.tensor([[length // 2 for length in spatial]], dtype=dtype)
        return _Boxes(middle - 1, middle + 1, middle)
    first = objects.boxes[rows, :, 0]
    last = objects.boxes[rows, :, 1] - 1
    grown = np.maximum(last - first, 1)
    starts = np.maximum(first - grown - 1, 0)
    stops = np.minimum(last + grown, spatial)
    middles = starts - (starts - stops) // 2  # rounded up
    return _Boxes(*(torch.from_numpy(corner).to(dtype) for corner in (starts, stops, middles)))


def _distances(first: _Boxes, second: _Boxes) -> Tensor:
    """Return 1 - IoU + (distance of the middles / diagonal of both)^2 for every pair of boxes."""
    common = torch.minimum(first.stops[:, None], second.stops) - torch.maximum(
        first.starts[:, None], second.starts
    )
    overlap = common.clamp(min=0).prod(-1)
    volumes = (first.stops - first.starts).prod(-1)[:, None] + (second.stops - second.starts).prod(-1)
    hull = torch.maximum(first.stops[:, None], second.stops) - torch.minimum(
        first.starts[:, None], second.starts
    )
    apart = ((first.middles[:, None] - second.middles) ** 2).sum(-1)
    return 1 - overlap / (volumes - overlap) + apart / ((hull**2).sum(-1) + SMOOTHER)
