"""What the losses on class probabilities share: MONAI's options for channels, and checks of tensors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from objectwise.checks import check_bool, check_choice, check_ignore_label
from objectwise.errors import ArgumentError, DeviceError, DtypeError, ShapeError
from objectwise.losses.inputs import (
    FLOATS,
    INTEGERS,
    REDUCTIONS,
    LogitsWatch,
    check_finite_tensor,
    check_tensor,
    is_true,
    wide_dtype,
)

WITHOUT_ORDER = (torch.uint16, torch.uint32, torch.uint64)  # PyTorch cannot compare them by size


@dataclass(frozen=True)
class ClassChannels:
    """How a prediction becomes probabilities, a target classes, and numbers of (sample, class) a loss.

    The names are MONAI's. Two defaults differ: predictions are logits and go through a softmax unless another
    activation is named, and targets are class indices.
    """

    include_background: bool = True
    """Without it, channel 0 goes through the activation but not into the loss."""
    to_onehot_y: bool = True
    """Targets are class indices (n, 1, *spatial) or (n, *spatial); else one-hot (n, c, *spatial)."""
    sigmoid: bool = False
    softmax: bool | None = None
    """None: true unless `sigmoid` or `other_act` is given. False with neither: probabilities come."""
    other_act: Callable[[Tensor], Tensor] | None = None
    reduction: str = "mean"
    """Over samples and classes; "none" keeps them, with one voxel on the spatial axes."""
    batch: bool = False
    """Take voxels of the batch together, and not those of each sample by itself."""
    ignore_label: int | None = None
    """Marks unknown voxels of class indices: they are left out of every mean."""
    watch: LogitsWatch = field(default_factory=LogitsWatch, init=False, repr=False, compare=False)
    """No option: what warns once of predictions that have been through the activation."""

    def check(self) -> None:
        """Require options that have an effect together."""
        for name in ("include_background", "to_onehot_y", "sigmoid", "batch"):
            check_bool(getattr(self, name), name=name)
        if self.softmax is not None:
            check_bool(self.softmax, name="softmax")
        check_choice(self.reduction, REDUCTIONS, name="reduction")
        check_ignore_label(self.ignore_label)
        if self.other_act is not None and not callable(self.other_act):
            raise ArgumentError(f"`other_act` must be callable, got {self.other_act!r}")
        named = [
            name
            for name, asked in (
                ("sigmoid", self.sigmoid),
                ("softmax", self.softmax),
                ("other_act", self.other_act is not None),
            )
            if asked
        ]
        if len(named) > 1:
            raise ArgumentError(f"`{named[0]}` must be the only activation, got {' and '.join(named)}")
        if self.ignore_label is not None and not self.to_onehot_y:
            raise ArgumentError(f"`ignore_label` must be None for one-hot targets, got {self.ignore_label}")

    @property
    def takes_softmax(self) -> bool:
        """Whether a softmax makes the probabilities."""
        if self.softmax is None:
            return not self.sigmoid and self.other_act is None
        return self.softmax

    @property
    def first(self) -> int:
        """The first channel of the loss."""
        return 0 if self.include_background else 1

    def probabilities(self, prediction: Tensor, known: Tensor | None) -> Tensor:
        """Return what the loss multiplies, its channels, float32 or float64.

        The prediction must be finite where it counts: at `known` voxels, in the channels that are mixed.
        """
        if self.other_act is not None:
            values = self._readable(prediction, known, fill=True)
            return _kept(self.other_act(values), values)[:, self.first :]
        if self.takes_softmax:
            return torch.softmax(self._readable(prediction, known, "softmax"), 1)[:, self.first :]
        if self.sigmoid:
            return torch.sigmoid(self.logits(prediction, known))
        probabilities: Tensor = self._readable(prediction, known, first=self.first)
        return probabilities

    def log_softmax(self, prediction: Tensor, known: Tensor | None) -> Tensor:
        """Return log-probabilities of all channels, float32 or float64; checks as in `probabilities`."""
        return torch.log_softmax(self._readable(prediction, known, "softmax"), 1)

    def logits(self, prediction: Tensor, known: Tensor | None) -> Tensor:
        """Return the loss's channels of a prediction, before a sigmoid; checks as in `probabilities`."""
        values: Tensor = self._readable(prediction, known, "sigmoid", first=self.first)
        return values

    @torch.compiler.disable  # type: ignore[untyped-decorator]  # it looks at values
    def _readable(
        self,
        prediction: Tensor,
        known: Tensor | None,
        activation: str | None = None,
        *,
        first: int = 0,
        fill: bool = False,
    ) -> Tensor:
        """Return channels of a prediction, float32 or float64, that are finite where they count.

        Unknown voxels are 0 if the prediction is not finite there, or wherever an activation may make it so
        (`fill`): zero weights would leave NaN what it is, in the value as in the gradient.
        """
        finite = check_finite_tensor(prediction, name="prediction", counts=known, first=first)
        values = prediction[:, first:]
        if activation is not None:
            self.watch.look(values, activation=activation)
        values = values.to(wide_dtype(prediction))
        return values if known is None or (finite and not fill) else values.masked_fill(~known, 0)

    def check_prediction(self, prediction: Tensor) -> None:
        """Require (n, c, *spatial) floats, of as many channels as the options need."""
        check_tensor(prediction, name="prediction")
        if prediction.dtype not in FLOATS:
            raise DtypeError(f"`prediction` must be floating point, got {prediction.dtype}")
        if prediction.ndim not in (4, 5) or 0 in prediction.shape:
            raise ShapeError(
                "`prediction` must have shape (n, c, y, x) or (n, c, z, y, x) and not be empty, "
                f"got {tuple(prediction.shape)}"
            )
        if prediction.shape[1] == 1 and self.takes_softmax:
            raise ShapeError(
                "`prediction` must have 2 or more channels for a softmax, got 1; pass sigmoid=True, "
                "or softmax=False for probabilities"
            )
        if prediction.shape[1] == 1 and not self.include_background:
            raise ArgumentError("`include_background` must be True for a single channel, got False")

    def target(self, target: Tensor, prediction: Tensor, ignore: Tensor | None = None) -> Target:
        """Check a target against the prediction and return it with both axes in front.

        `ignore`, (n, *spatial), (n, 1, *spatial) or (n, c, *spatial) bool, is True where the truth is
        unknown: a voxel that is unknown in one channel is left out of all.
        """
        check_tensor(target, name="target")
        n, channels, *spatial = prediction.shape
        indices = self.to_onehot_y and channels > 1
        if self.to_onehot_y and target.dtype not in INTEGERS and (indices or target.dtype != torch.bool):
            raise DtypeError(
                f"`target` must hold integer classes, got {target.dtype}; convert on purpose, or pass "
                "to_onehot_y=False for a one-hot target"
            )
        if self.to_onehot_y and target.ndim == prediction.ndim - 1:
            target = target.unsqueeze(1)
        expected = (n, 1 if indices else channels, *spatial)
        if tuple(target.shape) != expected:
            also = f" or {(n, *spatial)}" if self.to_onehot_y else ""
            raise ShapeError(
                f"`target` must have shape {expected}{also} for a prediction of shape "
                f"{tuple(prediction.shape)}, got {tuple(target.shape)}"
            )
        if target.device != prediction.device:
            raise DeviceError(
                f"`target` must be on the device of `prediction` ({prediction.device}), got {target.device}"
            )
        if self.ignore_label is not None and not indices:
            raise ArgumentError(
                f"`ignore_label` must be None for a prediction of one channel, got {self.ignore_label}"
            )
        known = None if self.ignore_label is None else _differs(target, self.ignore_label)
        if target.dtype in WITHOUT_ORDER:
            target = target.long()
        if ignore is None:
            return Target(target, known, channels if indices else None, self.ignore_label)
        inside = _known(ignore, prediction)
        known = inside if known is None else known & inside
        # Another number than any class: what the maps take for unknown.
        unknown = channels if indices else 0
        if indices and unknown > torch.iinfo(target.dtype).max:
            target = target.long()
        return Target(
            target.masked_fill(~known, unknown),
            known,
            channels if indices else None,
            unknown if indices else None,
        )

    def map_target(
        self, target: Tensor, n_classes: int | None, ignore: Tensor | None
    ) -> tuple[Tensor, int | None]:
        """Return what a map is made of, and the label in it that stands for unknown."""
        if ignore is None:
            return target, self.ignore_label
        shape = (len(target), n_classes or target.shape[1], *target.shape[2:])
        checked = self.target(target, torch.zeros((), device=target.device).expand(shape), ignore)
        return checked.values, checked.ignore_label

    def reduce(self, sums: Tensor, counts: Tensor | float) -> Tensor:
        """Return the loss from sums over the voxels of each sample and class, (n, c), and voxel counts.

        `counts` is one number, or (n, 1) where some voxels are unknown: a sample without any known voxel is
        as if it were not in the batch.
        """
        if self.batch:
            counts = counts.sum(0, keepdim=True) if isinstance(counts, Tensor) else counts * len(sums)
            sums = sums.sum(0, keepdim=True)
        if isinstance(counts, Tensor):
            return self.reduce_means(sums / counts.clamp(min=1), counts)
        return self.reduce_means(sums / counts, counts)

    def reduce_means(self, means: Tensor, counts: Tensor | float) -> Tensor:
        """Return the loss from one number a sample and class; those of a sample with count 0 do not count."""
        if not isinstance(counts, Tensor):
            return means.mean() if self.reduction == "mean" else self._sum_or_all(means)
        means = torch.where(counts > 0, means, 0)
        if self.reduction == "mean":
            return means.sum() / ((counts > 0).sum() * means.shape[1]).clamp(min=1)
        return self._sum_or_all(means)

    def _sum_or_all(self, means: Tensor) -> Tensor:
        return means.sum() if self.reduction == "sum" else means


