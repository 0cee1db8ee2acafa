"""Draw the picture of docs/malis.md: a merge, what cross-entropy sees of it, and the edge that MALIS blames.

Run `python docs/make_pictures.py`; it writes docs/pictures/malis.png.
"""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from numpy.typing import NDArray
from scipy import ndimage

from objectwise import affinities_from_labels, components_from_affinities, malis_pair_counts, neuropil_phantom

OFFSETS = [[-1, 0], [0, -1]]
PICTURES = Path(__file__).parent / "pictures"


def predicted(labels: NDArray[np.int64]) -> tuple[NDArray[np.float32], tuple[int, ...]]:
    """Return nearly perfect affinities with one leak between two large objects, and where it is."""
    rng = np.random.default_rng(0)
    affinities = affinities_from_labels(labels, OFFSETS) * 0.8 + 0.1
    affinities += rng.uniform(-0.05, 0.05, affinities.shape).astype(np.float32)
    first, second = (ndimage.distance_transform_edt(labels != label) for label in largest(labels, 2))
    y, x = np.unravel_index(np.argmin(first + second), labels.shape)
    leak = affinities[:, y - 1 : y + 2, x - 5 : x + 6]
    leak[...] = 0.7 + rng.uniform(-0.08, 0.08, leak.shape).astype(np.float32)
    return affinities, (int(y), int(x))


def largest(labels: NDArray[np.int64], n: int) -> list[int]:
    """Return the ids of the n largest objects."""
    ids, counts = np.unique(labels[labels > 0], return_counts=True)
    return [int(label) for label in ids[np.argsort(-counts)[:n]]]


def draw_edges(axes: Axes, weights: NDArray[np.float64], colour: str) -> None:
    """Draw every edge with a weight as a stroke between its two pixels, as wide as its share."""
    strongest = weights.max()
    for c, y, x in np.argwhere(weights > strongest / 100):
        dy, dx = OFFSETS[c]
        width = 1 + 7 * np.sqrt(weights[c, y, x] / strongest)
        axes.plot([x, x + dx], [y, y + dy], color=colour, linewidth=width, solid_capstyle="round")


def main() -> None:
    """Write the picture."""
    phantom = neuropil_phantom((96, 96), seed=5)
    labels = phantom.labels.astype(np.int64)
    affinities, _ = predicted(labels)
    counts = malis_pair_counts(affinities, labels, OFFSETS)
    truth = affinities_from_labels(labels, OFFSETS)
    merged = components_from_affinities(affinities, OFFSETS, 0.5)
    colours = mpl.colormaps["tab20"]

    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(12, 4.3), layout="constrained")
    left.imshow(phantom.raw, cmap="gray")
    left.imshow(
        np.ma.masked_equal(merged % 19 + (merged > 0), 0), cmap=colours, alpha=0.45, interpolation="nearest"
    )
    left.set_title("Threshold 0.5: one leak merges two objects")
    for axes, weights, title in (
        (middle, np.abs(affinities - truth), "Cross-entropy: every edge is a little wrong"),
        (right, counts.negative * affinities**2, "MALIS: the edge that decides the merge"),
    ):
        axes.imshow(phantom.raw, cmap="gray", alpha=0.6)
        if axes is middle:
            axes.imshow(np.ma.masked_less(weights.max(0), 0.02), cmap="Oranges", alpha=0.6)
        else:
            draw_edges(axes, weights.astype(np.float64), "#d6400b")
        axes.set_title(title)
    for axes in (left, middle, right):
        axes.set_axis_off()
    PICTURES.mkdir(exist_ok=True)
    figure.savefig(PICTURES / "malis.png", dpi=80)


if __name__ == "__main__":
    main()
