"""Places that mean the same from every working directory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from objectwise.config.models import RunConfig
from objectwise.config.volumes import VolumeConfig
from objectwise.data.formats.common import parse_location
from objectwise.errors import ArgumentError

GROUPS = ("train", "tune", "evaluate")
"""Of volumes, in `data`."""


def absolute_place(place: str) -> str:
    """Return a location or path that means the same from every working directory."""
    try:
        location = parse_location(place)
    except ArgumentError:  # a file of no format of ours, such as network.pt
        return str(Path(place).absolute())
    path = location.path.absolute()
    slash = "/" if place.endswith("/") and not location.inner else ""
    return f"{path}:{location.inner}" if location.inner else f"{path}{slash}"


def with_absolute_places(config: RunConfig) -> RunConfig:
    """Return the configuration as the run directory keeps it: no place depends on the working directory."""

    def moved(volume: VolumeConfig) -> VolumeConfig:
        labels = None if volume.labels is None else absolute_place(volume.labels)
        return volume.model_copy(update={"raw": absolute_place(volume.raw), "labels": labels})

    groups = {name: tuple(map(moved, getattr(config.data, name))) for name in GROUPS}
    start = config.training.initial_weights
    training = {"initial_weights": None if start is None else start.absolute()}
    return config.model_copy(
        update={
            "data": config.data.model_copy(update=groups),
            "training": config.training.model_copy(update=training),
        }
    )


def without_places(tree: dict[str, Any]) -> dict[str, Any]:
    """Return the plain data of a configuration without the places of volumes and weights."""
    groups = {
        group: [volume | {"raw": None, "labels": None} for volume in tree["data"].get(group, ())]
        for group in GROUPS
    }
    return tree | {"data": tree["data"] | groups, "training": tree["training"] | {"initial_weights": None}}
