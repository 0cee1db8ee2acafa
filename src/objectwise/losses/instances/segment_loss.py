"""Losses of a segment that are functions of sums over its voxels."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from objectwise.checks import check_choice, check_number, check_positive
from objectwise.errors import ArgumentError

SEGMENT_LOSSES = (
    "dice",
    "jaccard",
    "tversky",
    "focal_tversky",
    "cross_entropy",
    "dice_cross_entropy",
)
TVERSKY = ("tversky", "focal_tversky")
DEFAULT_ALPHA, DEFAULT_BETA = 0.3, 0.7
"""Weights of false positives and false negatives in Salehi et al. 2017."""
DEFAULT_GAMMA = 4 / 3
"""Of Abraham and Khan 2019."""
DEFAULT_SMOOTH = 1e-5
"""In numerator and denominator, as in MONAI's Dice."""


class SegmentSums(NamedTuple):
    """Sums over the voxels of segments, (s,) each, p being the probability of foreground."""

    overlap: Tensor
    """Sum of p over the true voxels."""
    predicted: Tensor
    """Sum of p over all voxels."""
    true: Tensor
    """Number of true voxels."""
    voxels: Tensor
    """Number of voxels."""
    cross_entropy: Tensor
    """Sum of the cross-entropy over all voxels."""


class SegmentLoss(NamedTuple):
    """A loss of one segment, from 0 where the prediction is right.

    Parameters
    ----------
    kind : str
        "dice", "jaccard", "tversky" (Salehi et al. 2017), "focal_tversky" (Abraham and Khan 2019),
        "cross_entropy" (mean over the voxels), or "dice_cross_entropy", the sum of the two.
    alpha, beta : float, not negative, optional
        Of the two Tversky losses only: weight of false positives, 0.3 by default, and of false negatives,
        0.7 by default.
    gamma : float, at least 1, optional
        Of the focal Tversky loss only, which is the Tversky loss to the power 1 / gamma; 4/3 by default.
    smooth : float, positive, optional
        Added to numerator and denominator of all losses that are ratios of sums; 1e-5 by default.
    """

    kind: str = "dice"
    alpha: float | None = None
    beta: float | None = None
    gamma: float | None = None
    smooth: float | None = None

    def check(self, name: str = "instance_loss") -> None:
        """Refuse unknown kinds, numbers out of range and numbers without effect."""
        check_choice(self.kind, SEGMENT_LOSSES, name=name)
        for option, kinds, least in (
            ("alpha", TVERSKY, 0.0),
            ("beta", TVERSKY, 0.0),
            ("gamma", ("focal_tversky",), 1.0),
        ):
            value = getattr(self, option)
            if value is None:
                continue
            if self.kind not in kinds:
                raise ArgumentError(f"`{option}` has no effect with `{name}` {self.kind!r}, got {value}")
            check_number(value, name=option)
            if not least <= value < float("inf"):
                raise ArgumentError(f"`{option}` must be finite and at least {least:g}, got {value}")
        if self.smooth is not None and self.kind == "cross_entropy":
            raise ArgumentError(f"`smooth` has no effect with `{name}` {self.kind!r}, got {self.smooth}")
        if self.smooth is None:
            return
        check_positive(self.smooth, name="smooth")

    @property
    def needs_logarithms(self) -> bool:
        """Whether it looks at the cross-entropy of the sums."""
        return self.kind in ("cross_entropy", "dice_cross_entropy")

    def __call__(self, sums: SegmentSums) -> Tensor:
        """Return the loss of every segment, (s,)."""
        smooth = DEFAULT_SMOOTH if self.smooth is None else self.smooth
        if self.kind == "cross_entropy":
            return _mean_cross_entropy(sums)
        if self.kind in TVERSKY:
            return self._tversky(sums, smooth)
        both = sums.predicted + sums.true
        if self.kind == "jaccard":
            return 1 - (sums.overlap + smooth) / (both - sums.overlap + smooth)
        dice = 1 - (2 * sums.overlap + smooth) / (both + smooth)
        return dice + _mean_cross_entropy(sums) if self.kind == "dice_cross_entropy" else dice

    def _tversky(self, sums: SegmentSums, smooth: float) -> Tensor:
        alpha = DEFAULT_ALPHA if self.alpha is None else self.alpha
        beta = DEFAULT_BETA if self.beta is None else self.beta
        wrong = alpha * (sums.predicted - sums.overlap) + beta * (sums.true - sums.overlap)
        loss = 1 - (sums.overlap + smooth) / (sums.overlap + wrong + smooth)
        if self.kind == "tversky":
            return loss
        # A root is infinitely steep at 0: a segment without any error pulls nowhere.
        gamma = DEFAULT_GAMMA if self.gamma is None else self.gamma
        root: Tensor = loss.clamp_min(torch.finfo(loss.dtype).eps) ** (1 / gamma)
        return root


def _mean_cross_entropy(sums: SegmentSums) -> Tensor:
    return sums.cross_entropy / sums.voxels.clamp_min(1)


EMPTY_LOSSES = ("cross_entropy", "tversky")


def empty_loss(sums: SegmentSums, kind: str) -> Tensor:
    """Return the loss of segments without a true voxel, which a ratio of sums would hardly see.

    The Dice loss of a segment of n voxels without truth is 1 - s / (P + s): with a small s it is 1 whatever
    the prediction, and its gradient vanishes. "cross_entropy" is the mean of -log(1 - p) over the segment;
    "tversky" is P / (P + n), the Tversky loss smoothed by the segment's own size, in 0..1/2.
    """
    if kind == "cross_entropy":
        return _mean_cross_entropy(sums)
    return sums.predicted / (sums.predicted + sums.voxels).clamp_min(torch.finfo(torch.float64).tiny)
