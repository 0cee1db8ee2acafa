"""The published losses, what they are built with, and a sample small enough to count by hand."""

from __future__ import annotations

import torch
from monai.losses import DiceLoss

from objectwise.compat.instance_loss import ICILoss, InstanceCenterLoss, InstanceLoss, dICILoss
from tests.losses.instances.problems import rows

LOSSES = (InstanceLoss, InstanceCenterLoss, ICILoss, dICILoss)

DICE = (DiceLoss(),) * 3


class CalledDice(DiceLoss):
    """The same, but no loss that is known to be a function of sums."""


HAND = {
    # A component of one voxel in front (0.8) and one of two (0.9, 0.7); labels likewise.
    "outputs": torch.tensor([[[[0.8, 0.1, 0.9, 0.7, 0.1, 0.1, 0.6]]]], dtype=torch.float64),
    "labels": rows([[1, 0, 1, 1, 0, 0, 0]]),
}
