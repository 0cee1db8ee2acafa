"""Cross-entropy and focal loss of structures that may overlap: a sigmoid for each channel."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from objectwise.checks import check_positive
from objectwise.errors import ArgumentError
from objectwise.losses.classes.channels import ClassChannels, as_broadcastable
from objectwise.losses.classes.focal import focal_costs
from objectwise.losses.classes.module import ClassLoss


def binary_focal_loss(
    prediction: Tensor,
    target: Tensor,
    *,
    ignore: Tensor | None = None,
    gamma: float = 2.0,
    channels: ClassChannels | None = None,
) -> Tensor:
    """Return the mean over voxels and channels of -(1 - p)^gamma log p, of the probability p of what is true.

    Parameters
    ----------
    prediction : (n, c, *spatial) float, any device
        Logits; the loss is float32 (float64 for float64), also under autocast.
    target : one-hot (n, c, *spatial), channels may overlap; or integer classes, see `ClassChannels`
    ignore : (n, *spatial), (n, 1, *spatial) or (n, c, *spatial) bool, optional
        True where the truth is unknown: what stands there, in target and prediction, has no effect.
    gamma : float, not negative
        0 is binary cross-entropy; 2 is the choice of Lin et al.
    channels : ClassChannels
        With `sigmoid`, as by default here.

    Returns
    -------
    Tensor
        Scalar, or (n, c, 1, ...) with reduction "none". A sample of which nothing is known is left out.

    Raises
    ------
    DtypeError, ShapeError, ArgumentError, DeviceError
        If the inputs do not fit each other, a target is neither 0 nor 1, or another activation is asked for.

    References
    ----------
    Lin, Goyal, Girshick, He, Dollár: "Focal loss for dense object detection", ICCV 2017.

    Examples
    --------
    >>> binary_focal_loss(torch.zeros(1, 1, 2, 2), torch.ones(1, 1, 2, 2, dtype=torch.uint8), gamma=0.0)
    tensor(0.6931)
    """
    channels = ClassChannels(sigmoid=True) if channels is None else channels
    check_sigmoid(channels)
    check_positive(gamma, name="gamma", or_zero=True)
    channels.check_prediction(prediction)
    checked = channels.target(target, prediction, ignore)
    checked.check_range()
    with torch.autocast(prediction.device.type, enabled=False):
        values = channels.logits(prediction, checked.known)
        truth = checked.one_hot(values.dtype)[:, channels.first :]
        # The probability of what is true is a sigmoid too: of the opposite logit where the structure is not.
        costs = focal_costs(functional.logsigmoid(torch.where(truth > 0, values, -values)), gamma)
        if checked.known is not None:
            costs = costs * checked.known
        loss = channels.reduce(costs.flatten(2).sum(2), checked.known_counts(costs.dtype))
        return loss if loss.ndim == 0 else as_broadcastable(loss, prediction.ndim)


class BinaryFocalLoss(ClassLoss):
    """`binary_focal_loss` with its options held.

    Parameters
    ----------
    gamma : float, not negative
        As in `binary_focal_loss`.
    **options
        Keyword arguments of `objectwise.losses.ClassChannels`; `sigmoid` is on.
    """

    def __init__(self, *, gamma: float = 2.0, sigmoid: bool = True, **options: Any) -> None:
        super().__init__(sigmoid=sigmoid, **options)
        check_sigmoid(self.channels)
        check_positive(gamma, name="gamma", or_zero=True)
        self.gamma = gamma

    def forward(self, prediction: Tensor, target: Tensor, *, ignore: Tensor | None = None) -> Tensor:
        """Return the loss of `prediction` (n, c, *spatial) against `target`."""
        return binary_focal_loss(prediction, target, ignore=ignore, gamma=self.gamma, channels=self.channels)

    def extra_repr(self) -> str:
        """Show the options."""
        return f"gamma={self.gamma}, {super().extra_repr()}"


class BinaryCrossEntropyLoss(BinaryFocalLoss):
    """Binary cross-entropy: `binary_focal_loss` with gamma 0; keyword arguments of `ClassChannels`."""

    def __init__(self, *, sigmoid: bool = True, **options: Any) -> None:
        super().__init__(gamma=0.0, sigmoid=sigmoid, **options)


def check_sigmoid(channels: ClassChannels) -> None:
    """Require the activation whose logarithm is taken."""
    channels.check()
    if not channels.sigmoid:
        raise ArgumentError("`sigmoid` must be the activation of this loss, got another")
