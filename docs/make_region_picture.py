"""Draw the picture of docs/regions.md: every region-wise map of one label image.

Run `python docs/make_region_picture.py`; it writes docs/pictures/regions.png.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap, TwoSlopeNorm
from numpy.typing import NDArray

from objectwise import maps

PICTURES = Path(__file__).parent / "pictures"
COLOURS = ListedColormap(["#e6e4de", "#5a8fbb", "#d6400b"])


def organ_with_lesions() -> NDArray[np.int64]:
    """Return an organ (1) with a large and a small lesion (2) on background (0)."""
    y, x = np.mgrid[:96, :128]
    labels = (((y - 50) / 36) ** 2 + ((x - 58) / 50) ** 2 < 1).astype(np.int64)
    labels[(y - 42) ** 2 + (x - 76) ** 2 < 15**2] = 2
    labels[(y - 62) ** 2 + (x - 32) ** 2 < 5**2] = 2
    return labels


def draw(axes: Axes, title: str, values: NDArray[np.float32], labels: NDArray[np.int64]) -> None:
    """Draw one channel of a map, blue where it is negative and red where it is positive."""
    low, high = min(float(values.min()), 0.0), max(float(values.max()), 0.0)
    norm = TwoSlopeNorm(0, low or -high, high or -low)
    image = axes.imshow(values, cmap="RdBu_r", norm=norm)
    for border in (0.5, 1.5):
        axes.contour(labels, [border], colors="black", linewidths=0.5)
    ticks = sorted({low, 0.0, high})
    bar = axes.figure.colorbar(image, ax=axes, shrink=0.62, pad=0.02)
    bar.set_ticks(ticks, labels=[f"{tick:.0f}" if abs(tick) >= 100 else f"{tick:.3g}" for tick in ticks])
    bar.ax.set_ylim(low, high)  # a map of one sign has half a scale
    axes.set_title(title, fontsize=10)


def main() -> None:
    """Write the picture."""
    labels = organ_with_lesions()
    panels = [
        ("rectified, class 1", maps.rectified_region_wise_map(labels, 3)[1]),
        ("rectified, class 2", maps.rectified_region_wise_map(labels, 3)[2]),
        ("region-wise, not rectified, class 2", maps.region_wise_map(labels, 3)[2]),
        ("signed distance, class 2 (voxels)", maps.signed_distance_map(labels, 3)[2]),
        ("active contour, class 2", maps.active_contour_map(labels, 3)[2]),
        ("Hausdorff, class 2 (voxels squared)", maps.hausdorff_map(labels, 3)[2]),
        ("class weight, class 2", maps.class_weight_map(labels, 3)[2]),
    ]
    figure, grid = plt.subplots(2, 4, figsize=(13, 5.2), layout="constrained")
    first, *others = grid.flat
    first.imshow(labels, cmap=COLOURS, interpolation="nearest")
    first.set_title("labels: background 0, organ 1, lesions 2", fontsize=10)
    for axes, (title, values) in zip(others, panels, strict=True):
        draw(axes, title, values, labels)
    for axes in grid.flat:
        axes.set_axis_off()
    PICTURES.mkdir(exist_ok=True)
    figure.savefig(PICTURES / "regions.png", dpi=75)


if __name__ == "__main__":
    main()
