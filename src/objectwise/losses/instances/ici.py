"""Instance losses: every object counts, however small, and so does every missed and every false one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn

from objectwise.checks import check_some_spacing
from objectwise.losses.inputs import LogitsWatch
from objectwise.losses.instances.batch import Selection, batch_cells
from objectwise.losses.instances.cell_sums import cell_sums
from objectwise.losses.instances.inputs import (
    check_activation,
    check_instance_tensors,
    foreground,
    object_channels,
)
from objectwise.losses.instances.options import (
    InnerLoss,
    InstanceOptions,
    checked_loss,
    checked_weights,
)
from objectwise.losses.instances.terms import InstanceCenterTerms, InstanceTerms, instance_terms


class _InstanceLossBase(nn.Module):
    """Options and forward of both losses; they differ in their terms only."""

    _names: tuple[str, ...]

    def __init__(
        self,
        *,
        activation: str = "sigmoid",
        include_background: bool | None = None,
        pixel_loss: InnerLoss = "dice",
        instance_loss: InnerLoss = "dice",
        center_loss: InnerLoss = "dice",
        empty_loss: str = "cross_entropy",
        threshold: float = 0.5,
        connectivity: int | None = None,
        spacing: Sequence[float] | None = None,
        minimum_size: int = 0,
        max_components: int | None = None,
        keep: str | None = None,
        too_many: float | None = None,
        center_offset: float = 3.0,
        exclude_true_positives: bool = True,
        rates: bool = True,
        over: str = "instance",
        reduction: str = "mean",
        weights: Mapping[str, float] | None = None,
    ) -> None:
        super().__init__()
        check_activation(activation, include_background)
        self.activation, self.include_background = activation, include_background
        self._watch = LogitsWatch()
        self.weights = checked_weights(weights, dict.fromkeys(self._names, 1.0))
        self.selection = Selection(threshold, connectivity, minimum_size, max_components, keep)
        self.selection.check()
        self.options = InstanceOptions(
            checked_loss(pixel_loss, "pixel_loss"),
            checked_loss(instance_loss, "instance_loss"),
            checked_loss(center_loss, "center_loss"),
            empty_loss,
            minimum_size,
            too_many,
            center_offset,
            exclude_true_positives,
            rates,
            over,
            reduction,
            check_some_spacing(spacing),
        )
        self.options.check()

    def forward(
        self,
        prediction: Tensor,
        target: Tensor,
        *,
        instances: Tensor | None = None,
        ignore: Tensor | None = None,
    ) -> Tensor:
        """Return the weighted sum of the terms, a scalar; see `terms`."""
        proximity = self.weights.get("proximity", 0.0) > 0
        terms = self._terms(prediction, target, instances, ignore, proximity=proximity)
        total = sum(self.weights[name] * getattr(terms, name) for name in self._names if self.weights[name])
        return cast("Tensor", total)

    @torch.compiler.disable  # type: ignore[untyped-decorator]  # Numba: a compiled model calls it as it is
    def _terms(
        self,
        prediction: Tensor,
        target: Tensor,
        instances: Tensor | None,
        ignore: Tensor | None,
        *,
        proximity: bool,
    ) -> InstanceTerms:
        check_instance_tensors(prediction, target, instances, ignore)
        inputs = foreground(
            prediction,
            target,
            ignore,
            activation=self.activation,
            include_background=self.include_background,
            watch=self._watch,
        )
        channels = object_channels(prediction, self.activation, self.include_background)
        batch = batch_cells(
            inputs,
            self.selection,
            instances=None if instances is None else instances[:, channels],
            center_offset=self.options.center_offset,
            spacing=self.options.spacing,
        )
        sums = cell_sums(inputs.values, batch.cells, len(batch.voxels), from_logits=inputs.from_logits)
        shown = inputs.probabilities() if self.options.has_functions else None
        terms = instance_terms(batch, sums, self.options, probabilities=shown, proximity=proximity)
        return InstanceTerms(*(term.to(inputs.values.dtype) for term in terms))

    def extra_repr(self) -> str:
        """Show the options."""
        options: dict[str, Any] = {
            "activation": self.activation,
            "include_background": self.include_background,
            **self.selection._asdict(),
            **self.options._asdict(),
            "weights": self.weights,
        }
        return ", ".join(f"{name}={value!r}" for name, value in options.items() if value is not None)


class InstanceLoss(_InstanceLossBase):
    """The instance loss of Rachmadi et al. 2024: seven terms, six of them about objects.

    Each of them trains: the threshold chooses the structure only, and probabilities carry the gradient. The
    values of the published code are those of `objectwise.compat.instance_loss`.

    Parameters
    ----------
    activation : "sigmoid", "softmax" or "none"
        How predictions become probabilities. "none": they are. With "softmax" the first channel is the
        background.
    include_background : bool, optional
        With "softmax" only: whether the first channel has objects too, False by default.
    pixel_loss, instance_loss, center_loss : str, SegmentLoss or callable
        "dice" (default), "jaccard", "tversky", "focal_tversky", "cross_entropy", "dice_cross_entropy", a
        `SegmentLoss` with its numbers, or any function of probabilities and target, (1, 1, *crop) each, that
        returns a scalar; such a function is called once for each segment.
    empty_loss : "cross_entropy" or "tversky"
        Loss of a segment without truth, such as a false instance. See
        `objectwise.losses.instances.segment_loss.empty_loss`.
    threshold : float between 0 and 1
        Least probability of a predicted component; 0.5.
    connectivity : int, optional
        4 or 8 in 2-D, 6, 18 or 26 in 3-D; the most by default.
    spacing : (ndim,) float, optional
        Size of a voxel, for centers and proximity; 1 by default.
    minimum_size : int, voxels
        Smaller predicted components are none; smaller true ones have no terms of their own. 0.
    max_components : int, optional
        Most predicted components of a volume; no limit by default, since the cost does not depend on it.
    keep : "largest", "strongest" or "error", optional
        Required with `max_components`: which components to keep, the strongest being those
        of the highest mean prediction.
    too_many : float, optional
        A volume with more than `too_many` predicted components for each true one is crowded: its predicted
        components are not looked at one by one; the instance loss of the whole volume stands for them.
        A volume without true objects never is, and by default none.
    center_offset : float
        How far a center reaches from its middle along every axis, in units of `spacing`; 3, the default that
        the published README and docstring name.
    exclude_true_positives : bool
        Whether the segment of a true object leaves out voxels of other true objects; True.
    rates : bool
        Whether `false` and `missed` are divided by the number of predicted and of true objects; True, as the
        paper's abstract has it.
    over : "instance" or "data"
        Whether `reduction` goes over all instances of the batch or over those of each volume, the volumes
        being averaged.
    reduction : "mean" or "sum"
    weights : mapping from term names to float, optional
        Weights of the terms in `forward`, 1 by default; 0 leaves a term out. `terms` does not look at them.

    Raises
    ------
    ArgumentError
        If an option is out of range or has no effect in this combination.

    References
    ----------
    Rachmadi, Poon, Skibbe: "Improving Segmentation of Objects with Varying Sizes in Biomedical Images using
    Instance-wise and Center-of-Instance Segmentation Loss Function", 2023.
    Rachmadi, Byra, Skibbe: "A new family of instance-level loss functions for improving instance-level
    segmentation and detection of white matter hyperintensities in routine clinical brain MRI", 2024.

    Examples
    --------
    A true object that is found, and a false one.

    >>> import torch
    >>> prediction = torch.tensor([[[[9.0, 9.0, -9.0, -9.0, 9.0]]]])
    >>> target = torch.tensor([[[[1, 1, 0, 0, 0]]]])
    >>> terms = InstanceLoss().terms(prediction, target)
    >>> bool(terms.label_instances < 1e-3), terms.false  # one is right, one of two is false
    (True, tensor(0.4999))
    """

    _names = InstanceTerms._fields

    def terms(
        self,
        prediction: Tensor,
        target: Tensor,
        *,
        instances: Tensor | None = None,
        ignore: Tensor | None = None,
    ) -> InstanceTerms:
        """Return all terms.

        Parameters
        ----------
        prediction : (n, c, y, x) or (n, c, z, y, x) float, any device
            Every channel has its own objects. Half precision is widened; the terms are float32 (float64 for
            float64), also under autocast.
        target : as `prediction`, bool, or any dtype holding 0 and 1
        instances : as `prediction`, integer, optional
            Ids of the true objects, positive where `target` is 1; its connected components by default. Any
            ids serve: a data loader can compute them once, and objects that touch stay apart.
        ignore : as `prediction`, bool, optional
            True where the truth is unknown: what `target` and `prediction` hold there has no effect, and
            objects end there.

        Returns
        -------
        InstanceTerms
            Scalars, differentiable.

        Raises
        ------
        DtypeError, ShapeError, DeviceError, ArgumentError
            Before any work, if the inputs do not fit each other, a prediction is not finite or (with
            activation "none") not in 0..1, or a target is neither 0 nor 1.

        Notes
        -----
        Volume without true objects: `label_instances` and `missed` are 0. Without predicted
        objects: `output_instances` and `false` are 0.
        """
        terms: InstanceTerms = self._terms(prediction, target, instances, ignore, proximity=True)
        return terms


class InstanceCenterLoss(_InstanceLossBase):
    """The instance loss without its proximity term; options as in `InstanceLoss`."""

    _names = InstanceCenterTerms._fields

    def terms(
        self,
        prediction: Tensor,
        target: Tensor,
        *,
        instances: Tensor | None = None,
        ignore: Tensor | None = None,
    ) -> InstanceCenterTerms:
        """Return all terms, as in `InstanceLoss.terms`."""
        terms = self._terms(prediction, target, instances, ignore, proximity=False)
        return InstanceCenterTerms(*terms[:6])
