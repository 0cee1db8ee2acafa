"""Rivals of the instance loss that look at true objects only: blob loss, CC-Dice, region Dice.

Each cuts a volume into segments by the truth alone, so nothing depends on a threshold. With one segment for
each object every object counts the same, whatever its size.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import torch
from torch import Tensor, nn

from objectwise.checks import check_choice, check_whole_number
from objectwise.errors import ArgumentError, DtypeError
from objectwise.losses.inputs import INTEGERS
from objectwise.losses.instances.cell_sums import cell_sums
from objectwise.losses.instances.corrected import Rows, with_empty
from objectwise.losses.instances.crops import losses_of
from objectwise.losses.instances.inputs import (
    Foreground,
    check_activation,
    check_fits,
    check_instance_tensors,
    foreground,
    object_channels,
)
from objectwise.losses.instances.options import (
    OVER,
    REDUCTIONS,
    InnerLoss,
    checked_loss,
    checked_sizes,
    checked_weights,
)
from objectwise.losses.instances.regions import (
    Partition,
    RegionCrops,
    blob_partition,
    blob_segments,
    region_partition,
    region_segments,
    volume_segments,
)
from objectwise.losses.instances.segment_loss import EMPTY_LOSSES, SegmentLoss


class RegionTerms(NamedTuple):
    """The terms of `BlobLoss` and `CCDiceLoss`, scalars."""

    pixel: Tensor
    """The pixel loss over all voxels of a volume, mean over the volumes."""
    instances: Tensor
    """The instance loss of the segments, one for each true object."""


class _RegionLossBase(nn.Module, ABC):
    """Options and forward of the rivals; they differ in their segments and weights."""

    _weights: Mapping[str, float]

    def __init__(
        self,
        *,
        activation: str = "sigmoid",
        include_background: bool | None = None,
        pixel_loss: InnerLoss = "dice",
        instance_loss: InnerLoss = "dice",
        connectivity: int | None = None,
        minimum_size: int = 0,
        over: str = "data",
        reduction: str = "mean",
        weights: Mapping[str, float] | None = None,
    ) -> None:
        super().__init__()
        check_activation(activation, include_background)
        check_choice(over, OVER, name="over")
        check_choice(reduction, REDUCTIONS, name="reduction")
        check_whole_number(minimum_size, least=0, name="minimum_size")
        self.activation, self.include_background = activation, include_background
        self.pixel_loss = checked_loss(pixel_loss, "pixel_loss")
        self.instance_loss = checked_loss(instance_loss, "instance_loss")
        self.connectivity, self.minimum_size = connectivity, minimum_size
        self.over, self.reduction = over, reduction
        self.weights = checked_weights(weights, self._weights)

    def forward(
        self,
        prediction: Tensor,
        target: Tensor,
        *,
        instances: Tensor | None = None,
        ignore: Tensor | None = None,
    ) -> Tensor:
        """Return the weighted sum of the terms, a scalar; arguments as in `InstanceLoss.terms`."""
        terms = self.terms(prediction, target, instances=instances, ignore=ignore)
        return self._weighted(terms)

    def terms(
        self,
        prediction: Tensor,
        target: Tensor,
        *,
        instances: Tensor | None = None,
        ignore: Tensor | None = None,
    ) -> RegionTerms:
        """Return both terms; arguments as in `InstanceLoss.terms`."""
        terms: RegionTerms = self._terms(prediction, target, instances, ignore, None)
        return terms

    def _weighted(self, terms: RegionTerms) -> Tensor:
        weights = self.weights
        if not weights["instances"]:
            return terms.pixel * weights["pixel"]
        total = terms.instances * weights["instances"]
        return total + terms.pixel * weights["pixel"] if weights["pixel"] else total

    @torch.compiler.disable  # type: ignore[untyped-decorator]  # Numba: a compiled model calls it as it is
    def _terms(
        self,
        prediction: Tensor,
        target: Tensor,
        instances: Tensor | None,
        ignore: Tensor | None,
        regions: Tensor | None,
    ) -> RegionTerms:
        check_instance_tensors(prediction, target, instances, ignore)
        if instances is not None and self.connectivity is not None:
            raise ArgumentError(
                f"`connectivity` has no effect where `instances` are given, got {self.connectivity}"
            )
        if regions is not None:
            if not isinstance(regions, Tensor) or regions.dtype not in INTEGERS:
                came = regions.dtype if isinstance(regions, Tensor) else type(regions).__name__
                raise DtypeError(f"`regions` must be a tensor of integer ids (0 = no region), got {came}")
            check_fits(regions, prediction, "regions")
        inputs = foreground(
            prediction, target, ignore, activation=self.activation, include_background=self.include_background
        )
        channels = object_channels(prediction, self.activation, self.include_background)
        optional = [None if tensor is None else tensor[:, channels] for tensor in (instances, regions)]
        partition = self._partition(inputs, *optional)
        return self._of_partition(inputs, partition)

    @abstractmethod
    def _partition(self, inputs: Foreground, instances: Tensor | None, regions: Tensor | None) -> Partition:
        """Cut the volumes into regions."""

    @abstractmethod
    def _of_partition(self, inputs: Foreground, partition: Partition) -> RegionTerms:
        """Return the terms of the segments that the regions make."""

    def _logarithms(self, *, empty: str | None) -> bool:
        losses = [loss for loss in (self.pixel_loss, self.instance_loss) if isinstance(loss, SegmentLoss)]
        return empty == "cross_entropy" or any(loss.needs_logarithms for loss in losses)

    def extra_repr(self) -> str:
        """Show the options."""
        names = [
            *("activation", "include_background", "pixel_loss", "instance_loss", "empty_loss"),
            *("connectivity", "spacing", "minimum_size", "over", "reduction", "weights"),
        ]
        shown = {name: getattr(self, name, None) for name in names}
        return ", ".join(f"{name}={value!r}" for name, value in shown.items() if value is not None)


class BlobLoss(_RegionLossBase):
    """The blob loss of Kofler et al. 2022.

    The segment of a true object is the whole volume without the other true objects: every false positive,
    wherever it lies, counts against every object.

    Parameters
    ----------
    activation, include_background, pixel_loss, instance_loss, connectivity, minimum_size, over, reduction
        As in `InstanceLoss`; `over` is "data" by default: the mean over volumes of the mean over objects, as
        published.
    weights : mapping of `pixel` and `instances` to float, optional
        2 and 1 by default, the paper's.

    Notes
    -----
    A volume without true objects has the pixel term only.

    References
    ----------
    Kofler et al., "blob loss: instance imbalance aware loss functions for semantic segmentation", 2022.
    """

    _weights = MappingProxyType({"pixel": 2.0, "instances": 1.0})

    def _partition(self, inputs: Foreground, instances: Tensor | None, regions: Tensor | None) -> Partition:
        return blob_partition(inputs, instances, self.connectivity)

    def _of_partition(self, inputs: Foreground, partition: Partition) -> RegionTerms:
        sums = cell_sums(
            inputs.values,
            partition.cells,
            2 * partition.n_regions,
            from_logits=inputs.from_logits,
            logarithms=self._logarithms(empty=None),
        )
        crops = RegionCrops(inputs, partition)
        whole = volume_segments(partition, sums)
        blobs = blob_segments(partition, sums, self.minimum_size)
        rows = Rows(losses_of(self.instance_loss, blobs, crops, "blob"), blobs.volume).only(blobs.counts)
        reduced = rows.reduced(partition.n_volumes, self.over, self.reduction)
        pixel = losses_of(self.pixel_loss, whole, crops, "whole").mean()
        return RegionTerms(pixel.to(inputs.values.dtype), reduced.to(inputs.values.dtype))


class CCDiceLoss(_RegionLossBase):
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
    empty_loss : "cross_entropy" or "tversky", optional
        Loss of a region without truth: of a volume without true objects, which is one region. Cross-entropy
        by default.
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
        empty_loss: str | None = None,
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
        if empty_loss is not None:
            check_choice(empty_loss, EMPTY_LOSSES, name="empty_loss")
        self.empty_loss = "cross_entropy" if empty_loss is None else empty_loss
        self.spacing = checked_sizes(spacing)

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
        crops = RegionCrops(inputs, partition)
        segments = region_segments(partition, sums, self.minimum_size)
        losses = with_empty(self.instance_loss, segments, self.empty_loss, crops, "region")
        rows = Rows(losses, segments.volume).only(segments.counts)
        reduced = rows.reduced(partition.n_volumes, self.over, self.reduction)
        pixel = losses_of(self.pixel_loss, volume_segments(partition, sums), crops, "whole").mean()
        return RegionTerms(pixel.to(inputs.values.dtype), reduced.to(inputs.values.dtype))


class RegionDice(CCDiceLoss):
    """The loss over regions alone, without a loss over the whole volume; options as in `CCDiceLoss`.

    The mean over Voronoi regions of their Dice loss, as in instance-aware forks of nnU-Net; with `regions`,
    over any partition.
    """

    _weights = MappingProxyType({"pixel": 0.0, "instances": 1.0})
