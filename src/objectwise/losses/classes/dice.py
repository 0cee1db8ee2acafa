"""The soft Dice loss of class probabilities, a partner of the region-wise losses in compounds."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from objectwise.checks import check_positive
from objectwise.losses.classes.channels import ClassChannels, as_broadcastable
from objectwise.losses.classes.module import ClassLoss


def soft_dice_loss(
    prediction: Tensor,
    target: Tensor,
    *,
    ignore: Tensor | None = None,
    smooth: float = 1e-6,
    channels: ClassChannels | None = None,
) -> Tensor:
    """Return 1 - the mean over samples and classes of 2 sum(p y) / (sum(p + y) + smooth).

    Parameters
    ----------
    prediction : (n, c, *spatial) float, any device
        Logits, as `channels` says. The loss is float32 (float64 for float64), also under autocast.
    target : (n, 1, *spatial) or (n, *spatial) integer classes, or one-hot (n, c, *spatial)
    ignore : (n, *spatial), (n, 1, *spatial) or (n, c, *spatial) bool, optional
        True where the truth is unknown: what stands there, in target and prediction, has no effect.
    smooth : float, positive
        1e-6 in the denominator, as in Valverde and Tohka: a class that is absent and not predicted scores 0.
    channels : ClassChannels
        Activation, background, one-hot, ignored label and reduction. `batch` sums over the batch before
        dividing.

    Returns
    -------
    Tensor
        Scalar; (n, c, 1, ...) with reduction "none". A sample of which nothing is known is left out.

    Raises
    ------
    DtypeError, ShapeError, ArgumentError, DeviceError
        If the inputs do not fit each other, a class is out of range or `smooth` is not positive.

    References
    ----------
    Milletari, Navab, Ahmadi: "V-Net", 3DV 2016; in this form Valverde and Tohka 2023.
    """
    channels = ClassChannels() if channels is None else channels
    channels.check()
    _check_smooth(smooth)
    channels.check_prediction(prediction)
    checked = channels.target(target, prediction, ignore)
    checked.check_range()
    with torch.autocast(prediction.device.type, enabled=False):
        probabilities = channels.probabilities(prediction, checked.known)
        truth = checked.one_hot(probabilities.dtype)[:, channels.first :]
        if checked.known is not None:
            probabilities = probabilities * checked.known
        overlap = (probabilities * truth).flatten(2).sum(2)
        total = (probabilities + truth).flatten(2).sum(2)
        known = checked.known_counts(probabilities.dtype)
        if channels.batch:
            overlap, total = overlap.sum(0, keepdim=True), total.sum(0, keepdim=True)
            known = known.sum(0, keepdim=True) if isinstance(known, Tensor) else known
        loss = channels.reduce_means(1 - 2 * overlap / (total + smooth), known)
        return loss if loss.ndim == 0 else as_broadcastable(loss, prediction.ndim)


class SoftDiceLoss(ClassLoss):
    """`soft_dice_loss` with its options held.

    Parameters
    ----------
    smooth : float
        As in `soft_dice_loss`.
    **options
        Keyword arguments of `objectwise.losses.ClassChannels`.
    """

    def __init__(self, *, smooth: float = 1e-6, **options: Any) -> None:
        super().__init__(**options)
        _check_smooth(smooth)
        self.smooth = smooth

    def forward(self, prediction: Tensor, target: Tensor, *, ignore: Tensor | None = None) -> Tensor:
        """Return the loss of `prediction` (n, c, *spatial) against `target`."""
        return soft_dice_loss(prediction, target, ignore=ignore, smooth=self.smooth, channels=self.channels)

    def extra_repr(self) -> str:
        """Show the options."""
        return f"smooth={self.smooth}, {super().extra_repr()}"


def _check_smooth(smooth: float) -> None:
    check_positive(smooth, name="smooth")