class Target(NamedTuple):
    """A target that has passed its checks."""

    values: Tensor
    """(n, 1, *spatial) class indices, or (n, c, *spatial) one-hot."""
    known: Tensor | None
    """(n, 1, *spatial) bool, None where every voxel is known."""
    n_classes: int | None
    """How many classes the indices are of; None for one-hot."""
    ignore_label: int | None = None
    """The index that unknown voxels have, if any do; a one-hot target has them in no class."""

    @torch.compiler.disable  # type: ignore[untyped-decorator]  # it looks at values
    def check_range(self) -> None:
        """Require class indices in range and a one-hot target of 0 and 1; a GPU waits for this."""
        if self.n_classes is None:
            wrong = (self.values != 0) & (self.values != 1)
            rule = "hold only 0 and 1 if one-hot"
        else:
            wrong = (self.values < 0) | (self.values >= self.n_classes)
            if self.known is not None:
                wrong &= self.known
            rule = f"hold classes in 0..{self.n_classes - 1}"
        if is_true(wrong.any()):
            first = tuple(int(i) for i in wrong.nonzero()[0])
            raise ArgumentError(f"`target` must {rule}, got {self.values[first].item()} at {first}")

    def one_hot(self, dtype: torch.dtype) -> Tensor:
        """Return the target as (n, c, *spatial) of 0 and 1; ignored voxels are in no class."""
        if self.n_classes is None:
            return self.values.to(dtype)
        classes = self.values[:, 0].long()
        if self.known is not None:
            classes = classes.masked_fill(~self.known[:, 0], self.n_classes)
        return functional.one_hot(classes, self.n_classes + 1).movedim(-1, 1)[:, : self.n_classes].to(dtype)

    def known_counts(self, dtype: torch.dtype) -> Tensor | float:
        """Return the number of known voxels of each sample, (n, 1), or one number where all are known."""
        if self.known is None:
            return float(self.values[0, 0].numel())
        return self.known.flatten(1).sum(1, keepdim=True).to(dtype)


