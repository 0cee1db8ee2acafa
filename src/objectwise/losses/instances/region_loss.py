"""What the losses that look at true objects only share: blob loss, CC-Dice, region Dice.

Each cuts a volume into segments by the truth alone, so nothing depends on a threshold. With one segment for
each object every object counts the same, whatever its size.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

from objectwise.checks import check_choice, check_whole_number
from objectwise.errors import ArgumentError
from objectwise.losses.inputs import SCALAR_REDUCTIONS, LogitsWatch
from objectwise.losses.instances.inputs import (
    Foreground,
    check_activation,
    check_ids,
    check_instance_tensors,
    foreground,
    object_channels,
)
from objectwise.losses.instances.options import OVER, InnerLoss, checked_loss, checked_weights
from objectwise.losses.instances.regions import Partition
from objectwise.losses.instances.segment_loss import SegmentLoss
from objectwise.maps.instances import check_some_connectivity


class RegionTerms(NamedTuple):
    """The terms of `BlobLoss` and `CCDiceLoss`, scalars."""

    pixel: Tensor
    """The pixel loss over all voxels of a volume, mean over the volumes."""
    instances: Tensor
    """The instance loss of the segments, one for each true object."""


class RegionLoss(nn.Module, ABC):
    """Options and forward of the losses over true objects; they differ in their segments and weights."""

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
        check_choice(reduction, SCALAR_REDUCTIONS, name="reduction")
        check_whole_number(minimum_size, least=0, name="minimum_size")
        check_some_connectivity(connectivity)
        self.activation, self.include_background = activation, include_background
        self._watch = LogitsWatch()
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
            check_ids(regions, prediction, "regions", "no region")
        inputs = foreground(
            prediction,
            target,
            ignore,
            activation=self.activation,
            include_background=self.include_background,
            watch=self._watch,
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
