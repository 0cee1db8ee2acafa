"""The losses of BrainImageAnalysis/instance-loss and ICI-loss under their own names, values and gradients.

What the published code returns is returned here, its surprises included; where it crashes, or depends on how
often it pools, docs/compat.md says what happens instead. To train with, `objectwise.InstanceLoss` is better.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from objectwise.checks import check_choice, check_finite, check_labels, check_whole_number
from objectwise.compat.instance_segments import Loss, sample_of
from objectwise.compat.instance_terms import PublishedOptions, batch_terms, sample_terms
from objectwise.errors import ArgumentError, DeviceError, DtypeError, ShapeError
from objectwise.losses.inputs import FLOATS, LogitsWatch, check_host_tensor, on_host, wide_dtype
from objectwise.losses.instances.crops import one_number
from objectwise.losses.instances.inputs import ACTIVATIONS, check_values, watch_logits
from objectwise.losses.instances.terms import InstanceCenterTerms, InstanceTerms

LARGEST_ID = 2**53
"""Above it not every whole number is a float."""


class ICITerms(NamedTuple):
    """The terms of `ICILoss`, scalars, in the published order."""

    pixel: Tensor
    label_instances: Tensor
    center: Tensor
    fdr: Tensor
    """One minus the precision of the voxels."""
    false: Tensor
    missed: Tensor


class DualICITerms(NamedTuple):
    """The terms of `dICILoss`, scalars, in the published order."""

    pixel: Tensor
    label_instances: Tensor
    output_instances: Tensor
    center: Tensor
    fdr: Tensor
    """One minus the precision of the voxels."""
    false: Tensor
    missed: Tensor


class _PublishedLoss(nn.Module):
    """Options and forward of all four losses; they differ in the terms they return."""

    _terms: Any

    def __init__(
        self,
        loss_function_pixel: Loss,
        loss_function_instance: Loss,
        loss_function_center: Loss,
        activation: str = "sigmoid",
        num_out_chn: int = 1,
        object_chn: int = 1,
        spatial_dims: int = 3,
        reduce_segmentation: str = "mean",
        instance_wise_reduce: str = "instance",
        num_iterations: int = 350,
        segmentation_threshold: float = 0.5,
        max_cc_out: int = 50,
        mul_too_many: float = 50,
        min_instance_size: int = 0,
        centroid_offset: float = 5,
        smoother: float = 1e-07,
        instance_wise_loss_no_tp: bool = True,
        rate_instead_number: bool = False,
        weighted_instance_wise: bool = False,
        weighted_fdr: bool = False,
    ) -> None:
        super().__init__()
        self.loss_function_pixel = _checked_loss(loss_function_pixel, "loss_function_pixel")
        self.loss_function_instance = _checked_loss(loss_function_instance, "loss_function_instance")
        self.loss_function_center = _checked_loss(loss_function_center, "loss_function_center")
        check_choice(activation, ACTIVATIONS, name="activation")
        if isinstance(spatial_dims, bool) or spatial_dims not in (2, 3):
            raise ArgumentError(f"`spatial_dims` must be 2 or 3, got {spatial_dims!r}")
        check_whole_number(num_iterations, least=1, name="num_iterations")
        self.activation, self.spatial_dims, self.num_out_chn = activation, spatial_dims, num_out_chn
        self._watch = LogitsWatch()
        self.object_chn = object_chn
        _check_channels(activation, num_out_chn, object_chn)
        self.options = PublishedOptions(
            reduce_segmentation=reduce_segmentation,
            instance_wise_reduce=instance_wise_reduce,
            segmentation_threshold=segmentation_threshold,
            max_cc_out=max_cc_out,
            mul_too_many=mul_too_many,
            min_instance_size=min_instance_size,
            centroid_offset=centroid_offset,
            smoother=smoother,
            instance_wise_loss_no_tp=instance_wise_loss_no_tp,
            rate_instead_number=rate_instead_number,
            weighted_instance_wise=weighted_instance_wise,
            weighted_fdr=weighted_fdr,
        )
        self.options.check()

    @torch.compiler.disable  # type: ignore[untyped-decorator]  # Numba: a compiled model calls it as it is
    def forward(self, outputs: Tensor, labels: Tensor, cc_label_batch: Tensor | None = None) -> Any:
        """Return the published tuple of terms.

        Parameters
        ----------
        outputs : (b, num_out_chn, y, x) or (b, num_out_chn, z, y, x) float, any device
            Logits, or probabilities with `activation` "none". Half precision is widened.
        labels : (b, 1 or num_out_chn, *spatial), bool, or any dtype holding 0 and 1
            Where the objects are; of several channels that of the objects counts.
        cc_label_batch : as `labels`, optional
            Ids of the instances of `labels`, 0 for none: integers, or floats that hold whole numbers, as the
            published components are.

        Returns
        -------
        tuple of scalars
            Named, in the published order. Those that count have a gradient, which is 0, as published.

        Raises
        ------
        DtypeError, ShapeError, DeviceError, ArgumentError
            Before any work, if the inputs do not fit each other or the options, outputs are not finite or not
            in 0..1 (activation "none"), or labels are neither 0 nor 1.
        """
        values = self._checked_outputs(outputs)
        y = self._checked_labels(labels, values)
        ids = None if cc_label_batch is None else self._checked_ids(cc_label_batch, values, y)
        p = self._activated(values)
        losses = self.loss_function_instance, self.loss_function_center
        samples = []
        for i in range(len(p)):
            of_labels = None if ids is None else ids[i, 0]
            sample = sample_of(p[i : i + 1], y[i : i + 1], of_labels, self.options.segmentation_threshold)
            samples.append(sample_terms(sample, self.options, losses, self._terms._fields))
        # As published, the pixel loss sees logits as they came, and a softmax as the instance losses do.
        seen = p if self.activation == "softmax" else values[:, self._channel]
        terms = batch_terms(samples, self.options) | {"pixel": one_number(self.loss_function_pixel(seen, y))}
        return self._terms(*(terms[name].to(values.dtype) for name in self._terms._fields))

    def _activated(self, values: Tensor) -> Tensor:
        """Return what the instance losses see, (b, 1, *spatial): probabilities, or zeros and ones."""
        if self.activation == "none":
            return values[:, self._channel]
        if self.activation == "sigmoid":
            p = values[:, self._channel].sigmoid()
            reached = p >= self.options.segmentation_threshold
        else:
            p = values.softmax(1)[:, self._channel]
            reached = p >= 1 / values.shape[1]
        return torch.where(reached, 1.0, p * 0)  # as published a part of the graph, with a gradient of 0

    def _checked_outputs(self, outputs: Tensor) -> Tensor:
        check_host_tensor(outputs, name="outputs")
        if outputs.dtype not in FLOATS:
            raise DtypeError(f"`outputs` must be floating point, got {outputs.dtype}")
        if outputs.ndim != self.spatial_dims + 2 or 0 in outputs.shape:
            raise ShapeError(
                f"`outputs` must have batch, channel and `spatial_dims` ({self.spatial_dims}) axes and not "
                f"be empty, got shape {tuple(outputs.shape)}"
            )
        if outputs.shape[1] != self.num_out_chn:
            raise ShapeError(
                f"`outputs` must have `num_out_chn` ({self.num_out_chn}) channels, got {outputs.shape[1]}"
            )
        values = outputs.to(wide_dtype(outputs))
        check_values(values, self.activation, name="outputs")
        watch_logits(values, self.activation, self._watch, name="outputs")
        return values

    def _checked_labels(self, labels: Tensor, values: Tensor) -> Tensor:
        y = self._of_objects(labels, values, name="labels")
        strange = (y != 0) & (y != 1)
        if strange.any():
            raise ArgumentError(
                f"`labels` must hold 0 and 1 only, got {y[strange][0].item():g}; pass ids as `cc_label_batch`"
            )
        return y.to(values.dtype)

    def _checked_ids(self, cc_label_batch: Tensor, values: Tensor, y: Tensor) -> NDArray[Any]:
        ids = on_host(self._of_objects(cc_label_batch, values, name="cc_label_batch"))
        if ids.dtype.kind == "f":
            check_finite(ids, name="cc_label_batch")
            if (ids % 1 != 0).any() or ids.max() > LARGEST_ID:
                raise ArgumentError("`cc_label_batch` must hold whole numbers, got others or too large ones")
            ids = ids.astype(np.int64)
        check_labels(ids, name="cc_label_batch")
        if ids[on_host(y == 0)].any():
            raise ArgumentError(
                "`cc_label_batch` must be 0 where `labels` is 0; its ids name objects of the labels"
            )
        return ids

    def _of_objects(self, tensor: Tensor, values: Tensor, *, name: str) -> Tensor:
        """Return the one channel of a tensor that belongs to the objects."""
        check_host_tensor(tensor, name=name)
        if tensor.dtype.is_complex:
            raise DtypeError(f"`{name}` must be real, got {tensor.dtype}")
        single = (values.shape[0], 1, *values.shape[2:])
        if tuple(tensor.shape) not in (single, tuple(values.shape)):
            raise ShapeError(
                f"`{name}` must have shape {single} or that of `outputs` {tuple(values.shape)}, "
                f"got {tuple(tensor.shape)}"
            )
        if tensor.device != values.device:
            raise DeviceError(
                f"`{name}` must be on the device of `outputs` ({values.device}), got {tensor.device}"
            )
        return tensor if tensor.shape[1] == 1 else tensor[:, self._channel]

    @property
    def _channel(self) -> slice:
        number = 0 if self.num_out_chn == 1 else self.object_chn
        return slice(number, number + 1)

    def extra_repr(self) -> str:
        """Show the options; the losses are shown as modules."""
        own = {
            name: getattr(self, name) for name in ("activation", "num_out_chn", "object_chn", "spatial_dims")
        }
        return ", ".join(f"{name}={value!r}" for name, value in (own | self.options._asdict()).items())


def _checked_loss(loss: Loss, name: str) -> Loss:
    if not callable(loss):
        raise ArgumentError(f"`{name}` must be a function of two tensors, got {loss!r}")
    return loss


def _check_channels(activation: str, num_out_chn: int, object_chn: int) -> None:
    """Require a channel that there is; the only one goes by 1, as in the published default, and by 0."""
    least = 2 if activation == "softmax" else 1
    check_whole_number(num_out_chn, least=least, name="num_out_chn")
    check_whole_number(object_chn, least=0, name="object_chn")
    last = max(1, num_out_chn - 1)
    if object_chn > last:
        raise ArgumentError(
            f"`object_chn` must be at most {last} with `num_out_chn` {num_out_chn}, got {object_chn}"
        )


class ICILoss(_PublishedLoss):
    """The instance-wise and center-of-instance loss of Rachmadi et al. 2023, as published.

    Parameters
    ----------
    loss_function_pixel, loss_function_instance, loss_function_center : callable
        Any functions of two tensors that return one number. That of instances is shown one at a time, (1, 1,
        *spatial), 0 outside of it; MONAI's `DiceLoss()` is computed from sums, to the same values.
    activation : "sigmoid", "softmax" or "none"
        With "none" the outputs are probabilities, and the instances are trained. "sigmoid" shows their losses
        zeros and ones, by `segmentation_threshold`, without a gradient, and the pixel loss the outputs as
        they came; "softmax" shows zeros and ones to all, by one over the number of channels.
    num_out_chn : int
        Channels of the outputs.
    object_chn : int
        The one that holds the objects, counted from 0; where there is one, it is 0 and 1.
    spatial_dims : 2 or 3
    reduce_segmentation : "mean" or "sum"
        Over the instances of a sample; with `instance_wise_reduce` "data" only.
    instance_wise_reduce : "instance" or "data"
        Whether to take the mean over all instances or over the samples.
    num_iterations : int
        Without effect: components are exact, however long.
    segmentation_threshold : float, above 0, at most 1
        Least output of a component.
    max_cc_out : int
        Most components of the outputs to look at, those whose last voxel comes first; 0 for all.
    mul_too_many : float
        With more components of the outputs for each one of the labels, none is looked at.
    min_instance_size : int
        Components of this size or smaller are left out.
    centroid_offset : float
        Reach of a center along the longest axis, in voxels; less along shorter ones.
    smoother : float
        Added to denominators.
    instance_wise_loss_no_tp : bool
        Whether the loss of an instance leaves out voxels of others.
    rate_instead_number : bool
        Whether false and missed instances are rates.
    weighted_instance_wise : bool
        Whether to add the loss of each instance of the labels without false positives.
    weighted_fdr : bool
        Whether to multiply `fdr` by the false instances plus one; without effect where it is not returned.

    Raises
    ------
    ArgumentError
        If an option is out of range.

    References
    ----------
    Rachmadi, Poon, Skibbe: "Improving Segmentation of Objects with Varying Sizes in Biomedical Images using
    Instance-wise and Center-of-Instance Segmentation Loss Function", 2023. Code: BrainImageAnalysis/ICI-loss.
    """

    _terms = ICITerms


class dICILoss(_PublishedLoss):  # noqa: N801  # the published name
    """The dual form of `ICILoss`, over the instances of the outputs too; options as there."""

    _terms = DualICITerms


class InstanceCenterLoss(_PublishedLoss):
    """`InstanceLoss` without proximity, as published beside it; options as in `ICILoss`."""

    _terms = InstanceCenterTerms


class InstanceLoss(_PublishedLoss):
    """The instance loss of Rachmadi et al. 2024, as published; options as in `ICILoss`, in another order.

    References
    ----------
    Rachmadi, Byra, Skibbe: "A new family of instance-level loss functions for improving instance-level
    segmentation and detection of white matter hyperintensities in routine clinical brain MRI", 2024. Code:
    BrainImageAnalysis/instance-loss.

    Examples
    --------
    One object is found, and one is false.

    >>> import torch
    >>> from monai.losses import DiceLoss
    >>> loss = InstanceLoss(DiceLoss(), DiceLoss(), DiceLoss(), activation="none", spatial_dims=2)
    >>> outputs = torch.tensor([[[[0.9, 0.9, 0.1, 0.1, 0.8]]]])
    >>> pixel, label, output, center, false, missed, proximity = loss(outputs, (outputs > 0.85).float())
    >>> false, missed
    (tensor(1.), tensor(0.))
    """

    _terms = InstanceTerms

    def __init__(
        self,
        loss_function_pixel: Loss,
        loss_function_instance: Loss,
        loss_function_center: Loss,
        activation: str = "sigmoid",
        num_out_chn: int = 1,
        object_chn: int = 1,
        spatial_dims: int = 3,
        reduce_segmentation: str = "mean",
        instance_wise_reduce: str = "instance",
        num_iterations: int = 350,
        max_cc_out: int = 50,
        min_instance_size: int = 0,
        segmentation_threshold: float = 0.5,
        centroid_offset: float = 5,
        mul_too_many: float = 50,
        smoother: float = 1e-07,
        instance_wise_loss_no_tp: bool = True,
        rate_instead_number: bool = False,
        weighted_instance_wise: bool = False,
        weighted_fdr: bool = False,
    ) -> None:
        super().__init__(
            loss_function_pixel,
            loss_function_instance,
            loss_function_center,
            activation,
            num_out_chn,
            object_chn,
            spatial_dims,
            reduce_segmentation,
            instance_wise_reduce,
            num_iterations,
            segmentation_threshold,
            max_cc_out,
            mul_too_many,
            min_instance_size,
            centroid_offset,
            smoother,
            instance_wise_loss_no_tp,
            rate_instead_number,
            weighted_instance_wise,
            weighted_fdr,
        )
