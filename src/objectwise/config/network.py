"""The network of a run."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, PositiveInt, model_validator

from objectwise.config.section import Section
from objectwise.config.values import Shape


class NetworkConfig(Section):
    """A U-Net: one row per resolution level, from fine to coarse."""

    features: Annotated[tuple[PositiveInt, ...], Field(min_length=2)] = (16, 32, 64, 128)
    """Channels at each level."""
    kernel_sizes: tuple[Shape, ...] | None = None
    """Kernel at each level, voxels, odd; 3 along every axis by default. Use 1 along z for thick sections."""
    strides: tuple[Shape, ...] | None = None
    """Downsampling between one level and the next (one row fewer than levels), voxels; 2 by default."""

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
