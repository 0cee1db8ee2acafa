"""Volumes from folders: nnU-Net's layout and globs become the list of volumes that a configuration means.

    data:
      source: {nnunet: data/Dataset004_Hippocampus}          # or
      source: {raw: "images/*.png", labels: "labels/*.png"}  # `*` is the name of a case
      split: {train: 0.7, tune: 0.15, evaluate: 0.15}        # shares, or lists of names

The lists stand in the run's own config.yaml, so that a file added later changes no finished run.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from objectwise.errors import ConfigError

GROUPS = ("train", "tune", "evaluate")
ARRAYS = ("raw", "labels", "classes", "ignore", "unlabelled")
Case = dict[str, Any]
"""The keys of a volume: name, raw, labels, ..."""


def with_sources(data: Mapping[str, Any], *, seed: int = 0) -> dict[str, Any]:
    """Return the section `data` of a configuration with its source written out as volumes.

    Parameters
    ----------
    data : mapping
        As it stands in the file. Without `source` it comes back as it is.
    seed : int
        Of the run: shares draw the cases at random, alike for equal seeds and names.

    Raises
    ------
    ConfigError
        If the source has no case, files are missing, a name of the split is no case or stands twice, or
        volumes are listed beside a source.
    """
    if "source" not in data:
        if "split" in data:
            raise ConfigError("data.split must stand beside data.source, got no source")
        return dict(data)
    listed = [group for group in GROUPS if data.get(group)]
    if listed:
        raise ConfigError(f"data.{listed[0]} must be left out beside data.source, whose data.split makes it")
    cases = cases_of(data["source"])
    rest = {key: value for key, value in data.items() if key not in ("source", "split")}
    return rest | split_cases(
        cases, data.get("split", {"train": 0.7, "tune": 0.15, "evaluate": 0.15}), seed=seed
    )


def cases_of(source: Any) -> list[Case]:
    """Return the cases of a source, by name."""
    if not isinstance(source, Mapping) or ("nnunet" in source) == ("raw" in source):
        raise ConfigError(f"data.source must hold either nnunet: FOLDER or raw: PATTERN, got {source!r}")
    if "nnunet" in source:
        _only(source, ("nnunet",))
        return nnunet_cases(Path(str(source["nnunet"])))
    _only(source, ARRAYS)
    return glob_cases({name: source[name] for name in ARRAYS if name in source})


def nnunet_cases(folder: Path) -> list[Case]:
    """Return the training cases of a folder in nnU-Net's layout.

        dataset.json                        channel_names, labels, file_ending
        imagesTr/CASE_0000.nii.gz           one file a channel
        labelsTr/CASE.nii.gz                class labels

    A label named `ignore` in dataset.json marks voxels of unknown truth.
    """
    description = read_dataset(folder)
    ending = description["file_ending"]
    n_channels = len(description["channel_names"])
    cases: list[Case] = []
    for labels in sorted((folder / "labelsTr").glob(f"*{ending}")):
        name = labels.name.removesuffix(ending)
        channels = [folder / "imagesTr" / f"{name}_{index:04d}{ending}" for index in range(n_channels)]
        missing = [path for path in channels if not path.is_file()]
        if missing:
            raise ConfigError(
                f"data.source.nnunet: case {name!r} must have {n_channels} channels, got no {missing[0]}"
            )
        raw = [str(path) for path in channels]
        cases.append({"name": name, "raw": raw if n_channels > 1 else raw[0], "classes": str(labels)})
    if not cases:
        raise ConfigError(f"data.source.nnunet must have labelled cases, got none in {folder / 'labelsTr'}")
    return cases


def read_dataset(folder: Path) -> dict[str, Any]:
    """Return dataset.json, with `channel_names`, `labels` and `file_ending`."""
    path = folder / "dataset.json"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(
            f"data.source.nnunet must hold a dataset.json, got {folder}: {error.strerror}"
        ) from error
    except ValueError as error:
        raise ConfigError(f"{path} must be JSON, got {error}") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{path} must be a mapping, got {type(content).__name__}")
    content.setdefault("channel_names", content.get("modality"))  # nnU-Net 1
    content.setdefault("file_ending", ".nii.gz")
    for key in ("channel_names", "labels"):
        if not isinstance(content.get(key), dict) or not content[key]:
            raise ConfigError(f"{path} must name {key}, got {content.get(key)!r}")
    return content


def glob_cases(patterns: Mapping[str, Any]) -> list[Case]:
    """Return a case for every file that the pattern of `raw` finds; its `*` names the others."""
    many = {name: [value] if isinstance(value, str) else list(value) for name, value in patterns.items()}
    for name, values in many.items():
        for value in values:
            if not isinstance(value, str) or value.count("*") != 1:
                raise ConfigError(f"data.source.{name} must be a path with one *, got {value!r}")
    first = many["raw"][0]
    before, _, after = first.partition("*")
    start = Path(before[: before.rfind("/") + 1] or ".")
    prefix, suffix = before[before.rfind("/") + 1 :], after.partition(":")[0]
    if "/" in suffix:
        raise ConfigError(f"data.source.raw must have its * in the name of the file, got {first!r}")
    names = sorted(
        path.name[len(prefix) : len(path.name) - len(suffix)]
        for path in (start.iterdir() if start.is_dir() else ())
        if path.name.startswith(prefix)
        and path.name.endswith(suffix)
        and len(path.name) > len(prefix + suffix)
    )
    if not names:
        raise ConfigError(f"data.source.raw must find a file, got none for {first!r}")
    cases = []
    for name in names:
        case: Case = {"name": _plain(name)}
        for key, values in many.items():
            found = [value.replace("*", name) for value in values]
            missing = [one for one in found if not Path(one.partition(":")[0]).exists()]
            if missing:
                raise ConfigError(f"data.source.{key}: case {name!r} must have its file, got no {missing[0]}")
            case[key] = found[0] if isinstance(patterns[key], str) else found
        cases.append(case)
    return cases


def split_cases(cases: Sequence[Case], split: Any, *, seed: int) -> dict[str, list[Case]]:
    """Return the cases of each group: shares of them at random, or those that lists name."""
    if not isinstance(split, Mapping):
        raise ConfigError(f"data.split must be a mapping of {list(GROUPS)}, got {split!r}")
    _only(split, GROUPS, where="data.split")
    if any(isinstance(value, list | tuple) for value in split.values()):
        return _named(cases, split)
    shares = [split.get(group, 0) for group in GROUPS]
    if any(isinstance(share, bool) or not isinstance(share, int | float) or share < 0 for share in shares):
        raise ConfigError(f"data.split must hold shares from 0 to 1 or lists of names, got {dict(split)}")
    if abs(sum(shares) - 1) > 1e-6:
        raise ConfigError(f"data.split must add up to 1, got {dict(split)}")
    ends = np.round(np.cumsum(shares) * len(cases)).astype(int)
    if ends[0] == 0:
        raise ConfigError(f"data.split.train must give a case or more of {len(cases)}, got {shares[0]}")
    order = np.random.default_rng(seed).permutation(len(cases))
    parts = np.split(order, ends[:-1])
    return {group: [cases[i] for i in sorted(part)] for group, part in zip(GROUPS, parts, strict=True)}


def _named(cases: Sequence[Case], split: Mapping[str, Any]) -> dict[str, list[Case]]:
    by_name = {case["name"]: case for case in cases}
    seen: dict[str, str] = {}
    for group, names in split.items():
        if not isinstance(names, list | tuple):
            raise ConfigError(f"data.split.{group} must be a list of names like the others, got {names!r}")
        for name in map(str, names):
            if name not in by_name:
                raise ConfigError(f"data.split.{group} must name cases of the source, got {name!r}")
            if name in seen:
                raise ConfigError(
                    f"data.split must name a case once, got {name!r} in {seen[name]} and {group}"
                )
            seen[name] = group
    return {group: [by_name[str(name)] for name in split.get(group, ())] for group in GROUPS}


def _plain(name: str) -> str:
    """Return a name that may be that of a file of results."""
    return "".join(char if char.isascii() and (char.isalnum() or char in "_.-") else "_" for char in name)


def _only(mapping: Mapping[str, Any], known: Sequence[str], *, where: str = "data.source") -> None:
    for key in mapping:
        if key not in known:
            raise ConfigError(f"{where} must hold {', '.join(known)} only, got {key!r}")
