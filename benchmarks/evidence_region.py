"""Whether region-wise and boundary losses beat cross-entropy and Dice on real images.

Every loss starts from the same weights and sees the same patches, for the same steps, with three seeds. Runs
for about half an hour on one core; stopped, it goes on where it was. Give names of data or losses to run those
alone: `python benchmarks/evidence_region.py vnc_sstem boundary`.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from evidence_data import halves, ms_patient, neuropil_sections
from harness import RESULTS, environment
from objectwise.losses import (
    BoundaryLoss,
    CombinedLoss,
    Equal,
    Gradual,
    RegionWiseLoss,
    SoftDiceLoss,
    SoftmaxCrossEntropyLoss,
)
from small_training import (
    Data,
    Entries,
    Image,
    Objective,
    mean_and_spread,
    predict,
    small_unet,
    table,
    train,
)
from surface_scores import mask_scores

SEEDS = (0, 1, 2)
STEPS = 400
RATE = 2e-3
TOLERANCE = 2.0  # voxels
EPOCHS = 100  # of Gradual: the training is divided into as many

# Each is given the number of spatial axes. The distances of a boundary loss are voxels, tens of them, beside a
# Dice of 1 at most; the last one counts 50 voxels as 1.
LOSSES: dict[str, Callable[[int], nn.Module]] = {
    "cross-entropy": lambda _: SoftmaxCrossEntropyLoss(),
    "Dice": lambda _: SoftDiceLoss(),
    "boundary": lambda _: BoundaryLoss(),
    "region-wise": lambda _: RegionWiseLoss(),
    "Dice + boundary, Equal": lambda _: CombinedLoss([SoftDiceLoss(), BoundaryLoss()], Equal()),
    "Dice + boundary, Gradual": lambda _: CombinedLoss([SoftDiceLoss(), BoundaryLoss()], Gradual(EPOCHS)),
    "Dice + region-wise, Equal": lambda _: CombinedLoss([SoftDiceLoss(), RegionWiseLoss()], Equal()),
    "Dice + region-wise, Gradual": lambda _: CombinedLoss(
        [SoftDiceLoss(), RegionWiseLoss()], Gradual(EPOCHS)
    ),
    "Dice + boundary / 50, Equal": lambda ndim: CombinedLoss(
        [SoftDiceLoss(), BoundaryLoss(spacing=(0.02,) * ndim)], Equal()
    ),
}


@dataclass(frozen=True)
class Classes:
    """Data and the names of its classes, without the background."""

    data: Data
    names: tuple[str, ...]


def vnc_sstem() -> Classes:
    """Sections 0-8 to train, 10-12 to score; 9 lies between."""
    images = neuropil_sections()
    data = Data(images[:9], images[10:], (128, 128), 4, (16, 32, 64), outputs=4)
    return Classes(data, ("membrane", "mitochondrion", "synapse"))


def ms_lesions() -> Classes:
    """Left halves of two brains to train, right halves to score."""
    pairs = [halves(ms_patient(number)) for number in ("07", "19")]
    left, right = (
        [Image(one.raw, (one.labels > 0).astype(np.int64), one.inside) for one in side]
        for side in zip(*pairs, strict=True)
    )
    return Classes(Data(left, right, (32, 32, 32), 4, (16, 32, 64), outputs=2), ("lesion",))


DATA = {"vnc_sstem": vnc_sstem, "ms_lesions": ms_lesions}


def objective(loss: nn.Module) -> Objective:
    """Return the loss as a training calls it; a schedule moves on a hundredth of the training at a time."""

    def value(logits: Tensor, labels: Tensor, done: float) -> Tensor:
        if isinstance(loss, CombinedLoss):
            while loss.position < int(done * EPOCHS):
                loss.step()
        result: Tensor = loss(logits, labels[:, None])
        return result

    return value


def scores_of(network: torch.nn.Module, classes: Classes) -> dict[str, float]:
    """Return the mean over test images and classes of each score, and Dice of each class."""
    rows: dict[str, list[tuple[float, float, float]]] = {name: [] for name in classes.names}
    for image in classes.data.test:
        found = predict(network, classes.data, image.raw).argmax(0)
        if image.inside is not None:
            found[~image.inside] = 0
        for index, name in enumerate(classes.names, start=1):
            rows[name].append(mask_scores(image.labels == index, found == index, tolerance=TOLERANCE))
    means = {
        name: [statistics.mean(column) for column in zip(*per, strict=True)] for name, per in rows.items()
    }
    overall = [statistics.mean(column) for column in zip(*means.values(), strict=True)]
    scores = dict(zip(("dice", "hd95", "boundary_f"), overall, strict=True))
    return scores | {f"dice of {name}": mean[0] for name, mean in means.items()}


def markdown(entries: Entries) -> str:
    """Return a table for each set of data."""
    parts = []
    for name in DATA:
        rows = []
        for loss in LOSSES:
            runs = entries.matching(data=name, loss=loss, steps=STEPS)
            if runs:
                shown = [
                    (key, 1 if key == "hd95" else 3)
                    for key in runs[0]
                    if key in ("dice", "hd95", "boundary_f")
                ]
                shown += [(key, 3) for key in runs[0] if key.startswith("dice of") and name != "ms_lesions"]
                cells = [mean_and_spread([run[key] for run in runs], digits) for key, digits in shown]
                seconds = statistics.mean(run["seconds"] for run in runs)
                rows.append([loss, *cells, f"{seconds:.0f}"])
                head = [
                    "loss",
                    *("HD95" if key == "hd95" else key.replace("_f", " F") for key, _ in shown),
                    "CPU s",
                ]
        if rows:
            parts.append(f"### {name}\n\n{table([h[0].upper() + h[1:] for h in head], rows)}")
    return "\n".join(parts)


def main() -> None:
    """Run what is not there yet, and write the tables."""
    torch.set_num_threads(1)
    wanted = set(sys.argv[1:])
    entries = Entries(RESULTS / "evidence_region.json")
    facts = environment("torch", "monai", "numpy")
    for seed in SEEDS:
        for name, load in DATA.items():
            missing = [
                loss
                for loss in LOSSES
                if not entries.has(data=name, loss=loss, seed=seed, steps=STEPS)
                and (not wanted & set(DATA) or name in wanted)
                and (not wanted & set(LOSSES) or loss in wanted)
            ]
            if not missing:
                continue
            classes = load()
            for loss in missing:
                network = small_unet(classes.data, seed)
                seconds = train(
                    network,
                    classes.data,
                    objective(LOSSES[loss](len(classes.data.patch))),
                    steps=STEPS,
                    rate=RATE,
                    seed=seed,
                )
                key = {"data": name, "loss": loss, "seed": seed, "steps": STEPS, "seconds": seconds}
                entries.add(key | scores_of(network, classes), facts)
                (RESULTS / "evidence_region.md").write_text(markdown(entries))


if __name__ == "__main__":
    main()
