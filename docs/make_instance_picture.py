"""Draw the picture of docs/instances.md: which pixels each term of the instance loss pulls where.

Run `python docs/make_instance_picture.py`; it writes docs/pictures/instances.png.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from numpy.typing import NDArray
from scipy import ndimage

from objectwise import InstanceLoss

PICTURES = Path(__file__).parent / "pictures"
SHAPE = (48, 72)
TITLES = {
    "pixel": "pixel: Dice of all pixels",
    "label_instances": "label_instances: each true object",
    "output_instances": "output_instances: each predicted one",
    "center": "center: around every middle",
    "false": "false: predicted, meets no truth",
    "missed": "missed: true, meets no prediction",
    "proximity": "proximity: the farther, the stronger",
}


def disc(y: float, x: float, radius: float, stretch: float = 1.0) -> NDArray[np.bool_]:
    """Return an ellipse."""
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
    return (rows - y) ** 2 + ((columns - x) / stretch) ** 2 <= radius**2


def scene() -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return probabilities and truth: one found, two merged, one missed, one small missed, two false."""
    truth = disc(12, 13, 8) | disc(34, 12, 5) | disc(34, 27, 5) | disc(12, 50, 4) | disc(40, 62, 2)
    predicted = disc(14, 16, 8) | disc(34, 19, 5, 2.4) | disc(25, 44, 4) | disc(5, 66, 3)
    smooth = ndimage.gaussian_filter(predicted.astype(np.float64), 1.0)
    return 0.05 + 0.85 * smooth, truth


def pulls(probabilities: NDArray[np.float64], truth: NDArray[np.bool_]) -> dict[str, NDArray[np.float64]]:
    """Return where a step against the gradient of every term goes, positive for up."""
    prediction = torch.from_numpy(probabilities)[None, None].requires_grad_()
    terms = InstanceLoss(activation="none").terms(prediction, torch.from_numpy(truth)[None, None])
    gradients = {
        name: torch.autograd.grad(term, prediction, retain_graph=True)[0]
        for name, term in terms._asdict().items()
    }
    return {name: -gradient[0, 0].numpy() for name, gradient in gradients.items()}


def outline(axes: Axes, truth: NDArray[np.bool_], predicted: NDArray[np.bool_]) -> None:
    """Draw true objects with a full line, predicted ones with a broken line."""
    axes.contour(truth, [0.5], colors="black", linewidths=1.4)
    axes.contour(predicted, [0.5], colors="#e08000", linewidths=1.4, linestyles="--")
    axes.set_axis_off()


def main() -> None:
    """Write the picture."""
    probabilities, truth = scene()
    predicted = probabilities >= 0.5
    figure, grid = plt.subplots(2, 4, figsize=(14, 5.4), layout="constrained")
    panels = iter(grid.flat)
    first = next(panels)
    first.imshow(probabilities, cmap="gray_r", vmin=0, vmax=1.6)
    first.set_title("truth (black), prediction (broken)", fontsize=10)
    outline(first, truth, predicted)
    for (name, pull), axes in zip(pulls(probabilities, truth).items(), panels, strict=True):
        # The square root shows weak pulls too; colours are relative to the strongest of each term.
        strength = np.sign(pull) * np.sqrt(np.abs(pull) / np.abs(pull).max())
        axes.imshow(strength, cmap="RdBu", vmin=-1, vmax=1, interpolation="nearest")
        axes.set_title(TITLES[name], fontsize=10)
        outline(axes, truth, predicted)
    PICTURES.mkdir(exist_ok=True)
    figure.savefig(PICTURES / "instances.png", dpi=80)


if __name__ == "__main__":
    main()
