"""The demo: what MALIS changes, on made-up tissue, in a few minutes on a laptop.

From one short training with cross-entropy, two runs go on for the same number of steps, one with
cross-entropy and one with MALIS. Both are scored on tissue that neither has seen.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from objectwise.atomic import read_json, write_json
from objectwise.config.models import RunConfig
from objectwise.errors import ArgumentError, VolumeError
from objectwise.workflow.execution import run
from objectwise.workflow.pages import write_page
from objectwise.workflow.reporter import Reporter
from objectwise.workflow.steps import STEPS as RUN_STEPS

# The recipe. Sections are images of their own (a 2-D run), because that is what five minutes are enough for.
TRAIN_SECTIONS = 32
HELD_OUT_SECTIONS = 10
SIDE = 256
"""Pixels along y and x of a section."""
WEAK_FRACTION = 0.05
"""Of the membranes: few stretches without any contrast, which no loss can learn to see."""
START_STEPS = 300
"""Steps of cross-entropy that both runs begin with."""
STEPS = 400
"""Steps of each of the two runs after that."""
NETWORK = {"features": [12, 24, 48]}
TRAINING = {"patch_shape": [128, 128], "batch_size": 4, "checkpoint_every": 25}
CONTINUED = {"learning_rate": 5e-4}
"""Of the two runs: a network that has learnt something is not to be thrown off by a new loss."""
PREDICTION = {"window_shape": [SIDE, SIDE]}
SEGMENTATION = {"minimum_size": 20}
EVALUATION = {"oracle": True}
"""How far the chosen threshold is from the best one is part of what is compared."""
LOSSES: Mapping[str, Mapping[str, Any]] = {"bce": {"name": "bce"}, "malis": {"name": "bce+malis"}}
"""The runs that are compared: name of the directory, loss."""


RAW, LABELS = "volumes/raw", "volumes/labels/neuron_ids"


@dataclass(frozen=True)
class Part:
    """One part of the demo's plan: what it writes, and whether that is there already."""

    name: str
    outputs: tuple[Path, ...]
    done: bool


@dataclass(frozen=True)
class Demo:
    """Where the page is, and the content of each run's scores.json."""

    report: Path
    scores: dict[str, dict[str, Any]]


def run_demo(
    directory: str | Path, *, seed: int = 0, overwrite: bool = False, reporter: Reporter | None = None
) -> Demo:
    """Make the tissue, train, and compare; given again, it goes on where it was stopped.

    Parameters
    ----------
    directory : path
        Gets `data/`, the three runs `start`, `bce` and `malis`, and `report.html`.
    seed : int, >= 0
        Of the tissue, the first weights and the patches.
    overwrite : bool
        Accept a directory with tissue or runs of another recipe, and redo what that concerns.

    Raises
    ------
    ArgumentError, VolumeError
        If the directory holds something else, or another demo, or damaged tissue, without `overwrite`.
    """
    directory = Path(directory)
    reporter = reporter or Reporter()
    reporter.message("phantom: growing tissue")
    write_tissue(directory, seed=seed, overwrite=overwrite)
    reporter.message(f"start: {START_STEPS} steps of cross-entropy for both runs")
    do = partial(run, overwrite=overwrite, reporter=reporter)
    do(start_config(directory, seed=seed), directory / "start", only=["train"])
    scores = {}
    for name in LOSSES:
        reporter.message(f"{name}: {STEPS} steps more, then segmentation of the held-out tissue")
        done = do(loss_config(directory, name, seed=seed), directory / name)
        scores[name] = done.scores() or {}
    page = write_page(
        [directory / name for name in LOSSES],
        directory / "report.html",
        title="objectwise demo: cross-entropy and MALIS from the same start",
    )
    return Demo(page, scores)


def plan_demo(directory: str | Path, *, seed: int = 0, overwrite: bool = False) -> list[Part]:
    """Return what `run_demo` would do, part by part; nothing is written. Raises as `run_demo` does."""
    directory = Path(directory)
    missing = _missing_tissue(directory, seed, overwrite=overwrite)
    parts = [Part("tissue", tuple(_tissue_file(directory, name) for name in _sections()), not missing)]

    def add_run(name: str, steps: Sequence[str], *, config: Callable[[], RunConfig], ready: bool) -> bool:
        # A run can be planned once all that it reads is there.
        done = ready
        if ready:
            planned = run(config(), directory / name, only=steps, overwrite=overwrite, dry_run=True)
            done = all(planned.is_complete(step) for step in steps)
        parts.append(Part(name, (directory / name,), done))
        return done

    start = partial(start_config, directory, seed=seed)
    ready = add_run("start", ["train"], config=start, ready=not missing)
    for name in LOSSES:
        add_run(name, RUN_STEPS, config=partial(loss_config, directory, name, seed=seed), ready=ready)
    return [*parts, Part("report", (directory / "report.html",), done=False)]


