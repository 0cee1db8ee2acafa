"""The demo: what MALIS changes, on made-up tissue, in a few minutes on a laptop.

From one short training with cross-entropy, two runs go on for the same number of steps, one with
cross-entropy and one with MALIS. Both are scored on tissue that neither has seen.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from objectwise.config.models import RunConfig
from objectwise.workflow.execution import run
from objectwise.workflow.pages import write_page
from objectwise.workflow.reporter import Reporter

# The recipe. Sections are images of their own (a 2-D run), because that is what five minutes are enough for.
TRAIN_SECTIONS = 16
HELD_OUT_SECTIONS = 6
SIDE = 256
"""Pixels along y and x of a section."""
START_STEPS = 200
"""Steps of cross-entropy that both runs begin with."""
STEPS = 150
"""Steps of each of the two runs after that."""
NETWORK = {"features": [12, 24, 48]}
TRAINING = {"patch_shape": [128, 128], "batch_size": 4, "checkpoint_every": 25}
SEGMENTATION = {"minimum_size": 20}
LOSSES: Mapping[str, Mapping[str, Any]] = {"bce": {"name": "bce"}, "malis": {"name": "bce+malis"}}
"""The runs that are compared: name of the directory, loss."""


@dataclass(frozen=True)
class Demo:
    """Where the page is, and the content of each run's scores.json."""

    report: Path
    scores: dict[str, dict[str, Any]]


def run_demo(directory: str | Path, *, seed: int = 0, reporter: Reporter | None = None) -> Demo:
    """Make the tissue, train, and compare; given again, it goes on where it was stopped.

    Parameters
    ----------
    directory : path
        Gets `data/`, the three runs `start`, `bce` and `malis`, and `report.html`.
    seed : int, >= 0
        Of the tissue, the first weights and the patches.
    """
    directory = Path(directory)
    reporter = reporter or Reporter()
    reporter.message("phantom: growing tissue")
    write_tissue(directory, seed=seed)
    reporter.message(f"start: {START_STEPS} steps of cross-entropy for both runs")
    run(start_config(directory, seed=seed), directory / "start", only=["train"], reporter=reporter)
    scores = {}
    for name in LOSSES:
        reporter.message(f"{name}: {STEPS} steps more, then segmentation of the held-out tissue")
        done = run(loss_config(directory, name, seed=seed), directory / name, reporter=reporter)
        scores[name] = done.scores() or {}
    page = write_page(
        [directory / name for name in LOSSES],
        directory / "report.html",
        title="objectwise demo: cross-entropy and MALIS from the same start",
    )
    return Demo(page, scores)


def start_config(directory: Path, *, seed: int) -> RunConfig:
    """Return the configuration of the common start."""
    return _config(directory, seed, {"steps": START_STEPS, "loss": {"name": "bce"}})


def loss_config(directory: Path, name: str, *, seed: int) -> RunConfig:
    """Return the configuration of one of the runs that are compared."""
    network = directory / "start" / "train" / "network.pt"
    # Another seed than the start's: patches that were not seen yet, the same for all runs.
    return _config(
        directory, seed + 1, {"steps": STEPS, "loss": dict(LOSSES[name]), "initial_weights": str(network)}
    )


def write_tissue(directory: Path, *, seed: int) -> None:
    """Write the phantoms to train on and to hold out, where they are not there yet."""
    from objectwise.data import neuropil_phantom, write_volume

    for number, (name, sections) in enumerate((("train", TRAIN_SECTIONS), ("held_out", HELD_OUT_SECTIONS))):
        file = directory / "data" / f"{name}.h5"
        labels_place = f"{file}:volumes/labels/neuron_ids"
        if file.exists() and _has(file, "volumes/labels/neuron_ids"):
            continue
        raws, labels, next_id = [], [], np.uint64(0)
        for section in range(sections):
            # Apart by construction: no two sections of any two seeds below a million share a phantom.
            phantom = neuropil_phantom((SIDE, SIDE), seed=(2 * seed + number) * 1000 + section)
            raws.append(phantom.raw)
            labels.append(np.where(phantom.labels > 0, phantom.labels + next_id, np.uint64(0)))
            next_id = labels[-1].max()
        write_volume(f"{file}:volumes/raw", np.stack(raws), overwrite=True)
        write_volume(labels_place, np.stack(labels), overwrite=True)


def _config(directory: Path, seed: int, training: Mapping[str, Any]) -> RunConfig:
    def volume(name: str) -> dict[str, Any]:
        file = directory / "data" / f"{name}.h5"
        return {"name": name, "raw": f"{file}:volumes/raw", "labels": f"{file}:volumes/labels/neuron_ids"}

    tree = {
        "data": {"train": [volume("train")], "evaluate": [volume("held_out")]},
        "dimensions": 2,
        "seed": seed,
        "network": NETWORK,
        "training": {**TRAINING, **training},
        "segmentation": SEGMENTATION,
    }
    return RunConfig.model_validate_json(json.dumps(tree))


def _has(file: Path, name: str) -> bool:
    import h5py

    with h5py.File(file, "r") as opened:
        return name in opened
