"""What every loss on instances asks of its tensors, and their way to foreground logits or probabilities."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from objectwise.checks import check_bool, check_choice
from objectwise.errors import ArgumentError, DeviceError, DtypeError, ShapeError
from objectwise.losses.inputs import (
    FLOATS,
    INTEGERS,
    LogitsWatch,
    check_finite_tensor,
    check_host_tensor,
    on_host,
    wide_dtype,
)
from objectwise.losses.instances.softmax import logits_against_the_rest

ACTIVATIONS = ("sigmoid", "softmax", "none")


class Foreground(NamedTuple):
    """The channels that hold objects, (n, c, *spatial) each."""

    values: Tensor
    """float32 or float64: logits, or probabilities; differentiable."""
    target: Tensor
    """bool, False where ignored"""
    ignore: Tensor | None
    """bool, True where the truth is unknown"""
    from_logits: bool

    def mask(self, threshold: float) -> NDArray[np.bool_]:
        """Return where the probability is known to be at least `threshold`, on the host."""
        least = math.log(threshold / (1 - threshold)) if self.from_logits else threshold
        values = self.values.detach()
        reached = values.numpy() >= least if values.device.type == "cpu" else on_host(values >= least)
        return reached if self.ignore is None else reached & ~on_host(self.ignore)

    def probabilities(self) -> Tensor:
        """Return probabilities, differentiable."""
        return self.values.sigmoid() if self.from_logits else self.values


def check_instance_tensors(
    prediction: Tensor, target: Tensor, instances: Tensor | None, ignore: Tensor | None
) -> None:
    """Require shapes, dtypes and devices to fit; values are looked at in `foreground`."""
    for value, name in ((prediction, "prediction"), (target, "target")):
        check_host_tensor(value, name=name)
    if prediction.dtype not in FLOATS:
        raise DtypeError(f"`prediction` must be floating point, got {prediction.dtype}")
    if prediction.ndim not in (4, 5) or 0 in prediction.shape:
        raise ShapeError(
            "`prediction` must have shape (n, c, y, x) or (n, c, z, y, x) and not be empty, "
            f"got {tuple(prediction.shape)}"
        )
    check_fits(target, prediction, "target")
    if target.dtype.is_complex:
        raise DtypeError(f"`target` must be bool, integer or floating point, got {target.dtype}")
    if instances is not None:
        check_ids(instances, prediction, "instances")
    if ignore is not None:
        check_host_tensor(ignore, name="ignore")
        if ignore.dtype != torch.bool:
            raise DtypeError(
                f"`ignore` must be a bool tensor, True where the truth is unknown, got {ignore.dtype}"
            )
        check_fits(ignore, prediction, "ignore")


def check_ids(ids: Tensor, prediction: Tensor, name: str, background: str = "background") -> None:
    """Require integer ids in the shape and on the device of the prediction."""
    check_host_tensor(ids, name=name)
    if ids.dtype not in INTEGERS:
        raise DtypeError(f"`{name}` must be a tensor of integer ids (0 = {background}), got {ids.dtype}")
    check_fits(ids, prediction, name)


def check_fits(tensor: Tensor, prediction: Tensor, name: str) -> None:
    """Require the shape and the device of the prediction."""
    if tensor.shape != prediction.shape:
        raise ShapeError(
            f"`{name}` must have the shape of `prediction` {tuple(prediction.shape)}, "
            f"got {tuple(tensor.shape)}; every channel has its own"
        )
    if tensor.device != prediction.device:
        raise DeviceError(
            f"`{name}` must be on the device of `prediction` ({prediction.device}), got {tensor.device}"
        )


def check_activation(activation: str, include_background: bool | None) -> None:
    """Require a known activation, and a choice about the background only where there is one."""
    check_choice(activation, ACTIVATIONS, name="activation")
    if include_background is None:
        return
    check_bool(include_background, name="include_background")
    if activation != "softmax":
        raise ArgumentError(
            f"`include_background` has no effect with activation {activation!r}, got {include_background}"
        )


def object_channels(prediction: Tensor, activation: str, include_background: bool | None) -> slice:
    """Return the channels that hold objects: all, or with softmax all but the first."""
    if activation != "softmax":
        return slice(None)
    if prediction.shape[1] < 2:
        raise ShapeError(
            "`prediction` must have at least 2 channels for activation 'softmax', got 1; use 'sigmoid'"
        )
    return slice(0 if include_background else 1, None)


def foreground(
    prediction: Tensor,
    target: Tensor,
    ignore: Tensor | None = None,
    *,
    activation: str,
    include_background: bool | None = None,
    watch: LogitsWatch | None = None,
) -> Foreground:
    """Return the object channels of all, widened, and check their values, which a module's `watch` looks at.

    Where nothing is known the values are 0, whatever came: no activation may carry them on.
    """
    channels = object_channels(prediction, activation, include_background)
    values = prediction.to(wide_dtype(prediction))
    positive = target[:, channels]
    if ignore is not None:
        ignore = ignore[:, channels]
        positive = positive.masked_fill(ignore, 0)
        # A softmax reads all channels of a voxel in which one of its objects is known.
        values = values.masked_fill(ignore.all(1, keepdim=True) if activation == "softmax" else ignore, 0)
    check_values(values, activation)
    watch_logits(prediction, activation, watch or LogitsWatch())
    if positive.dtype != torch.bool:
        strange = (positive != 0) & (positive != 1)
        if strange.any():
            raise ArgumentError(
                f"`target` must hold 0 and 1 only, got {positive[strange][0].item():g}; "
                "one channel for each class, and ids of instances as `instances`"
            )
        positive = positive != 0
    if activation == "softmax":
        values = logits_against_the_rest(values)[:, channels]
    return Foreground(values, positive, ignore, activation != "none")


def watch_logits(
    prediction: Tensor, activation: str, watch: LogitsWatch, *, name: str = "prediction"
) -> None:
    """Warn of predictions that have been through the activation already."""
    if activation == "none":
        return
    watch.look(prediction, activation=activation, advice="pass activation='none'", name=name)


def check_values(values: Tensor, activation: str, *, name: str = "prediction") -> None:
    """Require finite values, and probabilities where no activation makes them."""
    if activation != "none":
        check_finite_tensor(values, name=name)
        return
    least, most = (float(value) for value in values.detach().aminmax())
    if not (least >= 0 and most <= 1):
        check_finite_tensor(values, name=name)
        raise ArgumentError(
            f"`{name}` must be in 0..1 with activation 'none', got {least:g}..{most:g}; "
            "pass activation='sigmoid' for logits"
        )
