"""The boundary loss: the region-wise loss of the signed distance map."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from objectwise.losses.regions.region_wise import RegionWiseLoss


class BoundaryLoss(RegionWiseLoss):
    """The mean of probability times signed distance to the border of the class.

    Alone it has an easy minimum, everything in the class with the lowest distances; `CombinedLoss` with
    `Gradual` starts from another loss, as its authors do.

    Parameters
    ----------
    spacing : (ndim,) float, optional
        Size of a voxel along z, y, x; 1 by default. The loss has its unit.
    **options
        Those of `RegionWiseLoss` but `map`.

    References
    ----------
    Kervadec, Bouchtiba, Desrosiers, Granger, Dolz, Ben Ayed: "Boundary loss for highly unbalanced
    segmentation", Medical Image Analysis 2021. How classes that are absent or fill the patch are treated:
    `objectwise.maps.signed_distance_map`.
    """

    def __init__(self, *, spacing: Sequence[float] | None = None, **options: Any) -> None:
        super().__init__("signed_distance", spacing=spacing, **options)
