"""The recipes of `examples/` with each of the losses they compare, three seeds each: docs/results.md.

    python benchmarks/recipes.py nuclei              # one recipe
    python benchmarks/recipes.py nuclei lesions      # several

A run is one `objectwise run` of the recipe's file with the loss and the seed set; it lies in runs/recipes, and what
is complete there is not done again. Every loss is scored at the threshold chosen on the tuning data, and at its own
best threshold on the scored data, so that no loss is credited with moving a threshold.
"""

from __future__ import annotations

import json
import math
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness import RESULTS, environment
from objectwise.config import load_config
from objectwise.workflow import run

ROOT = Path(__file__).parents[1]
SEEDS = (0, 1, 2)
STEPS = ("train", "predict", "segment", "evaluate")
"""All but the report, which nobody reads of so many runs."""


@dataclass(frozen=True)
class Recipe:
    """A file of `examples/` and the losses it is compared with."""

    losses: Mapping[str, Sequence[str]]
    """Overrides of the configuration, by the name of the loss."""
    columns: Sequence[str]
    """Scores to show."""
    intro: str


def with_term(term: str, dice: str, *, start: int) -> list[str]:
    """Return the override of the loss by cross-entropy and Dice with a third term from a step on."""
    third = f", {{{term}, from_step: {start}}}" if term else ""
    return [f"training.loss=[{{name: cross_entropy}}, {dice}{third}]"]


def instance_losses(start: int, dice: str = "{name: dice}") -> dict[str, list[str]]:
    """Return the losses on instances, each beside the same pixel loss; blob loss with half the weight, as published."""
    alone = "options: {weights: {pixel: 0.0}}"
    return {
        "Dice + cross-entropy": with_term("", dice, start=start),
        "instance": with_term(f"name: instance, {alone}", dice, start=start),
        "instance center": with_term(f"name: instance_center, {alone}", dice, start=start),
        "blob": with_term(f"name: blob, weight: 0.5, {alone}", dice, start=start),
        "CC-Dice": with_term(f"name: cc_dice, {alone}", dice, start=start),
    }


OBJECTS = ("f1", "precision", "recall", "panoptic_quality", "dice")
RECIPES = {
    "nuclei": Recipe(
        instance_losses(300),
        OBJECTS,
        "22 fluorescence images of `nuclei2d_dsb2018`; F1 at IoU above 0.5, mean over the images.",
    ),
    "lesions": Recipe(
        instance_losses(600, "{name: dice, options: {batch: true}}"),
        OBJECTS,
        "The top of the two brains of `ms_lesions`, trained on the lower sections; F1 at IoU above 0.5.",
    ),
    "region_wise": Recipe(
        {
            "cross-entropy": ["training.loss=[{name: cross_entropy}]"],
            "Dice": ["training.loss=[{name: dice}]"],
            "Dice + cross-entropy": ["training.loss=[{name: dice_cross_entropy}]"],
            "Dice + region-wise, equal": ["training.loss=[{name: dice}, {name: region_wise}]"],
            "Dice + region-wise, gradual": [],
            "Dice + boundary, gradual": [
                "training.loss=[{name: dice, weight: {from: 1, to: 0.01, epochs: [0, 9]}}, "
                "{name: boundary, weight: {from: 0, to: 0.99, epochs: [0, 9]}}]"
            ],
        },
        ("dice", "hausdorff95", "surface_dice", "f1"),
        "Synapses, mitochondria and membranes of `vnc_sstem`, sections 10 to 12, trained on 0 to 7.",
    ),
    "mitochondria": Recipe(
        {
            "cross-entropy": ["training.loss.name=bce"],
            "MALIS": ["training.loss.name=bce+malis"],
        },
        ("object_score",),
        "Sections 24 to 29 of `mito_sbem`, trained on 10 to 21.",
    ),
}


def measured(name: str, loss: str, seed: int) -> dict[str, Any]:
    """Return the scores of one run, which is done if it is not there yet."""
    recipe = RECIPES[name]
    overrides = [*recipe.losses[loss], f"seed={seed}", "training.threads=1"]
    file = ROOT / "examples" / f"{name}.yaml"
    if not load_config(file).segmentation.threshold_is_fixed:
        overrides.append("evaluation.oracle=true")
    config = load_config(file, overrides)
    folder = ROOT / "runs" / "recipes" / name / f"{loss.replace(' ', '_')}_{seed}"
    started = time.monotonic()
    found = run(config, folder, only=STEPS, overwrite=True).scores()
    assert found is not None
    best = [volume["best"] for volume in found["volumes"].values()]
    return {
        "chosen": found["mean"],
        "threshold": found["threshold"],
        "best": best_of(found),
        "minutes": (time.monotonic() - started) / 60,
        "oracles": [None if one is None else one["threshold"] for one in best],
    }


def best_of(scores: Mapping[str, Any]) -> dict[str, float]:
    """Return the mean scores at the one threshold that is best for the scored volumes together."""
    sweeps = [volume["sweep"] for volume in scores["volumes"].values()]
    if not all(sweeps):
        return dict(scores["mean"])
    rows = [mean_of(list(same)) for same in zip(*sweeps, strict=True)]
    sign = -1 if scores["score"] in scores["lower_is_better"] else 1
    return max(rows, key=lambda row: (sign * row[scores["score"]], row["threshold"]))


def mean_of(rows: Sequence[Mapping[str, float | None]]) -> dict[str, float]:
    """Return the mean of each score over the rows that have it."""
    kept = {name: [row[name] for row in rows if row[name] is not None] for name in rows[0]}
    return {name: statistics.mean(values) if values else math.nan for name, values in kept.items()}


def main() -> None:
    """Run what is asked for, and write a table a recipe."""
    for name in sys.argv[1:] or list(RECIPES):
        path = RESULTS / f"recipe_{name}.json"
        known = json.loads(path.read_text()) if path.is_file() else {"environment": environment("torch")}
        for seed in SEEDS:
            for loss in RECIPES[name].losses:
                key = f"{loss}, seed {seed}"
                if key not in known:
                    known[key] = measured(name, loss, seed)
                    path.write_text(json.dumps(known, indent=1) + "\n")
                    (RESULTS / f"recipe_{name}.md").write_text(table_of(name, known))
                    sys.stderr.write(f"{name}: {key}: {known[key]['chosen']}\n")


def table_of(name: str, known: Mapping[str, Any]) -> str:
    """Return mean and spread (half the range) over the seeds for every loss."""
    recipe = RECIPES[name]
    head = ["loss", "seeds", *recipe.columns, *(f"{column}, best threshold" for column in recipe.columns[:1])]
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for loss in recipe.losses:
        runs = [known[key] for seed in SEEDS if (key := f"{loss}, seed {seed}") in known]
        if runs:
            cells = [spread([one["chosen"][column] for one in runs]) for column in recipe.columns]
            cells.append(spread([one["best"][recipe.columns[0]] for one in runs]))
            lines.append(f"| {loss} | {len(runs)} | {' | '.join(cells)} |")
    return (
        f"### {name}\n\n{recipe.intro} Made by `benchmarks/recipes.py {name}`.\n\n" + "\n".join(lines) + "\n"
    )


def spread(values: Sequence[float | None]) -> str:
    """Return mean and half the range; '-' where there is no score."""
    known = [value for value in values if value is not None]
    if not known:
        return "-"
    return f"{statistics.mean(known):.3f} ± {(max(known) - min(known)) / 2:.3f}"


if __name__ == "__main__":
    main()
