"""Dice plus cross-entropy: the pixel loss that most segmentation networks are trained with."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from objectwise.checks import check_choice, check_positive
from objectwise.errors import ArgumentError
from objectwise.losses.classes.binary import binary_focal_loss
from objectwise.losses.classes.cross_entropy import softmax_cross_entropy_loss
from objectwise.losses.classes.dice import soft_dice_loss
from objectwise.losses.classes.focal import check_softmax
from objectwise.losses.classes.module import ClassLoss


class DiceCrossEntropyLoss(ClassLoss):
    """The sum of the soft Dice loss and the cross-entropy, as in nnU-Net and MONAI's `DiceCELoss`.

    Parameters
    ----------
    dice_weight, cross_entropy_weight : float
        1 each by default.
    smooth : float, positive
        As in `soft_dice_loss`.
    **options
        Keyword arguments of `objectwise.losses.ClassChannels`; the activation is a softmax or, with
        `sigmoid`, one for each channel, whose cross-entropy is then binary.

    References
    ----------
    Isensee et al., "nnU-Net: a self-configuring method for deep learning-based biomedical image
    segmentation", 2021.
    """

    def __init__(
        self,
        *,
        dice_weight: float = 1.0,
        cross_entropy_weight: float = 1.0,
        smooth: float = 1e-6,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        if not self.channels.sigmoid:
            check_softmax(self.channels)
        check_choice(self.channels.reduction, ("mean", "sum"), name="reduction")
        for name, weight in (("dice_weight", dice_weight), ("cross_entropy_weight", cross_entropy_weight)):
            check_positive(weight, name=name, or_zero=True)
        if dice_weight == 0 == cross_entropy_weight:
            raise ArgumentError("`cross_entropy_weight` must not be 0 where `dice_weight` is, got 0 for both")
        check_positive(smooth, name="smooth")
        self.dice_weight, self.cross_entropy_weight, self.smooth = dice_weight, cross_entropy_weight, smooth

    def forward(self, prediction: Tensor, target: Tensor, *, ignore: Tensor | None = None) -> Tensor:
        """Return the loss of `prediction` (n, c, *spatial) against `target`."""
        dice = soft_dice_loss(prediction, target, ignore=ignore, smooth=self.smooth, channels=self.channels)
        if self.channels.sigmoid:
            cross_entropy = binary_focal_loss(
                prediction, target, ignore=ignore, gamma=0.0, channels=self.channels
            )
        else:
            cross_entropy = softmax_cross_entropy_loss(
                prediction, target, ignore=ignore, channels=self.channels
            )
        return self.dice_weight * dice + self.cross_entropy_weight * cross_entropy

    def extra_repr(self) -> str:
        """Show the options."""
        own = f"dice_weight={self.dice_weight}, cross_entropy_weight={self.cross_entropy_weight}"
        return f"{own}, smooth={self.smooth}, {super().extra_repr()}"