def _kept(activated: Tensor, values: Tensor) -> Tensor:
    """Require what a user's activation returns to be probabilities of the same voxels and channels."""
    if not isinstance(activated, Tensor) or activated.dtype not in FLOATS:
        came = activated.dtype if isinstance(activated, Tensor) else type(activated).__name__
        raise DtypeError(f"`other_act` must return a floating point tensor, got {came}")
    if activated.shape != values.shape:
        raise ShapeError(
            f"`other_act` must keep the shape {tuple(values.shape)}, got {tuple(activated.shape)}"
        )
    return activated


def _known(ignore: Tensor, prediction: Tensor) -> Tensor:
    """Return where the truth is known, (n, 1, *spatial)."""
    check_tensor(ignore, name="ignore")
    if ignore.dtype != torch.bool:
        raise DtypeError(
            f"`ignore` must be a bool tensor, True where the truth is unknown, got {ignore.dtype}"
        )
    n, channels, *spatial = prediction.shape
    if tuple(ignore.shape) == (n, *spatial):
        ignore = ignore.unsqueeze(1)
    if tuple(ignore.shape) not in ((n, 1, *spatial), (n, channels, *spatial)):
        raise ShapeError(
            f"`ignore` must have shape {(n, *spatial)}, {(n, 1, *spatial)} or {(n, channels, *spatial)}, "
            f"got {tuple(ignore.shape)}"
        )
    if ignore.device != prediction.device:
        raise DeviceError(
            f"`ignore` must be on the device of `prediction` ({prediction.device}), got {ignore.device}"
        )
    return ~ignore.any(1, keepdim=True)


def _differs(target: Tensor, label: int) -> Tensor:
    """Return where a target is not a label, which PyTorch would wrap into the range of a narrow dtype."""
    held = torch.iinfo(target.dtype)
    if held.min <= label <= held.max:
        return target != label
    return torch.ones_like(target, dtype=torch.bool)


def as_broadcastable(values: Tensor, ndim: int) -> Tensor:
    """Return (n, c) values with one voxel on each spatial axis, as MONAI's losses do."""
    return values.reshape(*values.shape, *[1] * (ndim - 2))
