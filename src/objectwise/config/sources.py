"""Volumes from folders: nnU-Net's layout and globs become the list of volumes that a configuration means.

    data:
      source: {nnunet: data/Dataset004_Hippocampus}          # or
      source: {raw: "images/*.png", labels: "labels/*.png"}  # `*` is the name of a case, or
      source: {raw: ["*/t1.nii", "*/t2.nii"], classes: "*/lesions.nii"}
      split: {train: 0.7, tune: 0.15, evaluate: 0.15}        # shares, or lists of names

The lists stand in the run's own config.yaml, so that a file added later changes no finished run.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from objectwise.config.nnunet import Case, nnunet_cases
from objectwise.errors import ConfigError

GROUPS = ("train", "tune", "evaluate")
ARRAYS = ("raw", "labels", "classes", "ignore", "unlabelled")
SHARES: Mapping[str, float] = {"train": 0.7, "tune": 0.15, "evaluate": 0.15}
"""Of the cases, where no split says otherwise."""


PATTERN = "a path with a * for the name of the case"


class Source(NamedTuple):
    """What a source holds."""

    cases: list[Case]
    """By name."""
    keys: dict[str, Any]
    """Of the section `data`: those that follow from the source."""


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
    found = source_of(data["source"])
    rest = {key: value for key, value in data.items() if key not in ("source", "split")}
    for key, value in found.keys.items():
        if rest.setdefault(key, value) != value:
            raise ConfigError(f"data.{key} must be {value} as data.source has it, got {rest[key]!r}")
    return rest | split_cases(found.cases, data.get("split", SHARES), seed=seed)


def source_of(source: Any) -> Source:
    """Return the cases of a source, and what follows from it."""
    if not isinstance(source, Mapping) or ("nnunet" in source) == ("raw" in source):
        raise ConfigError(f"data.source must hold either nnunet: FOLDER or raw: PATTERN, got {source!r}")
    if "raw" in source:
        _only(source, ARRAYS)
        patterns = {name: source[name] for name in ARRAYS if name in source}
        several = len(source["raw"]) if isinstance(source["raw"], list | tuple) else 1
        return Source(glob_cases(patterns), {"channels": several} if several > 1 else {})
    _only(source, ("nnunet",))
    if not isinstance(source["nnunet"], str) or not source["nnunet"]:
        raise ConfigError(f"data.source.nnunet must be a folder, got {source['nnunet']!r}")
    return Source(*nnunet_cases(Path(source["nnunet"])))


def glob_cases(patterns: Mapping[str, Any]) -> list[Case]:
    """Return a case for every file that the pattern of `raw` finds; its `*` names the others.

    A further `*`, as in `*/*_t1.nii`, stands for the same name.

    A file that another pattern finds for another case is no case: of `a.nii.gz` and `a_seg.nii.gz` the second
    is the label of the first.
    """
    many = {name: value if isinstance(value, list | tuple) else [value] for name, value in patterns.items()}
    for name, values in many.items():
        if not values:
            raise ConfigError(f"data.source.{name} must be {PATTERN}, got an empty list")
        for value in values:
            if not isinstance(value, str) or max(part.count("*") for part in value.split("/")) != 1:
                raise ConfigError(f"data.source.{name} must be {PATTERN}, got {value!r}")
    first, *others = (value for values in many.values() for value in values)
    names = _names(first)
    taken = {value.replace("*", name) for value in others for name in names}
    names = [name for name in names if first.replace("*", name) not in taken]
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


def _names(pattern: str) -> list[str]:
    """Return what the `*` of a path stands for, in the name of a file or a folder."""
    before, _, after = pattern.partition("*")
    folder, slash, prefix = before.rpartition("/")
    suffix, deeper, _ = after.partition(":")[0].partition("/")
    start = Path(folder + slash or ".")
    return sorted(
        path.name[len(prefix) : len(path.name) - len(suffix)]
        for path in (start.iterdir() if start.is_dir() else ())
        if path.name.startswith(prefix)
        and path.name.endswith(suffix)
        and len(path.name) > len(prefix + suffix)
        and (prefix or not path.name.startswith("."))  # as a shell has it: hidden files are no cases
        and (not deeper or path.is_dir())
    )


def split_cases(cases: Sequence[Case], split: Any, *, seed: int) -> dict[str, list[Case]]:
    """Return the cases of each group: shares of them at random, or those that lists name."""
    if not isinstance(split, Mapping):
        raise ConfigError(f"data.split must be a mapping of {list(GROUPS)}, got {split!r}")
    _only(split, GROUPS, where="data.split")
    if any(isinstance(value, list | tuple) for value in split.values()):
        return _named(cases, split)
    shares = [split.get(group, 0) for group in GROUPS]
    if not all(_is_share(share) for share in shares):
        raise ConfigError(f"data.split must hold shares from 0 to 1 or lists of names, got {dict(split)}")
    if abs(sum(shares) - 1) > 1e-6:
        raise ConfigError(f"data.split must add up to 1, got {dict(split)}")
    if not shares[0]:
        raise ConfigError("data.split.train must be above 0, got 0")
    least = sum(share > 0 for share in shares)
    if len(cases) < least:
        raise ConfigError(
            f"data.source must have {least} cases for the groups of data.split, got {len(cases)}; "
            "give other groups the share 0, or cut one volume by sections"
        )
    order = np.random.default_rng(seed).permutation(len(cases))
    parts = np.split(order, np.cumsum(_counts(shares, len(cases)))[:-1])
    return {group: [cases[i] for i in sorted(part)] for group, part in zip(GROUPS, parts, strict=True)}


def _is_share(share: Any) -> bool:
    return not isinstance(share, bool) and isinstance(share, int | float) and 0 <= share <= 1


def _counts(shares: Sequence[float], total: int) -> list[int]:
    """Return how many of `total` each share has: one at least, unless it is 0, and else to the next below.

    What is left goes to those that lost most by rounding; what is too much comes from the largest.
    """
    # A share such as 0.3 of 10 is 2.9999... in binary.
    counts = [max(1, math.floor(share * total + 1e-9)) if share else 0 for share in shares]
    while sum(counts) != total:
        lost = [share * total - count for share, count in zip(shares, counts, strict=True)]
        if sum(counts) < total:
            counts[lost.index(max(lost))] += 1
        else:
            counts[counts.index(max(counts))] -= 1
    return counts


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
