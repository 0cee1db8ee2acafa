"""What a network knows of the data it was trained on: all that a prediction needs beside the weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from objectwise.checks import check_offsets, check_spacing, check_whole_number
from objectwise.errors import ArgumentError, ShapeError


@dataclass(frozen=True)
class NetworkRecord:
    """What goes with a network into its file.

    Parameters
    ----------
    offsets : (k, dimensions) int, voxels
        The neighborhood: one row per channel.
    window_shape : (dimensions,) int, voxels
        Windows to predict with.
    voxel_size : (z, y, x) float, unit of the training volumes
    normalisation : plain data, names to numbers and words
        How raw intensities became the network's input: the fields of `objectwise.data.Normalisation`, or of
        `objectwise.data.ChannelNormalisation` with several channels.

    Raises
    ------
    ShapeError, DtypeError, ArgumentError
        If the parts do not fit each other.
    """

    offsets: tuple[tuple[int, ...], ...]
    window_shape: tuple[int, ...]
    voxel_size: tuple[float, ...]
    normalisation: Mapping[str, Any]

    def __post_init__(self) -> None:
        dimensions = len(self.window_shape)
        if dimensions not in (2, 3):
            raise ShapeError(f"`window_shape` must be 2 or 3 numbers, got {self.window_shape}")
        for length in self.window_shape:
            check_whole_number(length, least=1, name="window_shape")
        offsets = check_offsets(self.offsets, ndim=dimensions)
        sizes = check_spacing(self.voxel_size, ndim=3, name="voxel_size")
        if not isinstance(self.normalisation, Mapping):
            raise ArgumentError(f"`normalisation` must map names to values, got {self.normalisation!r}")
        # Plain tuples and numbers, whatever came: what is kept must not depend on it.
        object.__setattr__(self, "offsets", tuple(tuple(row) for row in offsets.tolist()))
        object.__setattr__(self, "window_shape", tuple(int(length) for length in self.window_shape))
        object.__setattr__(self, "voxel_size", sizes)

    @property
    def dimensions(self) -> int:
        """Number of spatial axes of the network."""
        return len(self.window_shape)

    def as_plain(self) -> dict[str, Any]:
        """Return the record as lists, numbers and text, for the file."""
        return {
            "dimensions": self.dimensions,
            "offsets": [list(row) for row in self.offsets],
            "window_shape": list(self.window_shape),
            "voxel_size": list(self.voxel_size),
            "normalisation": dict(self.normalisation),
        }

    @classmethod
    def from_plain(cls, content: Mapping[str, Any]) -> Self:
        """Return the record that a file holds."""
        offsets: Sequence[Sequence[int]] = content["offsets"]
        record = cls(
            tuple(tuple(row) for row in offsets),
            tuple(content["window_shape"]),
            tuple(content["voxel_size"]),
            content["normalisation"],
        )
        if content["dimensions"] != record.dimensions:
            raise ShapeError(
                f"`dimensions` must be those of the window {record.window_shape}, got {content['dimensions']}"
            )
        return record
