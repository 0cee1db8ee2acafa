"""What every network answers: what it is made of, which shapes it takes, and what becomes of them."""

from __future__ import annotations

import numbers
from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from objectwise.errors import ArgumentError, ShapeError
from objectwise.networks.record import NetworkRecord
from objectwise.networks.shapes import output_shape

REACH = 4096
"""Voxels up and down from a length in which another one that fits is looked for."""

OF_THE_RUN = ("dimensions", "in_channels", "out_channels")
"""Parts of an architecture that a run decides; the others are options."""


class Network(nn.Module):
    """Base of the networks: logits (n, k, *spatial or less) from raw (n, c, *spatial).

    What comes out lies in the middle of what goes in, at its resolution: a network of valid convolutions
    returns less than it reads. Subclasses set `name` and `architecture`, and say what they take by `left_of`
    and `rule`.
    """

    name: str
    """What a configuration calls it."""
    architecture: dict[str, Any]
    """`dimensions`, `in_channels`, `out_channels` and its options, as plain data: all that makes it again."""
    record: NetworkRecord | None = None
    """What it was trained on; kept in its file."""

    @property
    def dimensions(self) -> int:
        """Number of spatial axes."""
        return int(self.architecture["dimensions"])

    @property
    def in_channels(self) -> int:
        """Channels of the raw image."""
        return int(self.architecture["in_channels"])

    @property
    def out_channels(self) -> int:
        """Channels of the logits."""
        return int(self.architecture["out_channels"])

    @property
    def options(self) -> dict[str, Any]:
        """The architecture without what a run decides."""
        return {key: value for key, value in self.architecture.items() if key not in OF_THE_RUN}

    @property
    def rule(self) -> str:
        """Which lengths it takes, in words: "lengths that ..."."""
        raise NotImplementedError

    def left_of(self, length: int, axis: int) -> int | None:
        """Return what becomes of a length, or None where it does not fit."""
        raise NotImplementedError

    def shape_of_output(
        self, spatial: Sequence[int], *, name: str = "raw", training: bool = False
    ) -> tuple[int, ...]:
        """Return the spatial shape that an input becomes, in evaluation or in training too.

        Raises
        ------
        ShapeError
            If the number of axes differs, or a length does not fit; it says which ones would.
        """
        spatial = self._check_axes(spatial, name=name)
        left = [self.left_of(length, axis) for axis, length in enumerate(spatial)]
        whole = tuple(length for length in left if length is not None)
        if len(whole) < len(left):
            raise ShapeError(f"`{name}` must have spatial {self.rule}, got {spatial}{self._nearest(spatial)}")
        return whole

    def check_shape(self, spatial: Sequence[int], *, name: str) -> None:
        """Require a shape that the network takes.

        Raises
        ------
        ShapeError
            As `shape_of_output`.
        """
        self.shape_of_output(spatial, name=name)

    def _check_axes(self, spatial: Sequence[int], *, name: str) -> tuple[int, ...]:
        if len(spatial) != self.dimensions:
            raise ShapeError(f"`{name}` must have {self.dimensions} spatial axes, got {tuple(spatial)}")
        return tuple(int(length) for length in spatial)

    def _nearest(self, spatial: tuple[int, ...]) -> str:
        """Say which shapes would fit in the place of one that does not."""
        down = [
            self._first_that_fits(range(n, max(0, n - REACH), -1), axis) for axis, n in enumerate(spatial)
        ]
        up = [self._first_that_fits(range(n, n + REACH), axis) for axis, n in enumerate(spatial)]
        return near([tuple(n for n in shape if n is not None) for shape in (down, up) if None not in shape])

    def _first_that_fits(self, lengths: range, axis: int) -> int | None:
        return next((length for length in lengths if self.left_of(length, axis) is not None), None)


def written_by(network: nn.Module, spatial: Sequence[int], *, in_channels: int, name: str) -> tuple[int, ...]:
    """Return the spatial shape that a window of any network becomes.

    Raises
    ------
    ShapeError
        If the network does not take the window, or is made for another number of channels.
    """
    if not isinstance(network, Network):
        return output_shape(network, spatial, in_channels=in_channels, name=name)[1:]
    if network.in_channels != in_channels:
        raise ShapeError(
            f"`raw` must have {network.in_channels} channel(s), as the network was made for, "
            f"got {in_channels}"
        )
    return network.shape_of_output(spatial, name=name)


def near(shapes: Sequence[tuple[int, ...]]) -> str:
    """Return the end of a sentence on a shape that does not fit."""
    return f"; nearest that fit: {' and '.join(map(str, shapes))}" if shapes else ""


def plain_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return options as YAML has them: text, numbers, true and false, lists and mappings.

    Raises
    ------
    ArgumentError
        If one is something else, which a file could not hold without code.
    """
    return {str(name): _plain(value, str(name)) for name, value in options.items()}


def _plain(value: Any, name: str) -> Any:
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, numbers.Real):
        return float(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(one, name) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one, name) for one in value]
    raise ArgumentError(
        f"`network.options` must be text, numbers, lists and mappings, got {type(value).__name__} of {name!r}"
    )
