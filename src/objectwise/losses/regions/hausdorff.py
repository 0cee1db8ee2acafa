"""The Hausdorff distance-transform loss: squared errors weighted by their distance to both borders."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from objectwise.checks import check_bool, check_positive, check_some_spacing, check_spacing
from objectwise.losses.classes.channels import ClassChannels, as_broadcastable
from objectwise.losses.classes.module import ClassLoss
from objectwise.losses.inputs import on_plain
from objectwise.losses.regions.region_wise import check_products, checked_map
from objectwise.maps import hausdorff_map


def hausdorff_dt_loss(
    prediction: Tensor,
    target: Tensor,
    *,
    alpha: float = 2.0,
    weight_map: Tensor | None = None,
    ignore: Tensor | None = None,
    both_sides: bool = True,
    spacing: Sequence[float] | None = None,
    channels: ClassChannels | None = None,
) -> Tensor:
    """Return the mean of (p - y)^2 (d_prediction^alpha + d_target^alpha).

    d is the distance to the border of a class, in the target and in the prediction (where it is above 0.5).

    Parameters
    ----------
    prediction : (n, c, *spatial) float, any device
        Logits, as `channels` says. The loss is float32 (float64 for float64), also under autocast.
    target : (n, 1, *spatial) or (n, *spatial) integer classes, or one-hot (n, c, *spatial)
    alpha : float, positive
        2 by default, as in Karimi and Salcudean.
    weight_map : (n, c, *spatial) float, optional
        `objectwise.maps.hausdorff_map` of the target, made before with the same `alpha` and `spacing`.
    ignore : (n, *spatial), (n, 1, *spatial) or (n, c, *spatial) bool, optional
        True where the truth is unknown: what stands there, in target and prediction, has no effect.
    both_sides : bool
        Without it the distances of the prediction, which change with every step and cannot be made before,
        are left out: the one-sided loss.
    spacing : (ndim,) float, optional
        Size of a voxel along z, y, x.
    channels : ClassChannels
        Activation, background, one-hot, ignored label and reduction. Unlike MONAI's, the background is
        included by default.

    Returns
    -------
    Tensor
        Scalar, or (n, c, 1, ...) with reduction "none". The distances are constants for the gradient.

    Raises
    ------
    DtypeError, ShapeError, ArgumentError, DeviceError
        If the inputs do not fit each other, a class is out of range or `alpha` is not positive.

    References
    ----------
    Karimi, Salcudean: "Reducing the Hausdorff distance in medical image segmentation with convolutional
    neural networks", IEEE TMI 2020.
    """
    channels = ClassChannels() if channels is None else channels
    channels.check()
    check_bool(both_sides, name="both_sides")
    channels.check_prediction(prediction)
    checked = channels.target(target, prediction, ignore)
    checked.check_range()
    sizes = None if spacing is None else check_spacing(spacing, ndim=prediction.ndim - 2)
    options: dict[str, Any] = {"alpha": alpha, "spacing": sizes}
    if weight_map is None:
        n_classes = checked.n_classes or prediction.shape[1]
        weight_map = _map(checked.values, n_classes, ignore_label=checked.ignore_label, **options)
    weights = checked_map(weight_map, prediction, channels, name="weight_map")
    with torch.autocast(prediction.device.type, enabled=False):
        probabilities = channels.probabilities(prediction, checked.known)
        if both_sides:
            predicted = probabilities.detach() > 0.5
            if checked.known is not None:  # in no class, as in the map of the target
                predicted &= checked.known
            weights = weights + _map(predicted.to(torch.uint8), predicted.shape[1], **options)
        if checked.known is not None:
            weights = weights.where(checked.known, 0)
        errors = (probabilities - checked.one_hot(probabilities.dtype)[:, channels.first :]).square()
        sums = (errors * weights).flatten(2).sum(2)
        check_products(sums, weight_map, checked.known, name="weight_map")
        loss = channels.reduce(sums, checked.known_counts(sums.dtype))
        return loss if loss.ndim == 0 else as_broadcastable(loss, prediction.ndim)


@torch.compiler.disable  # type: ignore[untyped-decorator]  # NumPy: a compiled model calls it as it is
def _map(masks: Tensor, n_classes: int, **options: Any) -> Tensor:
    """Return the map of labels, or of thresholded probabilities, whose channels may overlap."""
    return on_plain(lambda plain: hausdorff_map(plain, n_classes, **options), masks)


class HausdorffDTLoss(ClassLoss):
    """`hausdorff_dt_loss` with its options held.

    Parameters
    ----------
    alpha, both_sides, spacing
        As in `hausdorff_dt_loss`.
    **options
        Keyword arguments of `objectwise.losses.ClassChannels`.
    """

    def __init__(
        self,
        alpha: float = 2.0,
        *,
        both_sides: bool = True,
        spacing: Sequence[float] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        check_positive(alpha, name="alpha")
        self.alpha = alpha
        check_bool(both_sides, name="both_sides")
        self.both_sides = both_sides
        self.spacing = check_some_spacing(spacing)

    def forward(
        self,
        prediction: Tensor,
        target: Tensor,
        *,
        weight_map: Tensor | None = None,
        ignore: Tensor | None = None,
    ) -> Tensor:
        """Return the loss of `prediction` (n, c, *spatial) against `target`."""
        return hausdorff_dt_loss(
            prediction,
            target,
            alpha=self.alpha,
            weight_map=weight_map,
            ignore=ignore,
            both_sides=self.both_sides,
            spacing=self.spacing,
            channels=self.channels,
        )

    def weight_map(
        self, target: Tensor, n_classes: int | None = None, *, ignore: Tensor | None = None
    ) -> Tensor:
        """Return the map of the target, to save: (n, 1, *spatial) or one-hot to (n, c, *spatial).

        `ignore` is that of `forward`.
        """
        known, label = self.channels.map_target(target, n_classes, ignore)
        result: Tensor = hausdorff_map(
            known,
            n_classes,
            alpha=self.alpha,
            spacing=self.spacing,
            ignore_label=label,
        )
        return result

    def extra_repr(self) -> str:
        """Show the options."""
        own = f"alpha={self.alpha}, both_sides={self.both_sides}, spacing={self.spacing}"
        return f"{own}, {super().extra_repr()}"
