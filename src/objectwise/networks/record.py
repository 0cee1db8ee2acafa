"""What a network knows of the data it was trained on: all that a prediction needs beside the weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from objectwise.checks import check_offsets, check_spacing, check_whole_number
from objectwise.errors import ArgumentError, ShapeError

AFFINITIES = "affinities"
"""The task of records that name none, and the one that has offsets."""


@dataclass(frozen=True)
class NetworkRecord:
    """What goes with a network into its file.

    Parameters
    ----------
    window_shape : (dimensions,) int, voxels
        Windows to predict with.
    voxel_size : (z, y, x) float, unit of the training volumes
    normalisation : plain data, names to numbers and words
        How raw intensities became the network's input: the fields of `objectwise.data.Normalisation`, or of
        `objectwise.data.ChannelNormalisation` with several channels.
    offsets : (k, dimensions) int, voxels, optional
        The neighborhood: one row per channel. Only of affinities.
    task : plain data, optional
        What the channels mean, as a configuration says it: `name` or `python`, and `options`. Affinities by
        default.
    channels : (k,) str, optional
        A name for each channel; those of affinities are their offsets.

    Raises
    ------
    ShapeError, DtypeError, ArgumentError
        If the parts do not fit each other.
    """

    window_shape: tuple[int, ...]
    voxel_size: tuple[float, ...]
    normalisation: Mapping[str, Any]
    offsets: tuple[tuple[int, ...], ...] | None = None
    task: Mapping[str, Any] = field(default_factory=lambda: {"name": AFFINITIES})
    channels: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        dimensions = len(self.window_shape)
        if dimensions not in (2, 3):
            raise ShapeError(f"`window_shape` must be 2 or 3 numbers, got {self.window_shape}")
        for length in self.window_shape:
            check_whole_number(length, least=1, name="window_shape")
        sizes = check_spacing(self.voxel_size, ndim=3, name="voxel_size")
        for name in ("normalisation", "task"):
            if not isinstance(getattr(self, name), Mapping):
                raise ArgumentError(f"`{name}` must map names to values, got {getattr(self, name)!r}")
        if (self.offsets is not None) != (self.task.get("name") == AFFINITIES):
            raise ArgumentError(
                f"`offsets` must be given with the task {AFFINITIES}, and only then, got {self.offsets} with "
                f"{dict(self.task)}"
            )
        # Plain tuples and numbers, whatever came: what is kept must not depend on it.
        object.__setattr__(self, "window_shape", tuple(int(length) for length in self.window_shape))
        object.__setattr__(self, "voxel_size", sizes)
        object.__setattr__(self, "channels", tuple(map(str, self.channels)))
        if self.offsets is not None:
            rows = check_offsets(self.offsets, ndim=dimensions).tolist()
            object.__setattr__(self, "offsets", tuple(map(tuple, rows)))
            object.__setattr__(self, "channels", tuple(",".join(map(str, row)) for row in rows))

    @property
    def dimensions(self) -> int:
        """Number of spatial axes of the network."""
        return len(self.window_shape)

    @property
    def task_name(self) -> str:
        """Name of the task, or its place in Python."""
        return str(self.task.get("name") or self.task.get("python"))

    def as_plain(self) -> dict[str, Any]:
        """Return the record as lists, numbers and text, for the file."""
        return {
            "dimensions": self.dimensions,
            **({} if self.offsets is None else {"offsets": [list(row) for row in self.offsets]}),
            "window_shape": list(self.window_shape),
            "voxel_size": list(self.voxel_size),
            "normalisation": dict(self.normalisation),
            "task": dict(self.task),
            "channels": list(self.channels),
        }

    @classmethod
    def from_plain(cls, content: Mapping[str, Any]) -> Self:
        """Return the record that a file holds; before there were tasks, all were affinities."""
        offsets = content.get("offsets") if "task" in content else content["offsets"]
        record = cls(
            window_shape=tuple(content["window_shape"]),
            voxel_size=tuple(content["voxel_size"]),
            normalisation=content["normalisation"],
            offsets=None if offsets is None else tuple(tuple(row) for row in offsets),
            task=content.get("task", {"name": AFFINITIES}),
            channels=tuple(content.get("channels", ())),
        )
        if content["dimensions"] != record.dimensions:
            raise ShapeError(
                f"`dimensions` must be those of the window {record.window_shape}, got {content['dimensions']}"
            )
        return record
