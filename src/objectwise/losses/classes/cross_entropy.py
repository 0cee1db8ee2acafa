"""Cross-entropy of class probabilities, with the options of the other losses on classes."""

from __future__ import annotations

from torch import Tensor

from objectwise.losses.classes.channels import ClassChannels
from objectwise.losses.classes.focal import check_softmax, softmax_focal_loss
from objectwise.losses.classes.module import ClassLoss


def softmax_cross_entropy_loss(
    prediction: Tensor,
    target: Tensor,
    *,
    ignore: Tensor | None = None,
    channels: ClassChannels | None = None,
) -> Tensor:
    """Return the mean over voxels of -log p, of the probability p of the true class.

    Parameters, result and errors as in `softmax_focal_loss`, whose loss this is with gamma 0. Unlike in
    PyTorch, targets may have a channel axis, and the mean is over the known voxels of each sample first.
    """
    return softmax_focal_loss(prediction, target, ignore=ignore, gamma=0.0, channels=channels)


class SoftmaxCrossEntropyLoss(ClassLoss):
    """`softmax_cross_entropy_loss` with its options held: keyword arguments of `ClassChannels`."""

    def __init__(self, **options: object) -> None:
        super().__init__(**options)  # type: ignore[arg-type]
        check_softmax(self.channels)

    def forward(self, prediction: Tensor, target: Tensor, *, ignore: Tensor | None = None) -> Tensor:
        """Return the loss of `prediction` (n, c, *spatial) against `target`."""
        return softmax_cross_entropy_loss(prediction, target, ignore=ignore, channels=self.channels)
