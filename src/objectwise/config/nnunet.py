"""Folders in nnU-Net's layout, versions 1 and 2.

dataset.json                        channel_names, labels, file_ending
imagesTr/CASE_0000.nii.gz           one file a channel
labelsTr/CASE.nii.gz                class labels
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from objectwise.errors import ConfigError

IGNORE = "ignore"
"""The name of the label of unknown truth."""
IMAGES = (".png", ".bmp", ".tif", ".tiff")
"""Endings of files that hold all channels of a picture in one."""
Case = dict[str, Any]
"""The keys of a volume: name, raw, labels, ..."""


class Dataset(NamedTuple):
    """What dataset.json says."""

    channels: tuple[str, ...]
    """Their names, in order."""
    classes: tuple[str, ...]
    """Names of the labels 0, 1, 2, ..., without that of unknown truth."""
    ignore_label: int | None
    """Label of voxels of unknown truth."""
    ending: str
    """Of the files."""


def read_dataset(folder: Path) -> Dataset:
    """Read dataset.json.

    Raises
    ------
    ConfigError
        If there is none, it is damaged, or its labels are not the numbers 0, 1, 2, ... by name: the sets of
        labels of region-based training among them.
    """
    path = folder / "dataset.json"
    content = _read(path)
    content.setdefault("channel_names", content.get("modality"))  # the word of nnU-Net 1
    for key in ("channel_names", "labels"):
        if not isinstance(content.get(key), dict) or not content[key]:
            raise ConfigError(f"{path} must name {key}, got {content.get(key)!r}")
    ending = content.get("file_ending", ".nii.gz")
    if not isinstance(ending, str) or not ending.startswith("."):
        raise ConfigError(f"{path} must have a file_ending like .nii.gz, got {ending!r}")
    labels = _numbers(content["labels"], path)
    ignore = labels.pop(IGNORE, None)
    classes = sorted(labels, key=lambda name: labels[name])
    if [labels[name] for name in classes] != list(range(len(classes))):
        raise ConfigError(f"{path} must number its labels 0, 1, 2, ..., got {content['labels']}")
    return Dataset(tuple(map(str, content["channel_names"].values())), tuple(classes), ignore, ending)


def nnunet_cases(folder: Path) -> tuple[list[Case], dict[str, Any]]:
    """Return the training cases, and the keys of the section `data` that follow from dataset.json.

    Raises
    ------
    ConfigError
        As `read_dataset`, and if there is no case, or a case lacks a channel.
    """
    dataset = read_dataset(folder)
    ending, n_channels = dataset.ending, len(dataset.channels)
    names = sorted(
        path.name.removesuffix(ending)
        for path in (folder / "labelsTr").glob(f"*{ending}")
        if not path.name.startswith(".")  # macOS leaves ._NAME beside NAME on foreign disks
    )
    if not names:
        raise ConfigError(f"data.source.nnunet must have labelled cases, got none in {folder / 'labelsTr'}")
    pictures = ending in IMAGES and not any((folder / "imagesTr").glob(f"*_0001{ending}"))
    cases: list[Case] = []
    for name in names:
        files = 1 if pictures else n_channels
        raw = [folder / "imagesTr" / f"{name}_{index:04d}{ending}" for index in range(files)]
        missing = [path for path in raw if not path.is_file()]
        if missing:
            raise ConfigError(
                f"data.source.nnunet: case {name!r} must have {n_channels} channels, got no {missing[0]}"
            )
        places = [str(path) for path in raw]
        labels = folder / "labelsTr" / f"{name}{ending}"
        cases.append({"name": name, "raw": places if files > 1 else places[0], "classes": str(labels)})
    keys: dict[str, Any] = {}
    if n_channels > 1:
        keys |= {"channels": n_channels} | ({"channel_axis": -1} if pictures else {})
    if dataset.ignore_label is not None:
        keys["ignore_label"] = dataset.ignore_label
    return cases, keys


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(
            f"data.source.nnunet must hold a dataset.json, got {path.parent}: {error.strerror}"
        ) from error
    except ValueError as error:
        raise ConfigError(f"{path} must be JSON, got {error}") from error
    except RecursionError as error:
        raise ConfigError(f"{path} must be JSON, got lists that nest without end") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{path} must be a mapping, got {type(content).__name__}")
    return content


def _numbers(labels: Mapping[str, Any], path: Path) -> dict[str, int]:
    """Return the number of each label; version 1 of nnU-Net has the names of the numbers instead."""
    if all(key.isdecimal() and isinstance(name, str) for key, name in labels.items()):
        labels = {name: int(key) for key, name in labels.items()}
    for name, number in labels.items():
        if isinstance(number, list):
            raise ConfigError(
                f"{path} must give each label one number, got {number} for {name!r}: sets of labels "
                "(region-based training) are no classes; write the parts as masks of their own"
            )
        if isinstance(number, bool) or not isinstance(number, int):
            raise ConfigError(f"{path} must give each label a whole number, got {number!r} for {name!r}")
    return dict(labels)
