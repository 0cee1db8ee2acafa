"""Dice, or any other loss, over the Voronoi regions of the true objects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from torch import Tensor

from objectwise.checks import check_choice, check_some_spacing
from objectwise.errors import ArgumentError
from objectwise.losses.instances.cell_sums import cell_sums
from objectwise.losses.instances.crops import losses_of
from objectwise.losses.instances.inputs import Foreground
from objectwise.losses.instances.options import InnerLoss
from objectwise.losses.instances.region_loss import RegionLoss, RegionTerms
from objectwise.losses.instances.regions import (
    Partition,
    RegionCuts,
    region_partition,
    region_segments,
    volume_segments,
)
from objectwise.losses.instances.rows import Rows, mean_over, with_empty
from objectwise.losses.instances.segment_loss import EMPTY_LOSSES


class CCDiceLoss(RegionLoss):
    """Dice, or any other loss, over the Voronoi regions of the true objects.

    The segment of a true object is its region, all voxels nearer to it than to any other: a false positive
    counts against the nearest object only. With `pixel_loss` and `instance_loss` "dice_cross_entropy" this
    is CC-DiceCE.

    Parameters
    ----------
    activation, include_background, pixel_loss, instance_loss, connectivity, minimum_size, over, reduction
        As in `InstanceLoss`, but `over` is "data" by default.
    spacing : (ndim,) float, optional
        Size of a voxel, for distances; 1 by default.
    empty_loss : "cross_entropy" or "tversky"
        Loss of a region without truth: of a volume without true objects, which is one region.
    weights : mapping of `pixel` and `instances` to float, optional
        1 each by default.

    References
    ----------
    Jaus et al., "Every Component Counts: Rethinking the Measure of Success for Medical Semantic Segmentation
    in Multi-Instance Segmentation Tasks", 2025.
    Bouteille et al., "Learning to Look Closer: A New Instance-Wise Loss for Small Cerebral Lesion
    Segmentation", 2025.
    """

    _weights = MappingProxyType({"pixel": 1.0, "instances": 1.0})

    def __init__(
        self,
        *,
        activation: str = "sigmoid",
        include_background: bool | None = None,
        pixel_loss: InnerLoss = "dice",
        instance_loss: InnerLoss = "dice",
        empty_loss: str = "cross_entropy",
        connectivity: int | None = None,
        spacing: Sequence[float] | None = None,
        minimum_size: int = 0,
        over: str = "data",
        reduction: str = "mean",
        weights: Mapping[str, float] | None = None,
    ) -> None:
        super().__init__(
            activation=activation,
            include_background=include_background,
            pixel_loss=pixel_loss,
            instance_loss=instance_loss,
            connectivity=connectivity,
            minimum_size=minimum_size,
            over=over,
            reduction=reduction,
            weights=weights,
        )
        check_choice(empty_loss, EMPTY_LOSSES, name="empty_loss")
        self.empty_loss = empty_loss
        self.spacing = check_some_spacing(spacing)

    def forward(
        self,
        prediction: Tensor,
        target: Tensor,
        *,
        instances: Tensor | None = None,
        ignore: Tensor | None = None,
        regions: Tensor | None = None,
    ) -> Tensor:
        """Return the weighted sum of the terms, a scalar; see `terms`."""
        return self._weighted(
            self.terms(prediction, target, instances=instances, ignore=ignore, regions=regions)
        )

    def terms(
        self,
        prediction: Tensor,
        target: Tensor,
        *,
        instances: Tensor | None = None,
        ignore: Tensor | None = None,
        regions: Tensor | None = None,
    ) -> RegionTerms:
        """Return both terms.

        Arguments as in `InstanceLoss.terms`, and `regions`, as `prediction`, integer, optional: a partition
        made before, such as `voronoi_regions` in a data loader; 0 lies in no region. It takes the place of
        the Voronoi partition, so `instances`, `spacing` and `connectivity` have no effect beside it and are
        refused.
        """
        beside = {"instances": instances, "spacing": self.spacing, "connectivity": self.connectivity}
        useless = [name for name, value in beside.items() if value is not None]
        if regions is not None and useless:
            raise ArgumentError(f"`{useless[0]}` has no effect where `regions` are given")
        terms: RegionTerms = self._terms(prediction, target, instances, ignore, regions)
        return terms

    def _partition(self, inputs: Foreground, instances: Tensor | None, regions: Tensor | None) -> Partition:
        return region_partition(
            inputs, instances, regions, connectivity=self.connectivity, spacing=self.spacing
        )

    def _of_partition(self, inputs: Foreground, partition: Partition) -> RegionTerms:
        sums = cell_sums(
            inputs.values,
            partition.cells,
            2 * partition.n_regions,
            from_logits=inputs.from_logits,
            logarithms=self._logarithms(empty=self.empty_loss),
        )
        cuts = RegionCuts(inputs, partition)
        whole = volume_segments(partition, sums)
        segments = region_segments(partition, sums, self.minimum_size)
        losses = with_empty(self.instance_loss, segments, self.empty_loss, cuts, "region")
        rows = Rows(losses, segments.volume).only(segments.counts)
        reduced = rows.reduced(whole.counts, self.over, self.reduction)
        pixel = mean_over(losses_of(self.pixel_loss, whole, cuts, "whole"), whole.counts)
        return RegionTerms(pixel.to(inputs.values.dtype), reduced.to(inputs.values.dtype))
