"""The network of a run."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import Field, PositiveInt, model_validator

from objectwise.config.section import Section
from objectwise.config.values import Shape, default_of, without_effect

UNET = "unet"


class NetworkConfig(Section):
    """What computes the channels of the task. A name alone (`network: mala`) has no options.

    The networks and their options: [networks.md](networks.md).
    """

    name: str = UNET
    """`unet`, `mala`, `plain_unet`, `residual_unet`, `convolutional`, or `monai.CLASS`, any network of MONAI
    by the name of its class."""
    python: str | None = None
    """`package.module:Class`, anyone's own network, in the place of `name`: a torch module whose constructor
    takes `in_channels` and `out_channels`, and `dimensions` or `spatial_dims` if it has them."""
    options: dict[str, Any] = Field(default_factory=dict)
    """Options of the network, by the names of its Python arguments; those of `unet` are the keys below."""
    features: Annotated[tuple[PositiveInt, ...], Field(min_length=2)] = (16, 32, 64, 128)
    """Channels at each level of `unet`, from fine to coarse."""
    kernel_sizes: tuple[Shape, ...] | None = None
    """Kernel at each level of `unet`, voxels, odd; 3 along every axis by default. Use 1 along z for thick
    sections."""
    strides: tuple[Shape, ...] | None = None
    """Downsampling between one level of `unet` and the next (one row fewer than levels), voxels; 2 by
    default."""

    @property
    def place(self) -> str:
        """Name of the network, or its place in Python."""
        return self.name if self.python is None else self.python

    @model_validator(mode="after")
    def _one_network(self) -> Self:
        if self.python is not None and self.name != default_of(self, "name"):
            raise ValueError(f"name must be left out with python: {self.python}, got {self.name!r}")
        if self.python is not None and ":" not in self.python:
            raise ValueError(f"python must read package.module:Class, got {self.python!r}")
        if ":" in self.name:
            raise ValueError(f"name must be a name, got {self.name!r}; write python: {self.name}")
        return self

    @model_validator(mode="after")
    def _no_option_without_effect(self) -> Self:
        if self.place == UNET:
            if self.options:
                raise ValueError(
                    f"options must be empty with the network {UNET!r}, whose options are features, "
                    f"kernel_sizes and strides beside it, got {sorted(self.options)}"
                )
            return self
        for key in ("features", "kernel_sizes", "strides"):
            if getattr(self, key) != default_of(self, key):
                raise without_effect(f"network.{key}", f"with the network {self.place!r}")
        return self

    @model_validator(mode="after")
    def _levels_agree(self) -> Self:
        levels = len(self.features)
        if self.kernel_sizes is not None and len(self.kernel_sizes) != levels:
            raise ValueError(f"kernel_sizes needs one row per level ({levels}), got {len(self.kernel_sizes)}")
        if self.strides is not None and len(self.strides) != levels - 1:
            raise ValueError(
                f"strides needs one row fewer than levels ({levels - 1}), got {len(self.strides)}"
            )
        return self
