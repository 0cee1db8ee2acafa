"""The loss over regions alone."""

from __future__ import annotations

from types import MappingProxyType

from objectwise.losses.instances.cc_dice import CCDiceLoss


class RegionDice(CCDiceLoss):
    """The loss over regions alone, without a loss over the whole volume; options as in `CCDiceLoss`.

    The mean over Voronoi regions of their Dice loss, as in instance-aware forks of nnU-Net; with `regions`,
    over any partition.
    """

    _weights = MappingProxyType({"pixel": 0.0, "instances": 1.0})
