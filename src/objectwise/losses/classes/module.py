"""A module that holds the options of a loss on class probabilities, once for all of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields

from torch import Tensor, nn

from objectwise.losses.classes.channels import ClassChannels


class ClassLoss(nn.Module):
    """Base of the losses that take class probabilities and a target: it holds MONAI's options.

    Parameters
    ----------
    include_background, to_onehot_y, sigmoid, softmax, other_act, reduction, batch, ignore_label
        As in `ClassChannels`.
    """

    def __init__(
        self,
        *,
        include_background: bool = True,
        to_onehot_y: bool = True,
        sigmoid: bool = False,
        softmax: bool | None = None,
        other_act: Callable[[Tensor], Tensor] | None = None,
        reduction: str = "mean",
        batch: bool = False,
        ignore_label: int | None = None,
    ) -> None:
        super().__init__()
        self.channels = ClassChannels(
            include_background=include_background,
            to_onehot_y=to_onehot_y,
            sigmoid=sigmoid,
            softmax=softmax,
            other_act=other_act,
            reduction=reduction,
            batch=batch,
            ignore_label=ignore_label,
        )
        self.channels.check()

    def extra_repr(self) -> str:
        """Show the options."""
        options = {one.name: getattr(self.channels, one.name) for one in fields(self.channels) if one.init}
        return ", ".join(f"{name}={value!r}" for name, value in options.items() if value is not None)
