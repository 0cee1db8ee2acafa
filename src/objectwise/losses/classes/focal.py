"""The focal loss of class probabilities, a partner of the region-wise losses in compounds."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from objectwise.checks import check_positive
from objectwise.errors import ArgumentError
from objectwise.losses.classes.channels import ClassChannels, Target, as_broadcastable
from objectwise.losses.classes.module import ClassLoss


def softmax_focal_loss(
    prediction: Tensor,
    target: Tensor,
    *,
    ignore: Tensor | None = None,
    gamma: float = 2.0,
    channels: ClassChannels | None = None,
) -> Tensor:
    """Return the mean over voxels of -(1 - p)^gamma log p, of the probability p of what is true.

    With a softmax that is the true class. With `sigmoid` each channel is a structure of its own, which a
    voxel has or not: the mean is over voxels and structures.

    Parameters
    ----------
    prediction : (n, c, *spatial) float, any device
        Logits; the loss is float32 (float64 for float64), also under autocast.
    target : (n, 1, *spatial) or (n, *spatial) integer classes, or one-hot (n, c, *spatial)
    ignore : (n, *spatial), (n, 1, *spatial) or (n, c, *spatial) bool, optional
        True where the truth is unknown: what stands there, in target and prediction, has no effect.
    gamma : float, not negative
        0 is cross-entropy; 2 is the choice of Lin et al.
    channels : ClassChannels
        Softmax, background (voxels of class 0 cost nothing without it), one-hot, ignored label, reduction.
        Classes are summed: reduction "none" gives (n, 1, 1, ...).

    Returns
    -------
    Tensor
        Scalar, or (n, 1, 1, ...) with reduction "none". A sample of which
        nothing is known is left out.

    Raises
    ------
    DtypeError, ShapeError, ArgumentError, DeviceError
        If the inputs do not fit each other, a class is out of range or another activation is asked for.

    References
    ----------
    Lin, Goyal, Girshick, He, Dollár: "Focal loss for dense object detection", ICCV 2017.
    """
    channels = ClassChannels() if channels is None else channels
    check_softmax(channels)
    check_positive(gamma, name="gamma", or_zero=True)
    channels.check_prediction(prediction)
    checked = channels.target(target, prediction, ignore)
    checked.check_range()
    with torch.autocast(prediction.device.type, enabled=False):
        logs = channels.log_softmax(prediction, checked.known)
        true_logs, counts = true_logarithms(logs, checked, channels)
        sums = (focal_costs(true_logs, gamma) * counts).flatten(1).sum(1, keepdim=True)
        loss = channels.reduce(sums, checked.known_counts(sums.dtype))
        return loss if loss.ndim == 0 else as_broadcastable(loss, prediction.ndim)


class SoftmaxFocalLoss(ClassLoss):
    """`softmax_focal_loss` with its options held.

    Parameters
    ----------
    gamma : float, not negative
        As in `softmax_focal_loss`.
    **options
        Keyword arguments of `objectwise.losses.ClassChannels`.
    """

    def __init__(self, *, gamma: float = 2.0, **options: Any) -> None:
        super().__init__(**options)
        check_softmax(self.channels)
        check_positive(gamma, name="gamma", or_zero=True)
        self.gamma = gamma

    def forward(self, prediction: Tensor, target: Tensor, *, ignore: Tensor | None = None) -> Tensor:
        """Return the loss of `prediction` (n, c, *spatial) against `target`."""
        return softmax_focal_loss(prediction, target, ignore=ignore, gamma=self.gamma, channels=self.channels)

    def extra_repr(self) -> str:
        """Show the options."""
        return f"gamma={self.gamma}, {super().extra_repr()}"


def check_softmax(channels: ClassChannels) -> None:
    """Require the activation whose logarithm is taken."""
    channels.check()
    if not channels.takes_softmax:
        raise ArgumentError("`softmax` must be the activation of this loss, got another")


def focal_costs(logs: Tensor, gamma: float) -> Tensor:
    """Return -(1 - p)^gamma log p."""
    if gamma == 0:
        return -logs
    # 1 - p is 0 from a margin of about 17 logits on in float32, where a root has no gradient.
    others = (-logs.expm1()).clamp_min(torch.finfo(logs.dtype).tiny)
    return -others.pow(gamma) * logs


def true_logarithms(logs: Tensor, target: Target, channels: ClassChannels) -> tuple[Tensor, Tensor]:
    """Return the log-probability of the true class, and where it counts: (n, 1, *spatial), or per channel."""
    if target.n_classes is None:
        return logs[:, channels.first :], target.values[:, channels.first :].to(logs.dtype)
    known = torch.ones_like(target.values, dtype=torch.bool) if target.known is None else target.known
    classes = target.values.masked_fill(~known, 0).long()
    return logs.gather(1, classes), (known & (classes >= channels.first)).to(logs.dtype)
