"""Places that mean the same from every working directory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from objectwise.config.models import RunConfig
from objectwise.config.volumes import LOCATED, VolumeConfig
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
        return volume.model_copy(update={name: _absolute(getattr(volume, name)) for name in LOCATED})

    groups = {name: tuple(map(moved, getattr(config.data, name))) for name in GROUPS}
    start = config.training.initial_weights
    training = {"initial_weights": None if start is None else start.absolute()}
    return config.model_copy(
        update={
            "data": config.data.model_copy(update=groups),
            "training": config.training.model_copy(update=training),
        }
    )


def _absolute(places: str | tuple[str, ...] | None) -> str | tuple[str, ...] | None:
    if isinstance(places, tuple):
        return tuple(map(absolute_place, places))
    return None if places is None else absolute_place(places)


def _without_places(volume: dict[str, Any]) -> dict[str, Any]:
    cleared = {name: None for name in LOCATED if name in volume}
    return volume | {"raw": None, "labels": None} | cleared


def without_places(tree: dict[str, Any]) -> dict[str, Any]:
    """Return the plain data of a configuration without the places of volumes and weights."""

    def cleared(volume: dict[str, Any]) -> dict[str, Any]:
        held = {name: None for name in LOCATED if name in volume}
        # These two stand there even without a place, as in the records of earlier versions.
        return volume | {"raw": None, "labels": None} | held

    groups = {group: list(map(cleared, tree["data"].get(group, ()))) for group in GROUPS}
    return tree | {"data": tree["data"] | groups, "training": tree["training"] | {"initial_weights": None}}
