"""Anyone's network: of MONAI, or a class of one's own, asked what it does before a run trusts it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from typing import Any

import torch
from torch import Tensor, nn

from objectwise.errors import ArgumentError, ObjectwiseError, ShapeError
from objectwise.networks.network import Network, near, plain_options
from objectwise.networks.shapes import output_shape, shape_without_values

MONAI = "monai."
SPATIAL_NAMES = ("dimensions", "spatial_dims")
INPUT_NAMES = ("in_channels",)
OUTPUT_NAMES = ("out_channels", "num_classes")

STRIDES = (2, 4, 8, 16, 32, 64)
"""Multiples of which a shape is tried where a network does not take one."""
GROWTH = 64
"""Voxels that are added at most to an input, to see whether the output grows by as many."""


class ForeignNetwork(Network):
    """A network that does not say itself which shapes it takes.

    Parameters
    ----------
    name : str
        `monai.CLASS`, or `package.module:Class`.
    dimensions : 2 or 3
    in_channels, out_channels : int
    options : mapping
        Further keyword arguments of the class, plain data.
    overrides : mapping, optional
        Arguments that take the place of options, and are not kept.

    Attributes
    ----------
    body : nn.Module
        The network itself.

    Raises
    ------
    ArgumentError
        If there is no such class, or an option is none of its.
    """

    def __init__(
        self,
        name: str,
        *,
        dimensions: int,
        in_channels: int,
        out_channels: int,
        options: Mapping[str, Any],
        overrides: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.name = name
        sizes = {"dimensions": dimensions, "in_channels": in_channels, "out_channels": out_channels}
        self.architecture = {**sizes, **plain_options(options)}
        made = class_of(name)
        given = given_by_the_run(made, name, **sizes)
        check_options(made, name, given, options)
        self.body = made_of(made, name, {**given, **self.options, **(overrides or {})})
        self._known: dict[tuple[tuple[int, ...], bool], tuple[int, ...]] = {}

    def forward(self, raw: Tensor) -> Tensor:
        """Return logits (n, out_channels, *spatial or less)."""
        logits: Tensor = self.body(raw)
        return logits

    def shape_of_output(
        self, spatial: Sequence[int], *, name: str = "raw", training: bool = False
    ) -> tuple[int, ...]:
        """Return the spatial shape that an input becomes: the network is asked, once a shape.

        Raises
        ------
        ShapeError
            If it does not take the shape, or returns something else than (n, out_channels, *spatial) at the
            input's resolution, in evaluation, or in training if it is asked about that.
        """
        asked = self._check_axes(spatial, name=name)
        for mode in (True, False) if training else (False,):
            if (asked, mode) not in self._known:
                self._known[asked, mode] = self._asked(asked, name, training=mode)
        return self._known[asked, False]

    def _asked(self, spatial: tuple[int, ...], name: str, *, training: bool) -> tuple[int, ...]:
        try:
            shape = output_shape(
                self.body,
                spatial,
                in_channels=self.in_channels,
                name=name,
                training=training,
                with_values=self._with_values,
            )
        except ShapeError as error:
            if error.__cause__ is None:  # it takes the shape
                raise
            raise ShapeError(f"{error}{near(self._that_fit(spatial))}") from error
        channels, left = shape[0], shape[1:]
        if channels != self.out_channels:
            raise ShapeError(
                f"the network {self.name} must return {self.out_channels} channels, as the task has, "
                f"got {channels}"
            )
        self._check_resolution(spatial, left)
        return left

    def _check_resolution(self, spatial: tuple[int, ...], left: tuple[int, ...]) -> None:
        """Require what lies in the middle of the input, voxel by voxel: a longer input gives as much more."""
        grown = left == spatial or all(
            left[axis] == length or self._grows(spatial, left, axis) for axis, length in enumerate(spatial)
        )
        if not grown or any(less > length for less, length in zip(left, spatial, strict=True)):
            raise ShapeError(
                f"the network {self.name} must return the resolution of its input, all of it or its middle, "
                f"got {left} for an input of {spatial}"
            )

    def _grows(self, spatial: tuple[int, ...], left: tuple[int, ...], axis: int) -> bool:
        """Say whether two longer inputs that fit give as much more: one can do so by rounding."""
        shape_of = self._shape_without_values
        if shape_of(spatial) is None:
            shape_of = self._shape_with_values
        grown = 0
        for more in range(1, GROWTH + 1):
            longer, expected = (
                tuple(length + more * (one == axis) for one, length in enumerate(shape))
                for shape in (spatial, left)
            )
            shape = shape_of(longer)
            if shape is not None and shape[1:] != expected:
                return False
            grown += shape is not None
            if grown == 2:
                return True
        return False

    def _that_fit(self, spatial: tuple[int, ...]) -> list[tuple[int, ...]]:
        """Return a smaller and a larger shape that it takes, where such are found."""
        down = (tuple(length // stride * stride for length in spatial) for stride in STRIDES)
        up = (tuple(-(-length // stride) * stride for length in spatial) for stride in STRIDES)
        found = []
        for shapes in (down, up):
            fitting = (shape for shape in shapes if min(shape) and self._shape_without_values(shape))
            found += [shape for shape in (next(fitting, None),) if shape is not None]
        return found

    def _shape_without_values(self, spatial: tuple[int, ...]) -> tuple[int, ...] | None:
        return shape_without_values(self.body, spatial, in_channels=self.in_channels)

    def _shape_with_values(self, spatial: tuple[int, ...]) -> tuple[int, ...] | None:
        with suppress(ShapeError):
            return output_shape(self._with_values(), spatial, in_channels=self.in_channels, name="raw")
        return None

    def _with_values(self) -> nn.Module:
        """Return the network as it can be shown an input: one like it, where its weights have no values."""
        if not any(tensor.is_meta for tensor in (*self.parameters(), *self.buffers())):
            return self.body
        sizes = {key: self.architecture[key] for key in ("dimensions", "in_channels", "out_channels")}
        with torch.random.fork_rng(devices=[]), torch.device("cpu"):
            return ForeignNetwork(self.name, options=self.options, **sizes).body


def class_of(name: str) -> Callable[..., Any]:
    """Return what `monai.CLASS` or `package.module:Class` names.

    Raises
    ------
    ArgumentError
        If it does not import.
    """
    place = f"monai.networks.nets:{name.removeprefix(MONAI)}" if is_monai(name) else name
    module, _, attribute = place.partition(":")
    try:
        made = getattr(import_module(module), attribute)
    except Exception as error:  # whatever a module of one's own does
        raise ArgumentError(
            f"`network` must name a class that imports, got {name!r}: {_first_line(error)}"
        ) from error
    if not callable(made) or (is_monai(name) and not (inspect.isclass(made) and issubclass(made, nn.Module))):
        raise ArgumentError(f"`network` must name a class of networks, got {name!r}")
    found: Callable[..., Any] = made
    return found


def is_monai(name: str) -> bool:
    """Say whether a name is that of a network of MONAI."""
    return name.startswith(MONAI) and ":" not in name


def given_by_the_run(
    made: Callable[..., Any], name: str, *, dimensions: int, in_channels: int, out_channels: int
) -> dict[str, Any]:
    """Return what the run decides, under the names that the class has for it."""
    parameters = inspect.signature(made).parameters
    given: dict[str, Any] = {}
    for names, value, needed in (
        (SPATIAL_NAMES, dimensions, False),
        (INPUT_NAMES, in_channels, True),
        (OUTPUT_NAMES, out_channels, True),
    ):
        found = [one for one in names if one in parameters]
        if needed and not found:
            raise ArgumentError(f"`network` must name a class with an argument {names[0]!r}, got {name!r}")
        given |= dict.fromkeys(found[:1], value)
    return given


def check_options(
    made: Callable[..., Any], name: str, given: Mapping[str, Any], options: Mapping[str, Any]
) -> None:
    """Require options that the class has and the run does not decide."""
    known = [one for one in inspect.signature(made).parameters if one not in given]
    for option in options:
        if option not in known:
            raise ArgumentError(f"`network.options` must be among those of {name} {known}, got {option!r}")


def made_of(made: Callable[..., Any], name: str, arguments: Mapping[str, Any]) -> nn.Module:
    """Return the network of these arguments; one sentence where they make none."""
    try:
        network = made(**arguments)
    except ObjectwiseError:
        raise
    except Exception as error:
        raise ArgumentError(
            f"`network.options` must make a network of {name}, got {dict(arguments)}: {_first_line(error)}"
        ) from error
    if not isinstance(network, nn.Module):
        raise ArgumentError(f"`network` must be a torch module, got {type(network).__name__} from {name}")
    return network


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
