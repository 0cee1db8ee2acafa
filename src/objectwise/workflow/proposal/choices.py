"""From what a folder holds to a configuration, with a reason for each choice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from objectwise.config.nnunet import Case
from objectwise.config.sources import SHARES
from objectwise.errors import ArgumentError
from objectwise.workflow.proposal.geometry import Geometry, geometry_for
from objectwise.workflow.proposal.layouts import Layout, counted, listed
from objectwise.workflow.proposal.survey import Images, as_stack
from objectwise.workflow.proposal.truth import MOST_CLASSES, Truth
from objectwise.workflow.proposal.words import structure_of

LEAST_DEPTH = 8
"""Sections of a volume that is worth a network of three dimensions."""
LEAST_SIDE = 8
"""Pixels of an image along y and x."""
CONTINUES = 0.2
"""Fraction of ids in the next section too, below which each section was labelled by itself."""
DENSE = 0.5
"""Fraction of objects that touch, or of the image that they cover, from which on affinities are proposed."""
SPARSE = 0.1
"""Fraction of the image that is no background, below which patches without an object are taken too."""
LEAST_CASES = 3
"""That can be divided by case into three groups."""
LEAST_CUT = 4
"""Sections of a volume that is cut into three groups."""
PART = 0.15
"""Of the sections of one volume: to choose the threshold on, and to score."""

Task = Literal["affinities", "masks"]


@dataclass(frozen=True)
class Seen:
    """All that is known of a folder."""

    layout: Layout
    images: Images
    truth: Truth


@dataclass(frozen=True)
class Choice:
    """A value of the configuration, and why."""

    value: Any
    why: str


def choose_task(seen: Seen, wanted: Task | None) -> tuple[Task, Choice]:
    """Return the task, and `task` of the configuration.

    Raises
    ------
    ArgumentError
        If nothing was seen of the truth and nobody says what is wanted, or its numbers are no classes.
    """
    truth = seen.truth
    if truth.kind == "unseen" and wanted is None:
        raise ArgumentError(
            f"`--task` must be affinities or masks where nothing is seen of the truth, got none: "
            f"{truth.because} in {seen.layout.truth}"
        )
    dense = truth.touching >= DENSE or truth.covered >= DENSE
    task: Task = wanted or ("affinities" if truth.kind == "ids" and dense else "masks")
    said = {
        "ids": "ids of objects", "classes": "class labels", "mask": "a mask", "unseen": "not known",
    }[truth.kind]  # fmt: skip
    why = f"The truth is {said}: {truth.because}."
    if truth.kind == "ids":
        why += (
            f" {truth.touching:.0%} of the objects touch another one, and they cover {truth.covered:.0%} "
            f"of the image: {'affinities tell' if dense else 'their masks tell'} them apart."
        )
    if wanted is not None:
        why += f" {wanted} was asked for (--task)."
    if task == "affinities":
        return task, Choice("affinities", why)
    names, more = _names(seen)
    return task, Choice({"name": "masks", "options": {"classes": names}}, f"{why}{more}")


def _names(seen: Seen) -> tuple[list[str], str]:
    """Return the names of the classes, and what there is to say of them."""
    if seen.layout.dataset is not None:
        return list(seen.layout.dataset.classes), " Names and order are those of dataset.json."
    own = structure_of(seen.layout.truth) or "object"
    if seen.truth.kind in ("ids", "unseen") or seen.truth.values in ((1,), (255,)):
        return ["background", own if own != "background" else "object"], " Rename the classes as you like."
    last = seen.truth.values[-1]
    if last > MOST_CLASSES:
        raise ArgumentError(
            f"`FOLDER` must have a truth of ids, of a mask of 0 and 1 (or 255), or of classes 0, 1, 2, ... "
            f"up to {MOST_CLASSES}, got the numbers {listed(map(str, seen.truth.values))} in "
            f"{seen.layout.truth}; number them anew"
        )
    names = [
        f"class_{value}" if value in seen.truth.values else f"unused_{value}" for value in range(1, last + 1)
    ]
    return ["background", *names], " Give the classes their names, in the order of their numbers."


def choose_dimensions(seen: Seen) -> Choice:
    """Return `dimensions`."""
    depth = seen.images.smallest[0]
    continuing = seen.truth.continuing
    if depth == 1:
        return Choice(2, "Single images.")
    if continuing is not None and continuing < CONTINUES:
        return Choice(
            2,
            f"{continuing:.0%} of the ids go on in the next section: each section was labelled by itself.",
        )
    if _trained_depth(seen) < LEAST_DEPTH:
        return Choice(2, f"{depth} sections are too few for a network of three dimensions.")
    return Choice(
        3, f"Volumes of {depth} sections or more; 2 would take each section for an image of its own."
    )


def choose_geometry(seen: Seen, dimensions: int, n_voxels: int) -> Geometry:
    """Return patch and levels.

    Raises
    ------
    ArgumentError
        If an image is too small for any.
    """
    smallest = (_trained_depth(seen), *seen.images.smallest[1:])[-dimensions:]
    if min(smallest[-2:]) < LEAST_SIDE:
        raise ArgumentError(
            f"`FOLDER` must hold images of {LEAST_SIDE} pixels or more along y and x, "
            f"got {seen.images.smallest}"
        )
    return geometry_for(smallest, seen.images.spacing[-dimensions:], n_voxels)


def by_case(layout: Layout) -> bool:
    """Say whether there are cases enough to divide; else volumes are listed and cut by sections."""
    return layout.source is not None and len(layout.cases) >= LEAST_CASES


def _trained_depth(seen: Seen) -> int:
    """Return how many sections the thinnest volume of the training has."""
    depth = seen.images.smallest[0]
    return depth if by_case(seen.layout) else _cut(depth)[0]


def choose_data(seen: Seen, task: Task, dimensions: int) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the section `data`, and the reasons by key."""
    layout, images, truth = seen.layout, seen.images, seen.truth
    key = "labels" if task == "affinities" or truth.kind == "ids" else "classes"
    why: dict[str, str] = {}
    data: dict[str, Any]
    derived = by_case(layout) and "channels" in layout.keys
    if layout.source is not None and by_case(layout):
        source = dict(layout.source)
        if "truth" in source:
            source[key] = source.pop("truth")
        data = {"source": source, "split": dict(SHARES)}
        why["data.source"] = _of_truth(layout, key)
        why["data.split"] = (
            "Shares of the cases, drawn by `seed`; lists of names say it yourself. Train on the first, "
            "choose the threshold on the second, score the third."
        )
    else:
        data, why["data.train"] = _listed(seen, key)
        why["data.train"] = f"{_of_truth(layout, key)} {why['data.train']}"
    if images.channels > 1 and not derived:
        data["channels"] = images.channels
    if images.channel_axis is not None and not derived:
        data["channel_axis"] = images.channel_axis
        why["data.channel_axis"] = "Of the channels in each file, -1 being the last."
    return data | _further(seen, key, dimensions, why), why


