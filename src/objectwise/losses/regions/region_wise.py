"""The region-wise loss: the mean of probability times map."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from objectwise import maps
from objectwise.checks import check_choice, check_options, check_some_spacing, check_spacing
from objectwise.errors import ArgumentError, DeviceError, DtypeError, ShapeError
from objectwise.losses.classes.channels import ClassChannels, as_broadcastable
from objectwise.losses.classes.module import ClassLoss
from objectwise.losses.inputs import FLOATS, check_finite_tensor, check_tensor, is_true, on_plain, wide_dtype

MapFunction = Callable[..., Tensor]

MAPS: Mapping[str, MapFunction] = {
    "rectified": maps.rectified_region_wise_map,
    "region_wise": maps.region_wise_map,
    "signed_distance": maps.signed_distance_map,
    "active_contour": maps.active_contour_map,
    "class_weight": maps.class_weight_map,
}
WITHOUT_SPACING = ("active_contour", "class_weight")
NOT_OPTIONS = ("n_classes", "spacing", "ignore_label", "include_background", "spatial_dims")


@dataclass(frozen=True)
class MapChoice:
    """A map and its options."""

    map: str | MapFunction
    spacing: Sequence[float] | None
    options: Mapping[str, Any]

    def function(self) -> MapFunction:
        """Return the function of the map, if it and its options are what they must be."""
        if callable(self.map):
            return self.map
        check_choice(self.map, tuple(MAPS), name="map")
        if self.map in WITHOUT_SPACING and self.spacing is not None:
            raise ArgumentError(
                f"`spacing` must be None for the map {self.map!r}, which has no distances, got {self.spacing}"
            )
        return MAPS[self.map]

    def check(self) -> None:
        """Require a map that there is, and options that it has and the loss does not give it."""
        if not isinstance(self.options, Mapping):
            raise ArgumentError(f"`map_options` must be a mapping, got {self.options!r}")
        check_some_spacing(self.spacing)
        check_options(self.options, self.function(), name="map_options", taken=NOT_OPTIONS)

    @torch.compiler.disable  # type: ignore[untyped-decorator]  # NumPy: a compiled model calls it as it is
    def of(self, target: Tensor, n_classes: int | None, ignore_label: int | None) -> Tensor:
        """Return the map of (n, 1, *spatial) class indices or a one-hot target, all channels."""
        self.check()
        given = dict(self.options)
        if self.spacing is not None:
            given["spacing"] = check_spacing(self.spacing, ndim=target.ndim - 2)
        if ignore_label is not None:
            given["ignore_label"] = ignore_label
        return on_plain(lambda plain: self.function()(plain, n_classes, **given), target)


def region_wise_loss(
    prediction: Tensor,
    target: Tensor | None = None,
    *,
    map: str | MapFunction = "rectified",  # noqa: A002  (the word of the paper)
    weight_map: Tensor | None = None,
    ignore: Tensor | None = None,
    spacing: Sequence[float] | None = None,
    map_options: Mapping[str, Any] | None = None,
    channels: ClassChannels | None = None,
) -> Tensor:
    """Return the mean over voxels and classes of probability times map.

    Parameters
    ----------
    prediction : (n, c, *spatial) float, any device
        Logits, as `channels` says. Half precision is widened; the loss is float32 (float64 for float64), also
        under autocast.
    target : (n, 1, *spatial) or (n, *spatial) integer classes, or one-hot (n, c, *spatial)
        As `channels` says. May be left out if `weight_map` is given and no label is ignored.
    map : "rectified", "region_wise", "signed_distance", "active_contour", "class_weight", or a function
        Which of `objectwise.maps`, or a function that takes labels (n, 1, *spatial) or one-hot, the number
        of classes, and `spacing`, `ignore_label`, `map_options` where given, and returns a map.
    weight_map : (n, c, *spatial) float, optional
        A map made before, which takes the place of `map`, `spacing` and `map_options`: the loss is the same
        to the bit. Without the background it may have its channel or not.
    spacing : (ndim,) float, optional
        Of the map, as in `objectwise.maps.region_wise_map`.
    map_options : optional
        Further keyword arguments of the map function: `inside`, `weights`, ...
    channels : ClassChannels
        Activation, background, one-hot, ignored label and reduction.

    Returns
    -------
    Tensor
        Scalar; (n, c, 1, ...) with reduction "none", (1, c, 1, ...) with `batch` too. The gradient with
        respect to logit k is p_k (phi_k - sum_j phi_j p_j) for the probabilities p and the map phi, divided
        by the number of terms of the mean.

    Raises
    ------
    DtypeError, ShapeError, ArgumentError, DeviceError
        If the inputs do not fit each other or an option has no effect.

    References
    ----------
    Valverde, Tohka: "Region-wise loss for biomedical image segmentation", Pattern Recognition 2023.

    Examples
    --------
    >>> region_wise_loss(torch.zeros(1, 2, 1, 4), torch.tensor([[[0, 0, 1, 1]]]))  # (1 + 1 - 1 / 2 - 1) / 8
    tensor(0.0625)
    """
    channels = ClassChannels() if channels is None else channels
    channels.check()
    channels.check_prediction(prediction)
    checked = None if target is None else channels.target(target, prediction, ignore)
    choice = MapChoice(map, spacing, map_options or {})
    choice.function()
    if checked is None and (weight_map is None or channels.ignore_label is not None or ignore is not None):
        raise ArgumentError(
            "`target` must be given if weight_map is not or a label or a voxel is ignored, got None"
        )
    name = "map" if weight_map is None else "weight_map"
    if weight_map is None:
        assert checked is not None
        checked.check_range()
        n_classes = checked.n_classes or prediction.shape[1]
        weight_map = choice.of(checked.values, n_classes, checked.ignore_label)
    weights = checked_map(weight_map, prediction, channels, name=name)
    known = None if checked is None else checked.known
    with torch.autocast(prediction.device.type, enabled=False):
        if known is not None:
            weights = weights.where(known, 0)
        probabilities = channels.probabilities(prediction, known)
        sums = (probabilities * weights).flatten(2).sum(2)
        check_products(sums, weight_map, known, name=name)
        counts: Tensor | float = float(weights[0, 0].numel())
        if checked is not None:
            counts = checked.known_counts(wide_dtype(prediction))
        loss = channels.reduce(sums, counts)
        return loss if loss.ndim == 0 else as_broadcastable(loss, prediction.ndim)


class RegionWiseLoss(ClassLoss):
    """`region_wise_loss` with its options held.

    Parameters
    ----------
    map, spacing, map_options
        As in `region_wise_loss`.
    **options
        Keyword arguments of `objectwise.losses.ClassChannels`; the names are MONAI's.

    Raises
    ------
    ArgumentError
        If an option is out of its range or has no effect.
    """

    def __init__(
        self,
        map: str | MapFunction = "rectified",  # noqa: A002
        *,
        spacing: Sequence[float] | None = None,
        map_options: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.choice = MapChoice(map, spacing, map_options or {})
        self.choice.check()

    def forward(
        self,
        prediction: Tensor,
        target: Tensor | None = None,
        *,
        weight_map: Tensor | None = None,
        ignore: Tensor | None = None,
    ) -> Tensor:
        """Return the loss of `prediction` (n, c, *spatial) against `target`, or with a map made before."""
        return region_wise_loss(
            prediction,
            target,
            map=self.choice.map,
            weight_map=weight_map,
            ignore=ignore,
            spacing=self.choice.spacing,
            map_options=self.choice.options,
            channels=self.channels,
        )

    def weight_map(
        self, target: Tensor, n_classes: int | None = None, *, ignore: Tensor | None = None
    ) -> Tensor:
        """Return the map that the loss would use, to look at or to save, all channels.

        `target` is (n, 1, *spatial) of class indices, which need `n_classes`, or one-hot (n, c, *spatial);
        `ignore` is that of `forward`.
        """
        known, label = self.channels.map_target(target, n_classes, ignore)
        weights: Tensor = self.choice.of(known, n_classes, label)
        return weights

    def extra_repr(self) -> str:
        """Show the options."""
        spacing = "" if self.choice.spacing is None else f"spacing={self.choice.spacing!r}, "
        return f"map={self.choice.map!r}, {spacing}{super().extra_repr()}"


def checked_map(weight_map: Tensor, prediction: Tensor, channels: ClassChannels, *, name: str) -> Tensor:
    """Return the channels of a given map that the loss uses, after its checks."""
    if not isinstance(weight_map, Tensor) or weight_map.dtype not in FLOATS:
        came = weight_map.dtype if isinstance(weight_map, Tensor) else type(weight_map).__name__
        raise DtypeError(f"`{name}` must be a floating point tensor, got {came}")
    check_tensor(weight_map, name=name)
    n, c, *spatial = prediction.shape
    allowed = [(n, c, *spatial)] + ([] if channels.include_background else [(n, c - 1, *spatial)])
    if tuple(weight_map.shape) not in allowed:
        raise ShapeError(
            f"`{name}` must have shape {' or '.join(map(str, allowed))}, got {tuple(weight_map.shape)}; "
            "was it made for another patch?"
        )
    if weight_map.device != prediction.device:
        raise DeviceError(
            f"`{name}` must be on the device of `prediction` ({prediction.device}), got {weight_map.device}"
        )
    weight_map = weight_map.detach().to(wide_dtype(prediction))
    return weight_map[:, channels.first :] if weight_map.shape[1] == c else weight_map


@torch.compiler.disable  # type: ignore[untyped-decorator]  # it looks at values
def check_products(sums: Tensor, weight_map: Tensor, known: Tensor | None, *, name: str) -> None:
    """Require a map that is finite where it counts, told by the sums of its products with a prediction.

    A value that is not finite leaves its sum not finite, so the map itself, as large as the prediction, is
    looked at only then. A sum of finite values that is too large stays what it is.
    """
    if is_true(sums.isfinite().all()):
        return
    n_left_out = weight_map.shape[1] - sums.shape[1]
    check_finite_tensor(weight_map, name=name, counts=known, first=n_left_out)
