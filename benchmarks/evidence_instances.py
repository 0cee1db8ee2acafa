"""Whether losses that look at objects find more of them than Dice does, on real images and on a phantom.

A short training with Dice + cross-entropy; from its weights each loss trains on, on the same patches and for
the same steps, with three seeds; "Dice" goes on as before. Runs for about half an hour on one core; stopped, it
goes on where it was. Give names of data or losses to run those alone:
`NUMBA_NUM_THREADS=1 python benchmarks/evidence_instances.py nuclei blob`.
"""

from __future__ import annotations

import copy
import statistics
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from evidence_data import apart, halves, ms_patient, nuclei, phantom
from harness import RESULTS, environment
from objectwise.losses import BlobLoss, CCDiceLoss, InstanceCenterLoss, InstanceLoss
from objectwise.maps.instances import connected_components
from objectwise.metrics import (
    DetectionScores,
    SizeClass,
    match_objects,
    pooled_scores,
    scores_of_matching,
    size_classes,
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

SEEDS = (0, 1, 2)
WARM_UP_STEPS, STEPS = 300, 250
WARM_UP_RATE, RATE = 2e-3, 1e-3

WITHOUT_PIXELS = {"pixel": 0.0}
# Added to Dice + cross-entropy. Blob loss with half the weight of the rest, as its paper has it.
LOSSES: dict[str, tuple[float, Callable[[], nn.Module]] | None] = {
    "Dice": None,
    "instance": (1.0, lambda: InstanceLoss(weights=WITHOUT_PIXELS)),
    "instance center": (1.0, lambda: InstanceCenterLoss(weights=WITHOUT_PIXELS)),
    "blob": (0.5, lambda: BlobLoss(weights=WITHOUT_PIXELS)),
    "CC-Dice": (1.0, lambda: CCDiceLoss(weights=WITHOUT_PIXELS)),
}


@dataclass(frozen=True)
class Objects:
    """Data, and how its objects are counted."""

    data: Data
    least_iou: float
    """An object is found if a predicted one overlaps it by more."""
    edges: tuple[int, int]
    """Voxels; where small objects end and large ones begin."""
    connectivity: int


def ms_halves() -> Objects:
    """Left halves of two brains to train, right halves to score."""
    left, right = zip(*(halves(ms_patient(number)) for number in ("07", "19")), strict=True)
    return Objects(Data(left, right, (32, 32, 32), 4, (16, 32, 64)), 0.0, (10, 50), 26)


def ms_patients() -> Objects:
    """One patient to train, the other to score."""
    data = Data([ms_patient("19")], [ms_patient("07")], (32, 32, 32), 4, (16, 32, 64))
    return Objects(data, 0.0, (10, 50), 26)


def nuclei2d() -> Objects:
    """Every other fluorescence image to train, the rest to score; trained on nuclei that do not touch."""
    images = nuclei()
    train_images = [Image(one.raw, apart(one.labels)) for one in images[::2]]
    return Objects(
        Data(train_images, images[1::2], (96, 96), 8, (16, 32, 64), contrast=0.1), 0.5, (50, 200), 4
    )


def lesion_phantoms() -> Objects:
    """Two phantoms of 64^3 to train, two of 96^3 to score."""
    data = Data(
        [phantom(s, 64) for s in (0, 1)], [phantom(s, 96) for s in (10, 11)], (32,) * 3, 4, (16, 32, 64)
    )
    return Objects(data, 0.1, (40, 400), 26)


DATA = {
    "lesion_phantom": lesion_phantoms,
    "nuclei": nuclei2d,
    "ms_halves": ms_halves,
    "ms_patients": ms_patients,
}


def dice_and_cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    """Return soft Dice over the batch, and the mean cross-entropy."""
    probability = logits.sigmoid()
    dice = (2 * (probability * target).sum() + 1) / (probability.sum() + target.sum() + 1)
    return 1 - dice + nn.functional.binary_cross_entropy_with_logits(logits, target)


def objective(name: str) -> Objective:
    """Return Dice + cross-entropy with the weighted loss of that name."""
    chosen = LOSSES[name]
    weight, loss = (0.0, None) if chosen is None else (chosen[0], chosen[1]())

    def value(logits: Tensor, labels: Tensor, done: float) -> Tensor:
        ids = labels[:, None]
        target = (ids > 0).float()
        total = dice_and_cross_entropy(logits, target)
        return total if loss is None else total + weight * loss(logits, target, instances=ids)

    return value


def scores_of(network: nn.Module, objects: Objects) -> dict[str, object]:
    """Return counts over all test images together, F1 by size, and Dice of all voxels together."""
    scores: list[DetectionScores] = []
    by_size: list[list[SizeClass]] = []
    common = voxels = 0
    for image in objects.data.test:
        mask = predict(network, objects.data, image.raw)[0] > 0
        if image.inside is not None:
            mask &= image.inside
        truth = image.labels > 0
        common, voxels = common + int((mask & truth).sum()), voxels + int(mask.sum()) + int(truth.sum())
        matching = match_objects(
            truth=image.labels,
            segmentation=connected_components(mask, objects.connectivity),
            threshold=objects.least_iou,
        )
        scores.append(scores_of_matching(matching))
        by_size.append(size_classes(matching, objects.edges))
    classes = [pooled_scores([one.scores for one in same]) for same in zip(*by_size, strict=True)]
    whole = pooled_scores(scores)
    return {
        **{name: getattr(whole, name) for name in ("found", "missed", "false", "f1", "mean_overlap")},
        "f1_by_size": [one.f1 for one in classes],
        "recall_by_size": [one.recall for one in classes],
        "counts_by_size": [one[:3] for one in classes],
        "dice": 2 * common / voxels,
    }


def markdown(entries: Entries) -> str:
    """Return a table for each set of data."""
    parts = []
    for name, load in DATA.items():
        runs = {loss: entries.matching(data=name, loss=loss, steps=STEPS) for loss in LOSSES}
        first = next((rows[0] for rows in runs.values() if rows), None)
        if first is None:
            continue
        low, high = first["edges"]
        sizes = (f"below {low}", f"{low} to {high - 1}", f"{high} and more")
        head = ["loss", "missed", "false", "F1", *(f"F1, {size} voxels" for size in sizes), "Dice", "CPU s"]
        title = f"### {name}: {first['found'] + first['missed']} objects, found where IoU > {first['least_iou']:g}"
        body = table(head, [[loss, *_cells(rows)] for loss, rows in runs.items() if rows])
        parts.append(f"{title}\n\n{load.__doc__}\n\n{body}")
    return "\n".join(parts)


def _cells(runs: Sequence[dict[str, object]]) -> list[str]:
    cells = [mean_and_spread([run[key] for run in runs], 0) for key in ("missed", "false")]
    cells.append(mean_and_spread([run["f1"] for run in runs]))
    cells += [mean_and_spread([run["f1_by_size"][index] for run in runs]) for index in range(3)]
    cells.append(mean_and_spread([run["dice"] for run in runs]))
    return [*cells, f"{statistics.mean(run['seconds'] for run in runs):.0f}"]


def main() -> None:
    """Run what is not there yet, and write the tables."""
    torch.set_num_threads(1)
    wanted = set(sys.argv[1:])
    entries = Entries(RESULTS / "evidence_instances.json")
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
            objects = load()
            start = small_unet(objects.data, seed)
            warm_up = {"steps": WARM_UP_STEPS, "rate": WARM_UP_RATE, "seed": seed, "decay": False}
            train(start, objects.data, objective("Dice"), **warm_up)
            for loss in missing:
                network = copy.deepcopy(start)
                options = {"steps": STEPS, "rate": RATE, "seed": 1000 + seed}
                seconds = train(network, objects.data, objective(loss), **options)
                key = {"data": name, "loss": loss, "seed": seed, "steps": STEPS, "seconds": seconds}
                key |= {"least_iou": objects.least_iou, "edges": objects.edges}
                entries.add(key | scores_of(network, objects), facts)
                (RESULTS / "evidence_instances.md").write_text(markdown(entries))


if __name__ == "__main__":
    main()
