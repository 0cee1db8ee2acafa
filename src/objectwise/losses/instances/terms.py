"""The named terms of the instance losses."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


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