def start_config(directory: Path, *, seed: int) -> RunConfig:
    """Return the configuration of the common start."""
    return _config(directory, seed, {"steps": START_STEPS, "loss": {"name": "bce"}})


def loss_config(directory: Path, name: str, *, seed: int) -> RunConfig:
    """Return the configuration of one of the runs that are compared."""
    network = directory / "start" / "train" / "network.pt"
    # Another seed than the start's: patches that were not seen yet, the same for all runs.
    training = {"steps": STEPS, "loss": dict(LOSSES[name]), "initial_weights": str(network)}
    return _config(directory, seed + 1, {**CONTINUED, **training})


def write_tissue(directory: Path, *, seed: int, overwrite: bool = False) -> None:
    """Write the phantoms to train on and to hold out, where they are not there yet."""
    from objectwise.data import neuropil_phantom, write_volume

    missing = _missing_tissue(directory, seed, overwrite=overwrite)
    if not missing:
        return
    # In this order a kill never leaves tissue of one recipe beside the name of another.
    for name in missing:
        _tissue_file(directory, name).unlink(missing_ok=True)
    write_json(_recipe_file(directory), _recipe(seed))
    for name in missing:
        number = list(_sections()).index(name)
        raws, labels, next_id = [], [], np.uint64(0)
        for section in range(_sections()[name]):
            # Apart by construction: no two sections of any two seeds below a million share a phantom.
            phantom = neuropil_phantom(
                (SIDE, SIDE), seed=(2 * seed + number) * 1000 + section, weak_fraction=WEAK_FRACTION
            )
            raws.append(phantom.raw)
            labels.append(np.where(phantom.labels > 0, phantom.labels + next_id, np.uint64(0)))
            next_id = labels[-1].max()
        write_volume(f"{_tissue_file(directory, name)}:{RAW}", np.stack(raws))
        write_volume(f"{_tissue_file(directory, name)}:{LABELS}", np.stack(labels))


def _missing_tissue(directory: Path, seed: int, *, overwrite: bool) -> list[str]:
    """Return the phantoms to grow; refuse a directory that holds anything else than this demo."""
    known, recipe = read_json(_recipe_file(directory)), _recipe(seed)
    if known == recipe:
        return [name for name in _sections() if not _is_grown(_tissue_file(directory, name), overwrite)]
    others = sorted(item.name for item in directory.glob("[!.]*"))
    if others and not overwrite:
        found = f"tissue of {known}" if known else f"{others[0]!r} and no {_recipe_file(directory).name}"
        raise ArgumentError(
            f"`directory` must be new, empty or a demo with tissue of {recipe}, "
            f"got {directory} with {found}; choose another one, or pass --overwrite to redo it"
        )
    return list(_sections())


def _is_grown(file: Path, overwrite: bool) -> bool:
    from objectwise.data import volume_exists

    try:
        return volume_exists(f"{file}:{LABELS}")  # written last
    except VolumeError as error:
        if overwrite:
            return False
        raise VolumeError(f"{error}; delete it, or pass --overwrite to grow it anew") from error


def _recipe(seed: int) -> dict[str, Any]:
    """Return what the tissue depends on."""
    return {"seed": seed, "side": SIDE, "sections": _sections(), "weak_fraction": WEAK_FRACTION}


def _sections() -> dict[str, int]:
    return {"train": TRAIN_SECTIONS, "held_out": HELD_OUT_SECTIONS}


def _recipe_file(directory: Path) -> Path:
    return directory / "data" / "recipe.json"


def _tissue_file(directory: Path, name: str) -> Path:
    return directory / "data" / f"{name}.h5"


def _config(directory: Path, seed: int, training: Mapping[str, Any]) -> RunConfig:
    def volume(name: str) -> dict[str, Any]:
        file = _tissue_file(directory, name)
        return {"name": name, "raw": f"{file}:{RAW}", "labels": f"{file}:{LABELS}"}

    tree = {
        "data": {"train": [volume("train")], "evaluate": [volume("held_out")]},
        "dimensions": 2,
        "seed": seed,
        "network": NETWORK,
        "training": {**TRAINING, **training},
        "prediction": PREDICTION,
        "segmentation": SEGMENTATION,
        "evaluation": EVALUATION,
    }
    return RunConfig.model_validate_json(json.dumps(tree))
