"""The volumes of a run, put together from their inputs: channels, and the truth as configured."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from objectwise.checks import check_labels
from objectwise.config.models import RunConfig
from objectwise.config.volumes import VolumeConfig
from objectwise.data import LabelledVolume, Volume
from objectwise.errors import ArgumentError
from objectwise.segmentation.masks import pieces_of_labels, section_by_section
from objectwise.tasks import Task
from objectwise.tasks.losses import MASKS
from objectwise.tasks.task import Arrays
from objectwise.workflow.inputs import Input, inputs_of, key_of, raw_inputs

Read = Callable[[Input], Volume]
"""Reads one input; that of a step requires the content that the step was begun for."""


class Image(NamedTuple):
    """A raw volume of one channel or several."""

    array: NDArray[Any]
    """(z, y, x), or (channels, z, y, x)."""
    voxel_size: tuple[float, ...]
    """z, y, x."""
    offset: tuple[float, ...]


def read_image(config: RunConfig, volume: VolumeConfig, read: Read) -> Image:
    """Read the channels of a raw volume."""
    channels = list(map(read, raw_inputs(config, volume)))
    first = channels[0]
    array = first.array if len(channels) == 1 else np.stack([one.array for one in channels])
    size = first.voxel_size[-3:] if volume.voxel_size is None else volume.voxel_size
    return Image(array, size, first.offset[-3:])


def read_truth(config: RunConfig, volume: VolumeConfig, task: Task, read: Read) -> Arrays:
    """Read what is known of a volume, (channels, z, y, x) by name, and require that the task can use it.

    Raises
    ------
    ArgumentError, ShapeError, DtypeError
        If classes have no name, ids are missing, or all of the truth is ignored.
    """
    arrays: dict[str, NDArray[Any]] = {}
    for name in task.reads:
        parts = [read(one).array for one in inputs_of(config, volume, name)]
        if parts:
            arrays[name] = np.stack(parts)
    unknown = _unknown(config, volume, arrays)
    if unknown is not None:
        arrays["ignore"] = unknown
    if config.data.pieces != "keep" and "labels" in arrays:
        arrays["labels"] = np.stack(
            [_pieces(ids, by_section=config.data.pieces == "section") for ids in arrays["labels"]]
        )
    key = key_of(config, volume)
    try:
        task.check(arrays, name=volume.name)
    except ArgumentError as error:
        raise type(error)(f"{key}: {error}") from error
    if unknown is not None and unknown.all():
        raise ArgumentError(f"{key}.ignore must leave a voxel whose truth is known, got a mask over all")
    return arrays


def read_labelled(config: RunConfig, volume: VolumeConfig, task: Task, read: Read) -> LabelledVolume:
    """Read a volume to train on, with all the masks that any of the training volumes has."""
    image = read_image(config, volume, read)
    truth = dict(read_truth(config, volume, task, read))
    for name in array_names(config, task):
        if name not in truth and name in MASKS:
            truth[name] = np.zeros((1, *image.array.shape[-3:]), bool)
    if "unlabelled" in truth:
        truth["unlabelled"] = truth["unlabelled"] != 0
    flat = {name: array[0] if len(array) == 1 else array for name, array in truth.items()}
    return LabelledVolume(volume.name, image.array, **flat, voxel_size=image.voxel_size)


def array_names(config: RunConfig, task: Task) -> tuple[str, ...]:
    """Return the names of the arrays that the patches of a training have, without reading any."""
    masked = config.data.ignore_label is not None or any(one.annotated for one in config.data.train)
    given = {name for volume in config.data.train for name in task.reads if volume.places(name)}
    return tuple(name for name in task.reads if name in given or (name == "ignore" and masked))


def reading_settings(config: RunConfig, volumes: tuple[VolumeConfig, ...]) -> dict[str, Any]:
    """Return what decides, beside the content of the inputs, what is read from them; empty by default."""
    data = config.data.model_dump(mode="json", exclude_defaults=True)
    kept: dict[str, Any] = {
        name: data[name] for name in ("channels", "channel_axis", "ignore_label", "pieces") if name in data
    }
    for volume in volumes:
        own = volume.model_dump(mode="json", include={"annotated", "voxel_size"}, exclude_defaults=True)
        if own:
            kept[volume.name] = own
    return {"reading": kept} if kept else {}


def _unknown(
    config: RunConfig, volume: VolumeConfig, arrays: dict[str, NDArray[Any]]
) -> NDArray[np.bool_] | None:
    """Return where the truth is unknown, (1, z, y, x), and clear it there; None where all is known."""
    known_by = "classes" if "classes" in arrays else "labels"
    masks = [arrays["ignore"] != 0] if "ignore" in arrays else []
    label = config.data.ignore_label
    if label is not None and known_by in arrays:
        marked = (arrays[known_by] == label).any(0, keepdims=True)
        arrays[known_by] = np.where(marked, 0, arrays[known_by])
        masks.append(marked)
    if volume.annotated is not None and known_by in arrays:
        blank = np.ones((1, *arrays[known_by].shape[1:]), bool)
        first = 0 if volume.sections is None else volume.sections[0]
        for begin, end in volume.annotated:
            blank[:, max(begin - first, 0) : max(end - first, 0)] = False
        masks.append(blank)
    return None if not masks else np.logical_or.reduce(masks)


def _pieces(ids: NDArray[Any], *, by_section: bool) -> NDArray[np.int64]:
    check_labels(ids, name="labels")
    return section_by_section(pieces_of_labels, ids) if by_section else pieces_of_labels(ids)