def _of_truth(layout: Layout, key: str) -> str:
    words = {"labels": "`labels` are ids of objects", "classes": "`classes` are class labels or a mask"}[key]
    others = f" Left aside: {listed(layout.others)}." if layout.others else ""
    return (
        f"{words}; swap the two keys if they are not.{others}" if layout.dataset is None else others.strip()
    )


def _further(seen: Seen, key: str, dimensions: int, why: dict[str, str]) -> dict[str, Any]:
    """Return further keys of the section `data`."""
    found: dict[str, Any] = {}
    ignore = seen.layout.keys.get("ignore_label")
    if ignore is not None and not by_case(seen.layout):
        found["ignore_label"] = ignore
    if key == "labels" and seen.truth.kind in ("classes", "mask", "unseen"):
        found["pieces"] = "volume" if dimensions == 3 else "section"
        why["data.pieces"] = "Every connected piece of a number is an object of its own."
    elif key == "labels" and dimensions == 2 and (seen.truth.continuing or 0) >= CONTINUES:
        found["pieces"] = "section"
        why["data.pieces"] = (
            "The ids are those of volumes: what falls apart in a section is two objects there."
        )
    if seen.images.spread > 2:
        found["allow_different_voxel_sizes"] = True
        why["data.allow_different_voxel_sizes"] = (
            f"Voxel sizes differ by a factor of {seen.images.spread:.1f}, and a network sees voxels, not "
            "lengths: resample the volumes if you can, and take this out."
        )
    return found


