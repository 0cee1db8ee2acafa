"""The terms of the instance losses, each of which trains.

The threshold chooses the structure only: which components there are and which of them meet. Every term is a
function of probabilities, so it has a gradient wherever the activation has one.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from objectwise.losses.instances.batch import Batch
from objectwise.losses.instances.cell_sums import CellSums
from objectwise.losses.instances.crops import ObjectCuts, losses_of
from objectwise.losses.instances.options import InstanceOptions
from objectwise.losses.instances.proximity import FARTHEST, nearest_distances
from objectwise.losses.instances.rows import Rows, mean_over, with_empty
from objectwise.losses.instances.segments import (
    Segments,
    center_segments,
    label_segments,
    output_segments,
    parts_of,
    whole_segments,
)


class InstanceCenterTerms(NamedTuple):
    """The terms of `InstanceCenterLoss`, scalars."""

    pixel: Tensor
    """The pixel loss over all voxels of a volume, mean over the volumes."""
    label_instances: Tensor
    """Over the true instances: each with the predicted instances that meet it."""
    output_instances: Tensor
    """Over the predicted instances: each with the true instances that it meets."""
    center: Tensor
    """The center loss, over the voxels around the middles of all instances."""
    false: Tensor
    """Predicted instances that meet no true one, per volume."""
    missed: Tensor
    """True instances that no predicted one meets, per volume."""


class InstanceTerms(NamedTuple):
    """The terms of `InstanceLoss`, scalars."""

    pixel: Tensor
    """The pixel loss over all voxels of a volume, mean over the volumes."""
    label_instances: Tensor
    """Over the true instances: each with the predicted instances that meet it."""
    output_instances: Tensor
    """Over the predicted instances: each with the true instances that it meets."""
    center: Tensor
    """The center loss, over the voxels around the middles of all instances."""
    false: Tensor
    """Predicted instances that meet no true one, per volume."""
    missed: Tensor
    """True instances that no predicted one meets, per volume."""
    proximity: Tensor
    """The instances' losses weighted by how far the nearest instance of the other side is."""


def instance_terms(
    batch: Batch,
    sums: CellSums,
    options: InstanceOptions,
    *,
    probabilities: Tensor | None,
    proximity: bool,
) -> InstanceTerms:
    """Return the terms of a batch.

    `probabilities` (n, c, *spatial) are needed where a loss is a function that is shown crops of them.
    Without `proximity` that term is 0 and costs nothing.
    """
    crowded = _crowded(batch, options.too_many)
    parts = parts_of(batch, sums)
    whole = whole_segments(parts)
    outputs = output_segments(parts, batch)
    center = center_segments(parts, crowded)
    labels = label_segments(
        parts,
        batch,
        crowded=crowded,
        minimum_size=options.minimum_size,
        exclude_true_positives=options.exclude_true_positives,
    )
    cuts = None
    if probabilities is not None:
        cuts = ObjectCuts(
            probabilities, batch, crowded, exclude_true_positives=options.exclude_true_positives
        )
    known = whole.counts
    pixel = mean_over(losses_of(options.pixel_loss, whole, cuts, "whole"), known)
    of_labels = losses_of(options.instance_loss, labels, cuts, "label")
    of_outputs = with_empty(options.instance_loss, outputs, options.empty_loss, cuts, "output")
    of_crowds = losses_of(options.instance_loss, whole.only(crowded), cuts, "whole")
    central = with_empty(options.center_loss, center, options.empty_loss, cuts, "center")

    alone = outputs.only(~crowded.index_select(0, outputs.volume))
    sides = labels, alone, whole.only(crowded)
    label_term, output_term = _over_instances((of_labels, of_outputs, of_crowds), sides, known, options)
    near = pixel.new_zeros(())
    if proximity:
        to_outputs, to_labels = nearest_distances(batch, options.spacing)
        weighed = of_labels * to_outputs, of_outputs * to_labels, of_crowds * FARTHEST
        near = torch.stack(_over_instances(weighed, sides, known, options)).sum()
    return InstanceTerms(
        pixel,
        label_term,
        output_term,
        mean_over(central, center.counts),
        _unmet(outputs, outputs.sums.predicted, known, rates=options.rates),
        _unmet(labels, labels.sums.true - labels.sums.overlap, known, rates=options.rates),
        near,
    )


def _over_instances(
    losses: tuple[Tensor, Tensor, Tensor],
    sides: tuple[Segments, Segments, Segments],
    known: Tensor,
    options: InstanceOptions,
) -> tuple[Tensor, Tensor]:
    """Reduce the losses of true objects, and those of predicted objects together with crowded volumes."""
    labels, outputs, crowds = (
        Rows(of_side, side.volume).only(side.counts) for of_side, side in zip(losses, sides, strict=True)
    )
    reduction = (known, options.over, options.reduction)
    return labels.reduced(*reduction), outputs.and_also(crowds).reduced(*reduction)


def _crowded(batch: Batch, too_many: float | None) -> Tensor:
    """Return whether a volume has too many predicted objects to look at them one by one, (v,) bool."""
    n = batch.n_volumes
    if too_many is None:
        return torch.zeros(n, dtype=torch.bool, device=batch.volume.device)
    n_predicted = torch.bincount(batch.predicted_objects.volume, minlength=n)
    n_true = torch.bincount(batch.true_objects.volume, minlength=n)
    return (n_true > 0) & (n_predicted > too_many * n_true)


def _unmet(segments: Segments, expected: Tensor, known: Tensor, *, rates: bool) -> Tensor:
    """Return how many objects of a volume meet none of the other side, each counted by its probability.

    `expected` is the expected number of wrong voxels of every object; over its voxels, that is the
    probability that the object is wrong. As a rate it is divided by the volume's number of objects.
    """
    alone = segments.counts & ~segments.met
    wrong = (expected / segments.sums.voxels.clamp_min(1)).masked_select(alone)
    totals = wrong.new_zeros(len(known)).index_add(0, segments.volume.masked_select(alone), wrong)
    if rates:
        ones = segments.counts.to(totals.dtype)
        totals = totals / totals.new_zeros(len(known)).index_add(0, segments.volume, ones).clamp_min(1)
    return mean_over(totals, known)
