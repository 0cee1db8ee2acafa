"""How a folder keeps images and their truth: nnU-Net's layout, pairs of files, folders a case, containers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from objectwise.config.nnunet import Case, Dataset, nnunet_cases, read_dataset
from objectwise.config.sources import glob_cases
from objectwise.data.formats.common import CONTAINERS
from objectwise.errors import ArgumentError
from objectwise.workflow.proposal.containers import find_pair
from objectwise.workflow.proposal.pairs import extension_of, images_in, pair
from objectwise.workflow.proposal.words import IMAGES, LABELS, RESULTS, best_truth, says

LOOKED_FOR = (
    "nnU-Net's dataset.json with imagesTr and labelsTr, "
    "two folders of images and truth (images and labels or masks), "
    "pairs of files in one folder (CASE.nii.gz and CASE_seg, _label or _mask.nii.gz), "
    "a folder for each case, "
    "or HDF5 or Zarr with a raw and a labels data set"
)
_MOST_SHOWN = 8


@dataclass(frozen=True)
class Layout:
    """Where everything lies.

    Parameters
    ----------
    said : what was found, in words
    cases : the volumes, with `raw` and `truth`: whether that is ids or classes is for its voxels to say
    source : `data.source` of a configuration, with the key `truth`; None where cases are listed one by one
    truth : name of the truth, which may say what it is of
    others : further truths, which are left aside
    dataset : what nnU-Net's dataset.json says
    keys : of the section `data`, that follow from the source
    """

    said: str
    cases: Sequence[Case]
    source: dict[str, Any] | None
    truth: str
    others: Sequence[str] = ()
    dataset: Dataset | None = None
    keys: dict[str, Any] = field(default_factory=dict)


def find_layout(folder: Path) -> Layout:
    """Return how a folder, or a container, keeps images and their truth.

    Raises
    ------
    ArgumentError
        If it is not there, or in no layout that is known.
    ConfigError
        If the layout is known and a file of a case is missing.
    """
    _require(folder)
    if _is_container(folder):
        return _one_container(folder)
    finders: Sequence[Callable[[Path], Layout | None]] = (
        _nnunet,
        _two_folders,
        _one_folder,
        _containers,
        _folder_a_case,
    )
    for find in finders:
        found = find(folder)
        if found is not None:
            return found
    raise ArgumentError(
        f"`FOLDER` must hold {LOOKED_FOR}; got {folder} with {_content(folder)}. "
        "Write the configuration by hand: docs/configuration.md"
    )


def _require(folder: Path) -> None:
    if not folder.exists():
        raise ArgumentError(f"`FOLDER` must exist, got no such folder: {folder}")
    if not folder.is_dir() and not _is_container(folder):
        raise ArgumentError(f"`FOLDER` must be a folder, or a file in HDF5, got the file {folder}")
    if "*" in str(folder) or ":" in str(folder):
        raise ArgumentError(f"`FOLDER` must have a path without * and colons, got {folder}")


def _nnunet(folder: Path) -> Layout | None:
    if not (folder / "dataset.json").is_file():
        return None
    dataset = read_dataset(folder)
    cases, keys = nnunet_cases(folder)
    return Layout(
        f"a folder of nnU-Net with {counted(len(cases), 'case')}, the channels {listed(dataset.channels)} "
        f"and the labels {listed(dataset.classes)}",
        [{**case, "truth": case["classes"]} for case in cases],
        {"nnunet": str(folder)},
        "labelsTr",
        dataset=dataset,
        keys=keys,
    )


def _two_folders(folder: Path) -> Layout | None:
    folders = [one.name for one in _folders(folder) if images_in(one)]
    truths = [name for name in folders if says(name, LABELS)]
    images = [name for name in folders if name not in truths and says(name, IMAGES)]
    others = [name for name in folders if name not in truths and not says(name, RESULTS)]
    if not truths or not (images or len(others) == 1):
        return None
    image, truth = (images or others)[0], best_truth(truths)
    found = pair(images_in(folder / image), images_in(folder / truth))
    if found is None:
        return None
    return _of_patterns(
        folder,
        f"images in {image} and their truth in {truth}",
        [f"{image}/{one}" for one in found.raw],
        f"{truth}/{found.truth}",
        others=[name for name in truths if name != truth],
    )


def _one_folder(folder: Path) -> Layout | None:
    names = images_in(folder)
    truths = [name for name in names if says(name, LABELS)]
    images = [name for name in names if name not in truths and not says(name, RESULTS)]
    if not truths or not images:
        return None
    found = pair(images, truths)
    if found is None:
        return None
    raw = list(found.raw)
    return _of_patterns(
        folder, f"images as {listed(raw)} with their truth as {found.truth}", raw, found.truth
    )


def _folder_a_case(folder: Path) -> Layout | None:
    """Find what every one of several folders holds by the same name, but for that of the folder in it."""
    templates = [
        {name.replace(one.name, "*") for name in images_in(one)} for one in _folders(folder) if images_in(one)
    ]
    common = sorted(set.intersection(*templates)) if templates else []
    truths = [name for name in common if says(name, LABELS)]
    images = [name for name in common if name not in truths and not says(name, RESULTS)]
    if not truths or not images:
        return None
    truth = best_truth(truths)
    return _of_patterns(
        folder,
        f"a folder for each case with the images {listed(images)} and the truth {truth}",
        [f"*/{name}" for name in images],
        f"*/{truth}",
        others=[name for name in truths if name != truth],
    )


def _containers(folder: Path) -> Layout | None:
    found = sorted(one for one in folder.iterdir() if _is_container(one) and not one.name.startswith("."))
    if not found:
        return None
    if len(found) == 1:
        return _one_container(found[0])
    endings = {one.suffix for one in found}
    if len(endings) > 1:
        raise ArgumentError(
            f"`FOLDER` must hold containers of one extension, got {listed(sorted(endings))} in {folder}"
        )
    inside = find_pair(found[0])
    raw, truth = (f"*{found[0].suffix}:{name}" for name in (inside.raw, inside.truth))
    return _of_patterns(
        folder,
        f"containers with the images {inside.raw} and their truth {inside.truth}",
        [raw],
        truth,
        others=inside.others,
    )


def _one_container(file: Path) -> Layout:
    inside = find_pair(file)
    case = {"name": _plain(file.stem), "raw": f"{file}:{inside.raw}", "truth": f"{file}:{inside.truth}"}
    return Layout(
        f"a container with the images {inside.raw} and their truth {inside.truth}",
        [case],
        None,
        inside.truth,
        others=inside.others,
    )


def _of_patterns(
    folder: Path, said: str, raw: Sequence[str], truth: str, *, others: Sequence[str] = ()
) -> Layout:
    """Return a layout of files that patterns find; where a pattern leaves no name, of the one volume."""
    places = [str(folder / one) for one in raw]
    raw_source = places if len(places) > 1 else places[0]
    truth_source = str(folder / truth)
    alone = [one.replace("*", "") for one in (*places, truth_source)]
    if all(Path(one.partition(":")[0]).is_file() for one in alone):
        *images, labels = alone
        cases = [
            {
                "name": _plain(folder.resolve().name),
                "raw": images if len(images) > 1 else images[0],
                "truth": labels,
            }
        ]
        return Layout(said.replace("*", ""), cases, None, truth.replace("*", ""), others)
    source = {"raw": raw_source, "truth": truth_source}
    cases = [
        {**case, "truth": case["labels"]} for case in glob_cases({"raw": raw_source, "labels": truth_source})
    ]
    keys = {"channels": len(raw)} if len(raw) > 1 else {}
    return Layout(
        f"{counted(len(cases), 'case')}: {said}",
        cases,
        source,
        truth,
        others,
        keys=keys,
    )


def _folders(folder: Path) -> list[Path]:
    return sorted(
        one
        for one in folder.iterdir()
        if one.is_dir() and not one.name.startswith(".") and not _is_container(one)
    )


def _is_container(path: Path) -> bool:
    return path.suffix.lower() in CONTAINERS


def _plain(name: str) -> str:
    kept = "".join(char if char.isascii() and (char.isalnum() or char in "_-") else "_" for char in name)
    return kept[:100] or "volume"


def _content(folder: Path) -> str:
    """Say what a folder holds, in a few words."""
    names = sorted(
        f"{one.name}/" if one.is_dir() else one.name
        for one in folder.iterdir()
        if not one.name.startswith(".")
    )
    kinds = sorted({ending for one in folder.iterdir() if (ending := extension_of(one))})
    shown = listed(names[:_MOST_SHOWN]) + (
        f" and {len(names) - _MOST_SHOWN} more" if len(names) > _MOST_SHOWN else ""
    )
    return f"{shown} (images: {listed(kinds)})" if kinds else shown if names else "nothing in it"


def listed(names: Iterable[str]) -> str:
    """Return names in a row."""
    return ", ".join(names)


def counted(count: int, what: str) -> str:
    """Return `1 case` or `3 cases`."""
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
