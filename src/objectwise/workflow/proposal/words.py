"""What the names of files, folders and data sets say."""

from __future__ import annotations

import re
from collections.abc import Sequence

LABELS = frozenset(
    ("label", "labels", "labelstr", "mask", "masks", "seg", "segs", "segmentation", "gt", "groundtruth",
     "truth", "annotation", "annotations", "ids", "instance", "instances", "class", "classes", "semantic")
)  # fmt: skip
IMAGES = frozenset(
    ("image", "images", "imagestr", "img", "imgs", "raw", "scan", "scans", "input", "em", "volume", "volumes")
)
IDS = frozenset(
    ("ids", "instance", "instances", "neuron", "neurons", "nucleus", "nuclei", "cell", "cells", "cc")
)
"""Of truth whose numbers are objects."""
CLASSES = frozenset(("class", "classes", "semantic"))
"""Of truth whose numbers are kinds of things."""
RESULTS = frozenset(("pred", "prediction", "predictions", "predicted", "output", "outputs"))
"""Of what is neither image nor truth."""
_SAY_NOTHING = (
    LABELS
    | IMAGES
    | CLASSES
    | {"ids", "instance", "instances", "cc", "nii", "gz", "png", "tif", "tiff", "tr"}
)


def words_of(name: str) -> list[str]:
    """Return the words of a name in small letters: `labels/cells2d_cc4` has labels, cells, d and cc."""
    return re.findall(r"[a-z]+", name.lower())


def says(name: str, words: frozenset[str]) -> bool:
    """Say whether one of the words of a name is one of these."""
    return not words.isdisjoint(words_of(name))


def best_truth(names: Sequence[str]) -> str:
    """Return which of several truths is to be learnt: ids first, as they say more than masks."""
    return min(names, key=lambda name: (not says(name, IDS), len(name), name))


def structure_of(name: str) -> str | None:
    """Return what a truth is of, by its name: `lesion` of `lesion_mask`; None where it does not say."""
    end = name.replace("*", " ").rstrip("/").rpartition("/")[2]
    left = [word for word in words_of(end) if word not in _SAY_NOTHING and len(word) > 1]
    return "_".join(left) if 0 < len(left) <= 2 else None
