"""The terms of the published instance losses, sample by sample; their surprises are kept (docs/compat.md)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from objectwise.checks import check_bool, check_choice, check_number, check_positive, check_whole_number
from objectwise.compat.instance_boxes import center_mask, grown_boxes, nearest_distances
from objectwise.compat.instance_segments import (
    Chosen,
    DiceOfSums,
    Loss,
    LossOfMasks,
    Sample,
    choose,
    is_plain_dice,
)
from objectwise.errors import ArgumentError
from objectwise.losses.inputs import on_device
from objectwise.losses.instances.crops import one_number


class PublishedOptions(NamedTuple):
    """The options of all four losses under their published names."""

    reduce_segmentation: str
    instance_wise_reduce: str
    segmentation_threshold: float
    max_cc_out: int
    mul_too_many: float
    min_instance_size: int
    centroid_offset: float
    smoother: float
    instance_wise_loss_no_tp: bool
    rate_instead_number: bool
    weighted_instance_wise: bool
    weighted_fdr: bool

    def check(self) -> None:
        """Refuse what is out of range."""
        check_choice(self.reduce_segmentation, ("mean", "sum"), name="reduce_segmentation")
        check_choice(self.instance_wise_reduce, ("instance", "data"), name="instance_wise_reduce")
        check_number(self.segmentation_threshold, name="segmentation_threshold")
        if not 0 < self.segmentation_threshold <= 1:
            came = self.segmentation_threshold
            raise ArgumentError(f"`segmentation_threshold` must be above 0 and at most 1, got {came}")
        for name in ("max_cc_out", "min_instance_size"):
            check_whole_number(getattr(self, name), least=0, name=name)
        for name in ("mul_too_many", "centroid_offset", "smoother"):
            check_positive(getattr(self, name), name=name, or_zero=name == "centroid_offset")
        for name in self._fields[-4:]:
            check_bool(getattr(self, name), name=name)


class SampleTerms(NamedTuple):
    """What one sample contributes: losses of its instances, (l,) and (o,), and scalars; float64."""

    label_instances: Tensor
    output_instances: Tensor
    center: Tensor
    fdr: Tensor
    false: Tensor
    missed: Tensor
    proximity: Tensor


def batch_terms(samples: list[SampleTerms], options: PublishedOptions) -> dict[str, Tensor]:
    """Reduce the terms of all samples."""

    def over_instances(losses: tuple[Tensor, ...]) -> Tensor:
        if options.instance_wise_reduce == "instance":
            return torch.cat(losses).mean()
        mean = options.reduce_segmentation == "mean"
        return torch.stack([values.mean() if mean else values.sum() for values in losses]).mean()

    labels, outputs, *scalars = zip(*samples, strict=True)
    reduced = (over_instances(labels), over_instances(outputs), *(torch.stack(one).mean() for one in scalars))
    return dict(zip(SampleTerms._fields, reduced, strict=True))


def sample_terms(
    sample: Sample, options: PublishedOptions, losses: tuple[Loss, Loss], wanted: tuple[str, ...]
) -> SampleTerms:
    """Return the terms of one sample, given the losses of instances and centers.

    Outputs and proximity cost nothing, and are of no use, where they are not wanted.
    """
    instance_loss, center_loss = losses
    chosen = choose(
        sample, most=options.max_cc_out, too_many=options.mul_too_many, small=options.min_instance_size
    )
    one_by_one = (
        DiceOfSums(sample, chosen)
        if is_plain_dice(instance_loss)
        else LossOfMasks(sample, chosen, instance_loss)
    )
    of_labels = (
        one_by_one.labels(no_tp=options.instance_wise_loss_no_tp, weighted=options.weighted_instance_wise)
        if chosen.labels.size
        else one_by_one.whole()
    )
    nothing = sample.probability.sum() * 0  # counts have a gradient, as published: none anywhere
    of_outputs = nothing.reshape(1)
    if "output_instances" in wanted:
        of_outputs = one_by_one.outputs() if chosen.outputs.size else one_by_one.whole()
    false, missed = _unmet(sample, chosen, options)
    fdr = _false_discovery(sample, chosen.seen, options.smoother)
    return SampleTerms(
        of_labels.double(),
        of_outputs.double(),
        nothing + one_number(center_loss(*_centers(sample, chosen, options))),
        fdr * (false + 1) if options.weighted_fdr else fdr,
        nothing + false,
        nothing + missed,
        _proximity(sample, chosen, of_outputs, of_labels) if "proximity" in wanted else nothing,
    )


def _centers(sample: Sample, chosen: Chosen, options: PublishedOptions) -> tuple[Tensor, Tensor]:
    """Return boxes around the middles of outputs and of labels, which no prediction can change."""
    level = 1 + options.smoother
    sides = (sample.outputs, chosen.outputs), (sample.labels, chosen.labels)
    outputs, labels = (center_mask(*side, options.centroid_offset, level, sample.p) for side in sides)
    return outputs, labels


def _unmet(sample: Sample, chosen: Chosen, options: PublishedOptions) -> tuple[float, float]:
    """Return how many outputs and labels meet none of the other side, those that are too small included."""
    n_outputs, n_labels = len(sample.outputs.sizes), len(sample.labels.sizes)
    false = n_outputs - np.unique(chosen.row_of_cell[chosen.overlaps]).size
    missed = n_labels - np.unique(sample.cells.truth[chosen.overlaps]).size
    if not options.rate_instead_number:
        return false, missed
    return false / (n_outputs + options.smoother), missed / (n_labels + options.smoother)


def _false_discovery(sample: Sample, seen: int, smoother: float) -> Tensor:
    """Return one minus the precision of the voxels, weighed against `smoother` by the outputs seen."""
    true = torch.from_numpy(sample.cells.truth > 0).to(sample.p.device)
    hit = seen * sample.probability.masked_select(true).sum() + smoother
    return 1 - hit / (seen * sample.probability.sum() + smoother)


def _proximity(sample: Sample, chosen: Chosen, of_outputs: Tensor, of_labels: Tensor) -> Tensor:
    """Return the squared difference of the two weighted sums, which can cancel."""
    spatial = tuple(sample.p.shape[2:])
    outputs, labels = (
        grown_boxes(objects, which, spatial)
        for objects, which in ((sample.outputs, chosen.outputs), (sample.labels, chosen.labels))
    )
    dtype = np.float64 if sample.p.dtype == torch.float64 else np.float32
    to_labels, to_outputs = (
        on_device(torch.from_numpy(distances), sample.p.device)
        for distances in nearest_distances(outputs, labels, spatial, dtype)
    )
    apart = (to_outputs * of_labels.double()).sum() - (to_labels * of_outputs.double()).sum()
    squared: Tensor = apart**2
    return squared + (len(sample.outputs.sizes) if chosen.crowded else 0)
