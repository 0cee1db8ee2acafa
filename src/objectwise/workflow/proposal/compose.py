"""From a folder to the text of a configuration."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from objectwise.checks import check_choice
from objectwise.config import RunConfig, parse_config
from objectwise.data.formats.common import is_default
from objectwise.networks.machine import memory_of
from objectwise.pipeline.predict import find_device
from objectwise.training.memory import estimate_training
from objectwise.workflow.proposal.choices import (
    SPARSE,
    Choice,
    Seen,
    Task,
    choose_data,
    choose_dimensions,
    choose_geometry,
    choose_loss,
    choose_normalisation,
    choose_task,
)
from objectwise.workflow.proposal.geometry import Geometry
from objectwise.workflow.proposal.layouts import counted, find_layout
from objectwise.workflow.proposal.page import commented
from objectwise.workflow.proposal.survey import MOST_HEADERS, sample_truth, survey_images
from objectwise.workflow.proposal.truth import look_at

TASKS = ("affinities", "masks")
VOXELS = {2: 2**16, 3: 2**18}
"""Of a patch, at most: 256 x 256, and 64 x 64 x 64."""
BATCH = {("cpu", 2): 2, ("cpu", 3): 1, ("gpu", 2): 8, ("gpu", 3): 2}
STEPS = {"cpu": 1500, "gpu": 5000}
SHARE_OF_MEMORY = 0.5
"""Of the device, that a step of the training may take."""
SMALL = {2: 10, 3: 50}
"""Voxels of objects that are left out, as noise."""


@dataclass(frozen=True)
class Proposal:
    """A configuration with comments.

    Parameters
    ----------
    text : YAML that `objectwise run` takes
    found : sentences on what the folder holds and what follows from it
    """

    text: str
    found: tuple[str, ...]


def propose(folder: str | Path, *, task: Task | None = None, name: str = "objectwise.yaml") -> Proposal:
    """Look at a folder and propose a configuration; only headers and a few sections are read.

    Parameters
    ----------
    folder : path
        Of images with their truth, in nnU-Net's layout, as pairs of files, a folder a case or containers; or
        an HDF5 file or a Zarr with both.
    task : "affinities" or "masks", optional
        Instead of what the truth suggests.
    name : str
        Of the file that gets the text, for its comments.

    Raises
    ------
    ArgumentError, ConfigError, ShapeError, DtypeError, VolumeError
        If the folder is in no layout that is known, with what was looked for and what is there; or its files
        do not belong together.
    """
    if task is not None:
        check_choice(task, TASKS, name="task")
    layout = find_layout(Path(folder))
    classes = layout.dataset.classes if layout.dataset else None
    truth = look_at(sample_truth(layout), name=layout.truth, classes=classes)
    seen = Seen(layout, survey_images(layout), truth)
    chosen, task_choice = choose_task(seen, task)
    dimensions = choose_dimensions(seen)
    tree, why = _sections(seen, chosen, task_choice, dimensions)
    text = commented(tree, why, _title(seen, name))
    # What is proposed is taken: a mistake here is one of this module, and found at once.
    parse_config(text, source=name)
    return Proposal(text, _found(seen, task_choice, dimensions, tree))


def _sections(
    seen: Seen, task: Task, task_choice: Choice, dimensions: Choice
) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the whole configuration, with the largest patch of those that fit into memory."""
    data, why = choose_data(seen, task, dimensions.value)
    device = find_device("auto").type
    kind = "cpu" if device == "cpu" else "gpu"
    n_voxels = VOXELS[dimensions.value]
    while True:
        geometry = choose_geometry(seen, dimensions.value, n_voxels)
        head = {"task": task_choice.value, "dimensions": dimensions.value, "data": data, "seed": 0}
        tree = head | _rest(seen, task, geometry, dimensions.value, kind)
        config = parse_config(json.dumps(tree))
        if n_voxels <= VOXELS[dimensions.value] // 64 or _fits(config, device):
            break
        n_voxels //= 2
    why |= _reasons(seen, task, geometry, kind) | {"task": task_choice.why, "dimensions": dimensions.why}
    return tree, why


