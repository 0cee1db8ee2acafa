"""The active-contour loss: the region-wise loss of the active-contour map, and the length of the contour."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from objectwise.checks import check_positive
from objectwise.losses.classes.channels import as_broadcastable
from objectwise.losses.regions.region_wise import RegionWiseLoss


class ActiveContourLoss(RegionWiseLoss):
    """The region term of the active-contour loss, and on request its length term.

    Parameters
    ----------
    length_weight : float, not negative
        Of the mean length of the gradient of the probabilities; 0, the region term alone, by default, as in
        Valverde and Tohka. Chen et al. weigh the region term instead.
    **options
        Those of `RegionWiseLoss` but `map` and `spacing`.

    References
    ----------
    Chen, Williams, Vallabhaneni, Czanner, Williams, Zheng: "Learning active contour models for medical image
    segmentation", CVPR 2019.
    """

    def __init__(self, *, length_weight: float = 0.0, **options: Any) -> None:
        super().__init__("active_contour", **options)
        check_positive(length_weight, name="length_weight", or_zero=True)
        self.length_weight = length_weight

    def forward(
        self,
        prediction: Tensor,
        target: Tensor | None = None,
        *,
        weight_map: Tensor | None = None,
        ignore: Tensor | None = None,
    ) -> Tensor:
        """Return the loss of `prediction` (n, c, *spatial) against `target`, or with a map made before."""
        region = super().forward(prediction, target, weight_map=weight_map, ignore=ignore)
        if self.length_weight == 0:
            return region
        return region + self.length_weight * self._length(prediction, target, ignore)

    def _length(self, prediction: Tensor, target: Tensor | None, ignore: Tensor | None) -> Tensor:
        channels = self.channels
        checked = None
        if (channels.ignore_label is not None or ignore is not None) and target is not None:
            checked = channels.target(target, prediction, ignore)
        known = None if checked is None else checked.known
        with torch.autocast(prediction.device.type, enabled=False):
            lengths = _gradient_lengths(channels.probabilities(prediction, known), known)
            counts: Tensor | float = float(lengths[0, 0].numel())
            if checked is not None:
                counts = checked.known_counts(lengths.dtype)
            loss = channels.reduce(lengths.flatten(2).sum(2), counts)
            return loss if loss.ndim == 0 else as_broadcastable(loss, prediction.ndim)

    def extra_repr(self) -> str:
        """Show the options."""
        return f"length_weight={self.length_weight}, {super().extra_repr()}"


def _gradient_lengths(probabilities: Tensor, known: Tensor | None) -> Tensor:
    """Return the length of the gradient at each voxel, (n, c, *spatial); unknown voxels have 0 and no say."""
    squared = torch.zeros_like(probabilities)
    for axis in range(2, probabilities.ndim):  # forward differences; the last voxel has no next
        step = probabilities.diff(dim=axis).square()
        if known is not None:
            last = known.shape[axis] - 1
            step = step * (known.narrow(axis, 0, last) & known.narrow(axis, 1, last))
        width = [0, 0] * (probabilities.ndim - 1 - axis) + [0, 1]
        squared = squared + torch.nn.functional.pad(step, width)
    lengths = (squared + 1e-8).sqrt()  # the root has no gradient at 0
    return lengths if known is None else lengths * known
