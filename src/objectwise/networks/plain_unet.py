"""The U-Net as first published, in two dimensions, with the switches that practice has added."""

from __future__ import annotations

import itertools
from typing import Any

import torch
from torch import Tensor, nn

from objectwise.checks import check_bool, check_whole_number
from objectwise.errors import ArgumentError
from objectwise.networks.mala import LOST, cropped
from objectwise.networks.network import Network
from objectwise.networks.shapes import check_raw

MOST = 20
"""Depth and width factor together: beyond it no memory holds the weights of the coarsest level."""
UP_MODES = ("transposed", "bilinear")


class PlainUNet(Network):
    """A 2-D U-Net whose width doubles from level to level.

    Parameters
    ----------
    out_channels : int
    depth : int
        Levels; 5 in the paper.
    width_factor : int
        The finest level has 2^width_factor channels; 6 in the paper, 64 channels.
    padding : bool
        Whether the output has the shape of the input, a multiple of 2^(depth - 1). Without, as in the paper,
        only what has seen its whole surroundings comes out: 388 x 388 pixels of 572 x 572.
    batch_norm : bool
        After every convolution.
    up_mode : "transposed" or "bilinear"
        A transposed convolution, or an enlargement and a convolution of 1.
    in_channels : int

    References
    ----------
    Ronneberger, Fischer, Brox: "U-Net: convolutional networks for biomedical image segmentation", 2015.

    Examples
    --------
    >>> import torch
    >>> PlainUNet(2, depth=2, width_factor=1, padding=False)(torch.zeros(1, 1, 20, 20)).shape
    torch.Size([1, 2, 4, 4])
    """

    name = "plain_unet"

    def __init__(
        self,
        out_channels: int,
        *,
        depth: int = 5,
        width_factor: int = 6,
        padding: bool = True,
        batch_norm: bool = False,
        up_mode: str = "transposed",
        in_channels: int = 1,
    ) -> None:
        super().__init__()
        for name, number, least in (
            ("out_channels", out_channels, 1),
            ("depth", depth, 1),
            ("width_factor", width_factor, 0),
            ("in_channels", in_channels, 1),
        ):
            check_whole_number(number, least=least, name=name)
        if depth + width_factor > MOST:  # what a file asks for is met here
            raise ArgumentError(
                f"`depth` and `width_factor` must not make more than 2^{MOST - 1} channels, "
                f"got {depth} and {width_factor}"
            )
        check_bool(padding, name="padding")
        check_bool(batch_norm, name="batch_norm")
        if up_mode not in UP_MODES:
            raise ArgumentError(f"`up_mode` must be one of {list(UP_MODES)}, got {up_mode!r}")
        self.architecture: dict[str, Any] = {
            "dimensions": 2,
            "out_channels": out_channels,
            "depth": depth,
            "width_factor": width_factor,
            "padding": padding,
            "batch_norm": batch_norm,
            "up_mode": up_mode,
            "in_channels": in_channels,
        }
        widths = [2 ** (width_factor + level) for level in range(depth)]
        self.down = nn.ModuleList(
            _two_convolutions(before, after, padding=padding, batch_norm=batch_norm)
            for before, after in zip([in_channels, *widths], widths, strict=False)
        )
        self.enlarge = nn.ModuleList(
            _enlargement(up_mode, coarse, fine) for fine, coarse in itertools.pairwise(widths)
        )
        self.up = nn.ModuleList(
            _two_convolutions(2 * fine, fine, padding=padding, batch_norm=batch_norm) for fine in widths[:-1]
        )
        self.head = nn.Conv2d(widths[0], out_channels, 1)

    def forward(self, raw: Tensor) -> Tensor:
        """Return logits (n, out_channels, y, x) of `raw` (n, in_channels, y, x).

        Raises
        ------
        ShapeError
            If a level cannot be halved.
        """
        check_raw(raw, dimensions=2, channels=self.architecture["in_channels"])
        self.shape_of_output(raw.shape[2:])
        skips = []
        for level, block in enumerate(self.down):
            raw = block(raw if level == 0 else nn.functional.max_pool2d(raw, 2))
            skips.append(raw)
        for level in reversed(range(len(self.up))):
            raw = self.enlarge[level](raw)
            raw = self.up[level](torch.cat([raw, cropped(skips[level], raw.shape[2:])], 1))
        logits: Tensor = self.head(raw)
        return logits

    @property
    def rule(self) -> str:
        """What every level can halve."""
        lost = "" if self.architecture["padding"] else ", each after losing 4 pixels"
        return f"lengths that {self.architecture['depth'] - 1} levels can halve{lost}"

    def left_of(self, length: int, axis: int) -> int | None:
        """Return a length as it is, or without padding what convolutions leave of it."""
        lost = 0 if self.architecture["padding"] else LOST
        halved = self.architecture["depth"] - 1
        for _ in range(halved):
            length -= lost
            if length < 2 or length % 2:
                return None
            length //= 2
        length -= lost
        for _ in range(halved):
            length = length * 2 - lost
        return length if length > 0 else None


def _two_convolutions(before: int, after: int, *, padding: bool, batch_norm: bool) -> nn.Sequential:
    layers: list[nn.Module] = []
    for width in (before, after):
        layers += [nn.Conv2d(width, after, 3, padding=int(padding)), nn.ReLU()]
        layers += [nn.BatchNorm2d(after)] if batch_norm else []
    return nn.Sequential(*layers)


def _enlargement(mode: str, coarse: int, fine: int) -> nn.Module:
    if mode == "transposed":
        return nn.ConvTranspose2d(coarse, fine, 2, stride=2)
    enlarged = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)
    return nn.Sequential(enlarged, nn.Conv2d(coarse, fine, 1))