def _rest(seen: Seen, task: Task, geometry: Geometry, dimensions: int, device: str) -> dict[str, Any]:
    """Return the sections behind `data`."""
    steps = STEPS[device]
    key = "labels" if task == "affinities" or seen.truth.kind == "ids" else "classes"
    normalisation = choose_normalisation(seen)
    training: dict[str, Any] = {
        "patch_shape": list(geometry.patch_shape),
        "batch_size": BATCH[device, dimensions],
        "steps": steps,
    }
    if seen.truth.covered < SPARSE:
        training |= {
            "minimum_foreground": 0.0,
            "balance": {"around": "objects" if key == "labels" else "classes"},
        }
    training["loss"] = choose_loss(task, key, steps).value
    segmentation: dict[str, Any] = {"minimum_size": SMALL[dimensions]} if task == "affinities" else {}
    if task == "affinities":
        segmentation = {"method": "agglomeration"} | segmentation
    return {
        **({"normalisation": normalisation.value} if normalisation else {}),
        "network": {
            "features": list(geometry.features),
            "kernel_sizes": [list(row) for row in geometry.kernel_sizes],
            "strides": [list(row) for row in geometry.strides],
        },
        "training": training,
        **({"segmentation": segmentation} if segmentation else {}),
    }


def _reasons(seen: Seen, task: Task, geometry: Geometry, device: str) -> dict[str, str]:
    """Return why the sections behind `data` are as they are, by key."""
    smallest = " x ".join(map(str, seen.images.smallest))
    normalisation = choose_normalisation(seen)
    key = "labels" if seen.truth.kind == "ids" else "classes"
    return {
        "seed": "Weights, patches and the split: equal seeds, equal runs.",
        "network.features": "A U-Net, from fine to coarse.",
        "network.kernel_sizes": _of_spacing(seen, geometry),
        "training.patch_shape": (
            f"Fits into the smallest volume ({smallest}) and half of the memory; a multiple of the strides."
        ),
        "training.batch_size": (
            f"For {'a computer without a GPU' if device == 'cpu' else 'a GPU'}. More of both is better, and "
            "takes longer."
        ),
        "training.minimum_foreground": (
            "Objects are rare: patches without one count too, and half of the patches hold one."
        ),
        "training.loss": choose_loss(task, key, STEPS[device]).why,
        "segmentation.method": "Merges by mean affinity: one wrong edge joins nothing.",
        "segmentation.minimum_size": "Voxels; smaller objects are taken for noise.",
        **({"normalisation": normalisation.why} if normalisation else {}),
    }


def _of_spacing(seen: Seen, geometry: Geometry) -> str:
    """Say how kernels and strides follow from the size of a voxel."""
    spacing = seen.images.spacing[-len(geometry.patch_shape) :]
    if is_default(spacing, 1.0):
        thick = "; if sections are thicker than pixels, take 1 along z at the first levels"
        return f"The files state no voxel size{thick if len(spacing) == 3 else ''}."
    sizes = (
        f"Voxels of {' x '.join(f'{size:g}' for size in spacing)} ({'z, ' if len(spacing) == 3 else ''}y, x)"
    )
    if min(min(row) for row in geometry.kernel_sizes) == 3:
        return f"{sizes}: kernels look along every axis."
    return (
        f"{sizes}: where a side is more than twice the shortest, kernels and strides are 1 until the others "
        "have become as long."
    )


def _fits(config: RunConfig, device: str) -> bool:
    needed = estimate_training(config, (), device=device).device
    there = memory_of(device)
    return needed is None or there is None or needed <= SHARE_OF_MEMORY * there


def _title(seen: Seen, name: str) -> list[str]:
    return [
        f"Written by objectwise init: {seen.layout.said}.",
        "",
        f"    objectwise run {name} --dry-run",
        f"    objectwise run {name}",
        "",
        "Paths are relative to the working directory. Every key, with its default: docs/configuration.md",
    ]


def _found(seen: Seen, task: Choice, dimensions: Choice, tree: Mapping[str, Any]) -> tuple[str, ...]:
    images, n_cases = seen.images, len(seen.layout.cases)
    looked = f" (of {MOST_HEADERS} of the {n_cases} cases)" if n_cases > MOST_HEADERS else ""
    smallest = " x ".join(map(str, images.smallest))
    channels = "" if images.channels == 1 else f", {counted(images.channels, 'channel')}"
    name = (
        task.value
        if isinstance(task.value, str)
        else "masks of " + ", ".join(task.value["options"]["classes"])
    )
    return (
        f"found: {seen.layout.said}",
        f"images: {', '.join(images.dtypes)}, {smallest} (z, y, x) or more{channels}{looked}",
        f"task: {name}. {task.why}",
        f"dimensions: {dimensions.value}. {dimensions.why}",
        f"patch: {' x '.join(map(str, tree['training']['patch_shape']))}",
    )
