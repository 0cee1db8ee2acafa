"""Plain convolutional networks, as affinities were first learned with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from objectwise.checks import check_bool, check_whole_number
from objectwise.errors import ArgumentError
from objectwise.networks.network import Network
from objectwise.networks.shapes import check_raw

HISTORIC: dict[str, dict[str, Any]] = {
    "turaga2009": {"features": (5, 5, 5), "kernel_size": 5, "batch_norm": False, "activation": "sigmoid"},
    "maximin_pairs": {
        "features": (8, 32, 32, 32, 8),
        "kernel_size": 5,
        "batch_norm": True,
        "activation": "relu",
    },
}
"""Options of the networks of the papers, by name."""
ACTIVATIONS = {"relu": nn.ReLU, "sigmoid": nn.Sigmoid, "tanh": nn.Tanh}


class ConvolutionalNetwork(Network):
    """Convolutions of one size behind one another, at the resolution of the input.

    Parameters
    ----------
    dimensions : 2 or 3
    out_channels : int
    features : (layers - 1,) int
        Channels of the hidden layers. (5, 5, 5) without batch norm and with the logistic function is the
        four-layer network of Turaga et al. 2009, (8, 32, 32, 32, 8) with batch norm its six-layer descendant
        for patches of 21 x 21 pixels.
    kernel_size : int, odd
        5 in both.
    batch_norm : bool
        After every hidden convolution.
    activation : "relu", "sigmoid" or "tanh"
        After every hidden layer; the last one returns logits.
    padding : bool
        True keeps the shape, with zeros around the input; without, each layer takes `kernel_size - 1` voxels.
    in_channels : int

    Notes
    -----
    A network of L layers sees L (kernel_size - 1) + 1 voxels along every axis: 17 with four layers of 5, 25
    with six.

    References
    ----------
    Turaga et al., "Maximin affinity learning of image segmentation", 2009.
    """

    name = "convolutional"

    def __init__(
        self,
        dimensions: int,
        out_channels: int,
        *,
        features: Sequence[int] = (8, 32, 32, 32, 8),
        kernel_size: int = 5,
        batch_norm: bool = True,
        activation: str = "relu",
        padding: bool = True,
        in_channels: int = 1,
    ) -> None:
        super().__init__()
        if dimensions not in (2, 3):
            raise ArgumentError(f"`dimensions` must be 2 or 3, got {dimensions}")
        for number in (out_channels, in_channels, *features):
            check_whole_number(number, least=1, name="features")
        check_whole_number(kernel_size, least=1, name="kernel_size")
        if kernel_size % 2 == 0:
            raise ArgumentError(f"`kernel_size` must be odd, got {kernel_size}")
        check_bool(batch_norm, name="batch_norm")
        check_bool(padding, name="padding")
        if activation not in ACTIVATIONS:
            raise ArgumentError(f"`activation` must be one of {list(ACTIVATIONS)}, got {activation!r}")
        self.architecture: dict[str, Any] = {
            "dimensions": dimensions,
            "out_channels": out_channels,
            "features": list(features),
            "kernel_size": kernel_size,
            "batch_norm": batch_norm,
            "activation": activation,
            "padding": padding,
            "in_channels": in_channels,
        }
        convolution = nn.Conv2d if dimensions == 2 else nn.Conv3d
        norm = nn.BatchNorm2d if dimensions == 2 else nn.BatchNorm3d
        layers: list[nn.Module] = []
        before = in_channels
        around = kernel_size // 2 if padding else 0
        for width in features:
            layers.append(convolution(before, width, kernel_size, padding=around, bias=not batch_norm))
            layers += [norm(width)] if batch_norm else []
            layers.append(ACTIVATIONS[activation]())
            before = width
        layers.append(convolution(before, out_channels, kernel_size, padding=around))
        self.layers = nn.Sequential(*layers)

    def forward(self, raw: Tensor) -> Tensor:
        """Return logits (n, out_channels, *spatial) of `raw` (n, in_channels, *spatial)."""
        check_raw(raw, dimensions=self.dimensions, channels=self.in_channels)
        self.shape_of_output(raw.shape[2:])
        logits: Tensor = self.layers(raw)
        return logits

    @property
    def rule(self) -> str:
        """Any, or without padding what the layers leave something of."""
        return f"lengths of at least {self._lost + 1}, of which valid convolutions leave something"

    @property
    def _lost(self) -> int:
        layers = len(self.architecture["features"]) + 1
        return 0 if self.architecture["padding"] else layers * (self.architecture["kernel_size"] - 1)

    def left_of(self, length: int, axis: int) -> int | None:
        """Return a length as it is, or without padding what the layers leave of it."""
        return length - self._lost if length > self._lost else None
