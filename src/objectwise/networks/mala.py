"""The U-Net of MALA: valid convolutions, so that every output voxel has seen its whole surroundings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from objectwise.checks import check_whole_number
from objectwise.errors import ShapeError
from objectwise.networks.network import Network
from objectwise.networks.shapes import check_raw

LOST = 4
"""Voxels that two convolutions of 3 take from a length."""


class MALA(Network):
    """The network of Funke et al. 2019.

    Two 3 x 3 x 3 convolutions without padding at each level, max pooling and transposed convolutions by the
    same factors, skips cropped to the middle. With the defaults 84 x 268 x 268 voxels become 56 x 56 x 56.

    Parameters
    ----------
    out_channels : int
    features : int
        Channels of the finest level; 12 in the paper.
    growth : int
        Factor from one level to the next coarser one; 5 in the paper.
    factors : (levels - 1, 3) int
        Pooling between the levels; (1, 3, 3) three times in the paper.
    in_channels : int

    Notes
    -----
    Of a larger input a patch of the output grows in steps of the product of the factors, one voxel along z
    and 27 along y and x: `shape_of_output` says what comes out.

    References
    ----------
    Funke et al., "Large scale image segmentation with structured loss based deep learning for connectome
    reconstruction", 2019, figure 3.

    Examples
    --------
    >>> MALA(3).shape_of_output((84, 268, 268))
    (56, 56, 56)
    """

    name = "mala"

    def __init__(
        self,
        out_channels: int,
        *,
        features: int = 12,
        growth: int = 5,
        factors: Sequence[Sequence[int]] = ((1, 3, 3), (1, 3, 3), (1, 3, 3)),
        in_channels: int = 1,
    ) -> None:
        super().__init__()
        for name, number in (
            ("out_channels", out_channels),
            ("features", features),
            ("growth", growth),
            ("in_channels", in_channels),
        ):
            check_whole_number(number, least=1, name=name)
        if not len(factors) or any(len(row) != 3 or min(row) < 1 for row in factors):
            raise ShapeError(f"`factors` must be rows of three positive numbers, got {[*map(list, factors)]}")
        self.factors = [(int(z), int(y), int(x)) for z, y, x in factors]
        self.architecture: dict[str, Any] = {
            "dimensions": 3,
            "out_channels": out_channels,
            "features": features,
            "growth": growth,
            "factors": [list(row) for row in self.factors],
            "in_channels": in_channels,
        }
        widths = [features * growth**level for level in range(len(self.factors) + 1)]
        self.down = nn.ModuleList(
            _two_convolutions(before, after)
            for before, after in zip([in_channels, *widths], widths, strict=False)
        )
        self.pool = nn.ModuleList(nn.MaxPool3d(row) for row in self.factors)
        self.raise_ = nn.ModuleList(
            nn.ConvTranspose3d(coarse, fine, row, stride=row)
            for fine, coarse, row in zip(widths, widths[1:], self.factors, strict=False)
        )
        self.up = nn.ModuleList(_two_convolutions(2 * fine, fine) for fine in widths[:-1])
        self.head = nn.Conv3d(features, out_channels, 1)

    def forward(self, raw: Tensor) -> Tensor:
        """Return logits (n, out_channels, *smaller) of `raw` (n, in_channels, z, y, x).

        Raises
        ------
        ShapeError
            If nothing would be left, or pooling would leave voxels over.
        """
        check_raw(raw, dimensions=3, channels=self.architecture["in_channels"])
        self.shape_of_output(raw.shape[2:])
        skips = []
        for block, pool in zip(self.down, [*self.pool, nn.Identity()], strict=True):
            raw = block(raw)
            skips.append(raw)
            raw = pool(raw)
        for level in reversed(range(len(self.up))):
            raw = self.raise_[level](raw)
            raw = self.up[level](torch.cat([cropped(skips[level], raw.shape[2:]), raw], 1))
        logits: Tensor = self.head(raw)
        return logits

    @property
    def rule(self) -> str:
        """What valid convolutions and pooling leave something whole of."""
        return f"lengths that valid convolutions and pooling by {self.factors} leave something whole of"

    def left_of(self, length: int, axis: int) -> int | None:
        """Return what valid convolutions leave of a length, or None where it does not fit."""
        return _left_of(length, [row[axis] for row in self.factors])


def _left_of(length: int, steps: Sequence[int]) -> int | None:
    """Return what the network leaves of a length, or None where it does not fit."""
    for step in steps:
        length -= LOST
        if length < step or length % step:
            return None
        length //= step
    length -= LOST
    for step in reversed(steps):
        length = length * step - LOST
    return length if length > 0 else None


def _two_convolutions(before: int, after: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv3d(before, after, 3), nn.ReLU(inplace=True), nn.Conv3d(after, after, 3), nn.ReLU(inplace=True)
    )


def cropped(values: Tensor, spatial: Sequence[int]) -> Tensor:
    """Return the middle of (n, c, *larger) values, (n, c, *spatial)."""
    starts = [(length - size) // 2 for length, size in zip(values.shape[2:], spatial, strict=True)]
    box = tuple(slice(start, start + size) for start, size in zip(starts, spatial, strict=True))
    return values[(slice(None), slice(None), *box)]
