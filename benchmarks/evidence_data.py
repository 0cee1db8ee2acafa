"""The real images of the evidence, cut and scaled; where they come from is said in docs/results.md.

They are not part of this repository: OBJECTWISE_SHARED names the folder that holds `data/`.
"""

from __future__ import annotations

import csv
import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from objectwise.data import lesion_phantom, read_volume
from objectwise.maps.instances import connected_components
from small_training import Image, standardised


def shared() -> Path:
    """Return the folder of the data sets."""
    default = Path(__file__).resolve().parents[2] / "shared"
    return Path(os.environ.get("OBJECTWISE_SHARED", default)) / "data"


def ms_patient(number: str) -> Image:
    """Return FLAIR and T1 of a patient, cut to the brain, with the lesions' ids."""
    folder = shared() / "ms_lesions" / f"patient{number}"
    flair, t1, lesions = (
        read_volume(str(folder / f"{name}.nii.gz")).array for name in ("flair", "t1", "lesion_instances_cc26")
    )
    brain = (flair > 20) | (t1 > 20)
    raw = np.stack([standardised(part, brain) for part in (flair, t1)])
    return Image(raw, lesions.astype(np.int64), brain)


def nuclei(kind: str = "fluo") -> list[Image]:
    """Return the images of one kind, bright on dark, with the nuclei's ids."""
    folder = shared() / "nuclei2d_dsb2018"
    with (folder / "index.csv").open() as file:
        names = [row["name"] for row in csv.DictReader(file) if row["kind"] == kind]
    images = []
    for name in names:
        raw = read_volume(str(folder / "images" / f"{name}.png")).array
        ids = read_volume(str(folder / "labels" / f"{name}.png")).array.astype(np.int64)
        # Not by quartiles: both lie in the background, which is nearly flat.
        scaled = (raw.reshape(ids.shape) - raw.mean()) / raw.std()
        images.append(Image(scaled.astype(np.float32)[None], ids))
    return images


def apart(ids: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the ids without the voxels that touch another id, so that the mask keeps objects apart."""
    touching = np.zeros(ids.shape, bool)
    for axis in range(ids.ndim):
        first, second = (np.moveaxis(ids, axis, 0)[part] for part in (slice(None, -1), slice(1, None)))
        meet = (first != second) & (first > 0) & (second > 0)
        marked = np.moveaxis(touching, axis, 0)
        marked[:-1] |= meet
        marked[1:] |= meet
    return np.where(touching, 0, ids)


def phantom(seed: int, size: int) -> Image:
    """Return a phantom with lesions of 4 to 4000 voxels; the small ones are as faint as the grain."""
    made = lesion_phantom((size,) * 3, seed=seed)
    return Image(standardised(made.raw)[None], made.labels.astype(np.int64))


def halves(image: Image) -> tuple[Image, Image]:
    """Return the left and the right half of a brain, its lesions numbered anew in each."""
    middle = int(np.median(np.nonzero(image.inside)[2]))
    parts = []
    for half in (slice(None, middle), slice(middle, None)):
        mask = image.labels[..., half] > 0
        ids = connected_components(mask).astype(np.int64)
        parts.append(Image(image.raw[..., half], ids, image.inside[..., half]))
    return parts[0], parts[1]


def neuropil_sections() -> list[Image]:
    """Return the sections of a fly's nerve cord: classes 1 membrane, 2 mitochondrion, 3 synapse, 0 the rest."""
    file = shared() / "vnc_sstem" / "slices_00_13.h5"
    raw, *masks = (
        read_volume(f"{file}:volumes/{name}").array
        for name in ("raw", "labels/membranes", "labels/mitochondria", "labels/synapses")
    )
    classes = np.zeros(raw.shape, np.int64)
    for index, mask in enumerate(masks, start=1):  # a later class lies on top
        classes[mask > 0] = index
    return [Image(standardised(one)[None], labels) for one, labels in zip(raw, classes, strict=True)]
