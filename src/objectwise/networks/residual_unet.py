"""The residual symmetric U-Net, made for sections thicker than pixels."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from objectwise.checks import check_whole_number
from objectwise.errors import ShapeError
from objectwise.networks.network import Network
from objectwise.networks.shapes import check_raw

Kernel = tuple[int, int, int]


class ResidualSymmetricUNet(Network):
    """The network of Lee et al. 2017.

    A 1 x 5 x 5 convolution in and out; residual modules of three convolutions at every level, the finest one
    1 x 3 x 3, the others 3 x 3 x 3; max pooling and enlargement by 1 x 2 x 2; skips are added, not put
    beside one another.

    Parameters
    ----------
    out_channels : int
    features : (levels,) int
        28, 36, 48, 64 and 80 in the paper.
    strides : (levels - 1, 3) int, optional
        Pooling between the levels; (1, 2, 2) in the paper.
    in_channels : int

    References
    ----------
    Lee, Zung, Li, Jain, Seung: "Superhuman accuracy on the SNEMI3D connectomics challenge", 2017.
    """

    name = "residual_unet"

    def __init__(
        self,
        out_channels: int,
        *,
        features: Sequence[int] = (28, 36, 48, 64, 80),
        strides: Sequence[Sequence[int]] | None = None,
        in_channels: int = 1,
    ) -> None:
        super().__init__()
        for number in (out_channels, in_channels, *features):
            check_whole_number(number, least=1, name="features")
        if len(features) < 2:
            raise ShapeError(f"`features` must have at least 2 levels, got {list(features)}")
        rows = [(1, 2, 2)] * (len(features) - 1) if strides is None else strides
        steps = [tuple(int(number) for number in row) for row in rows]
        if len(steps) != len(features) - 1 or any(len(row) != 3 or min(row) < 1 for row in steps):
            raise ShapeError(
                f"`strides` must have {len(features) - 1} rows of three positive numbers, "
                f"got {[list(row) for row in steps]}"
            )
        self.steps = steps
        self.architecture: dict[str, Any] = {
            "dimensions": 3,
            "out_channels": out_channels,
            "features": list(features),
            "strides": [list(row) for row in steps],
            "in_channels": in_channels,
        }
        kernels = [(1, 3, 3), *[(3, 3, 3)] * (len(features) - 1)]
        self.embed = _convolution(in_channels, features[0], (1, 5, 5))
        self.down = nn.ModuleList(
            _ResidualModule(before, after, kernel)
            for before, after, kernel in zip([features[0], *features], features, kernels, strict=False)
        )
        self.enlarge = nn.ModuleList(
            nn.Sequential(
                nn.Upsample(scale_factor=tuple(map(float, row)), mode="trilinear", align_corners=False),
                nn.Conv3d(coarse, fine, 1, bias=False),
            )
            for (fine, coarse), row in zip(itertools.pairwise(features), steps, strict=True)
        )
        self.up = nn.ModuleList(
            _ResidualModule(fine, fine, kernel) for fine, kernel in zip(features[:-1], kernels, strict=False)
        )
        self.unembed = _convolution(features[0], features[0], (1, 5, 5))
        self.head = nn.Conv3d(features[0], out_channels, 1)

    def forward(self, raw: Tensor) -> Tensor:
        """Return logits (n, out_channels, z, y, x) of `raw` (n, in_channels, z, y, x).

        Raises
        ------
        ShapeError
            If the shape is no multiple of the strides.
        """
        check_raw(raw, dimensions=3, channels=self.architecture["in_channels"])
        self.shape_of_output(raw.shape[2:])
        raw = self.embed(raw)
        skips = []
        for level, module in enumerate(self.down):
            raw = module(raw if level == 0 else nn.functional.max_pool3d(raw, self.steps[level - 1]))
            skips.append(raw)
        for level in reversed(range(len(self.up))):
            raw = self.up[level](self.enlarge[level](raw) + skips[level])
        logits: Tensor = self.head(self.unembed(raw))
        return logits

    @property
    def total_stride(self) -> tuple[int, ...]:
        """Product of the strides along each axis."""
        return tuple(math.prod(column) for column in zip(*self.steps, strict=True))

    @property
    def rule(self) -> str:
        """Multiples of `total_stride`."""
        return f"lengths that are multiples of the network's total stride {self.total_stride}"

    def left_of(self, length: int, axis: int) -> int | None:
        """Return a multiple of the stride as it is."""
        return None if length < 1 or length % self.total_stride[axis] else length


class _ResidualModule(nn.Module):
    """A convolution, and two more whose result is added to the first's."""

    def __init__(self, before: int, after: int, kernel: Kernel) -> None:
        super().__init__()
        self.first = _convolution(before, after, kernel)
        self.second = _convolution(after, after, kernel)
        self.third = nn.Conv3d(after, after, kernel, padding=_around(kernel), bias=False)
        self.norm, self.rectify = nn.BatchNorm3d(after), nn.ELU()

    def forward(self, values: Tensor) -> Tensor:
        start = self.first(values)
        total: Tensor = self.rectify(self.norm(self.third(self.second(start)) + start))
        return total


def _convolution(before: int, after: int, kernel: Kernel) -> nn.Sequential:
    around = _around(kernel)
    return nn.Sequential(
        nn.Conv3d(before, after, kernel, padding=around, bias=False), nn.BatchNorm3d(after), nn.ELU()
    )


def _around(kernel: Kernel) -> Kernel:
    """Return the padding that keeps a shape."""
    return kernel[0] // 2, kernel[1] // 2, kernel[2] // 2