def _listed(seen: Seen, key: str) -> tuple[dict[str, Any], str]:
    """Return few volumes one by one: cut by sections where there are some, else by case."""
    volumes = [{"name": case["name"], "raw": case["raw"], key: case["truth"]} for case in seen.layout.cases]
    by_name = dict(zip(map(_name, seen.layout.cases), map(as_stack, seen.images.shapes), strict=False))
    first, rest = volumes[0], volumes[1:]
    depth = by_name[first["name"]][0]
    if depth < LEAST_CUT:
        said = f"{counted(len(volumes), 'case')} of too few sections to cut"
        if rest:
            return {"train": [first], "evaluate": rest}, f"{said}: one to train on, the rest to score."
        return {"train": [first]}, f"{said}: the scores will be those of the training itself."
    ends = _cut(depth) if not rest else (depth - max(1, round(depth * PART)), depth)
    groups: Mapping[str, Sequence[dict[str, Any]]] = {
        "train": [_part(first, "train", 0, ends[0])],
        "tune": [_part(first, "tune", ends[0], ends[1])],
        "evaluate": rest or [_part(first, "evaluate", ends[1], depth)],
    }
    where = "the other case is scored" if rest else "the last ones are scored"
    return dict(groups), (
        f"{counted(len(volumes), 'case')} only, so sections are divided: train on the first, choose the "
        f"threshold on those behind them; {where}."
    )


def _cut(depth: int) -> tuple[int, int]:
    """Return where the sections to tune on and those to score begin; a volume of few is left whole."""
    if depth < LEAST_CUT:
        return depth, depth
    part = max(1, round(depth * PART))
    return depth - 2 * part, depth - part


def _part(volume: Mapping[str, Any], group: str, first: int, stop: int) -> dict[str, Any]:
    return {**volume, "name": f"{volume['name'][:90]}_{group}", "sections": [first, stop]}


def _name(case: Case) -> str:
    return str(case["name"])


def choose_normalisation(seen: Seen) -> Choice | None:
    """Return `normalisation`, or None where the default does."""
    dtypes = seen.images.dtypes
    if len(dtypes) > 1 and "uint8" in dtypes:
        return Choice(
            {"method": "percentiles"}, f"The images are {listed(dtypes)}, which have no range in common."
        )
    if seen.layout.dataset is not None and any(name.upper() == "CT" for name in seen.layout.dataset.channels):
        return Choice(
            {"method": "zscore", "percentiles": [0.5, 99.5]}, "As nnU-Net has it for computed tomography."
        )
    return None


def choose_loss(task: Task, key: str, steps: int) -> Choice:
    """Return `training.loss`."""
    if task == "affinities":
        return Choice(
            {"name": "bce+malis", "warmup_steps": steps * 3 // 5},
            "MALIS learns from the weakest edge of each path, and an untrained network has no paths yet. "
            "With fewer steps take a shorter warm-up.",
        )
    terms: list[dict[str, Any]] = [{"name": "dice_cross_entropy"}]
    if key == "labels":
        terms.append({"name": "instance"})
        return Choice(
            terms,
            "The second counts every object, large or small; `weight` balances the two. All losses: "
            "docs/losses.md.",
        )
    return Choice(terms, "More terms are added; all losses: docs/losses.md.")
