"""Defects of electron microscopy, put into patches on purpose: what a network has seen it survives.

Each defect meets single sections of a patch, and changes the raw image alone: the labels stay what they are,
so that a network learns to look at the neighbouring sections.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from objectwise.checks import check_number, check_positive
from objectwise.errors import ArgumentError

Section = NDArray[np.float32]
"""(channels, y, x), 0..1"""


@dataclass(frozen=True)
class Defects:
    """How often sections of a patch are damaged, as a probability for each section, and how badly.

    Raises
    ------
    ArgumentError
        If a probability is not in 0..1, or a magnitude out of its range.
    """

    low_contrast: float = 0.0
    """The section's contrast about its mean falls to `contrast`."""
    shifted: float = 0.0
    """It is displaced in the plane by up to `shift`; what enters is mirrored."""
    blurred: float = 0.0
    """It is out of focus by up to `blur`."""
    artefact: float = 0.0
    """A dark or bright blot of about a fifth of its width lies on it."""
    contrast: float = 0.2
    """Of a section of low contrast, as a share of what it was."""
    shift: float = 8.0
    """Voxels, the most along each axis of the plane."""
    blur: float = 3.0
    """Voxels, the largest standard deviation of the Gaussian."""

    def __post_init__(self) -> None:
        for name in PROBABILITIES:
            probability = getattr(self, name)
            check_number(probability, name=name)
            if not 0 <= probability <= 1:
                raise ArgumentError(f"`{name}` must be a probability in 0..1, got {probability}")
        check_number(self.contrast, name="contrast")
        if not 0 <= self.contrast <= 1:
            raise ArgumentError(f"`contrast` must be in 0..1, got {self.contrast}")
        for name in ("shift", "blur"):
            check_positive(getattr(self, name), name=name)

    @property
    def are_none(self) -> bool:
        """Whether no defect ever occurs."""
        return not any(getattr(self, name) for name in PROBABILITIES)

    def __call__(self, raw: NDArray[np.float32], generator: np.random.Generator) -> NDArray[np.float32]:
        """Return a damaged copy of (channels, z, y, x); each section has one defect at most.

        Every section takes the same numbers from the generator whether or not it is damaged, so that one
        probability more never moves the others' defects.
        """
        chances = np.array([getattr(self, name) for name in PROBABILITIES])
        damaged = raw.copy()
        for z in range(raw.shape[1]):
            own = np.random.default_rng(int(generator.integers(2**63)))
            hits = np.flatnonzero(own.random(len(PROBABILITIES)) < chances)
            if hits.size:
                damage = DAMAGES[PROBABILITIES[int(own.choice(hits))]]
                damaged[:, z] = np.clip(damage(self, raw[:, z], own), 0, 1)
        return damaged


def _low_contrast(defects: Defects, section: Section, generator: np.random.Generator) -> Section:
    mean = section.mean((1, 2), keepdims=True)
    faint: Section = mean + (section - mean) * np.float32(defects.contrast)
    return faint


def _shifted(defects: Defects, section: Section, generator: np.random.Generator) -> Section:
    by = generator.uniform(-defects.shift, defects.shift, 2)
    return np.stack([ndimage.shift(channel, by, order=1, mode="reflect") for channel in section])


def _blurred(defects: Defects, section: Section, generator: np.random.Generator) -> Section:
    sigma = generator.uniform(0.3 * defects.blur, defects.blur)
    return np.stack([ndimage.gaussian_filter(channel, sigma) for channel in section])


def _artefact(defects: Defects, section: Section, generator: np.random.Generator) -> Section:
    """Blend with black or white under a Gaussian hill; half of it is hidden at one standard deviation."""
    lengths = section.shape[1:]
    middle = [generator.uniform(0, length) for length in lengths]
    radii = [max(1.0, length / 10 * generator.uniform(0.5, 2)) for length in lengths]
    axes = [
        ((np.arange(length) - at) / radius) ** 2
        for length, at, radius in zip(lengths, middle, radii, strict=True)
    ]
    hill = np.exp(-0.7 * (axes[0][:, None] + axes[1][None, :])).astype(np.float32)
    colour = np.float32(generator.integers(2))
    blotted: Section = section + (colour - section) * hill
    return blotted


DAMAGES: dict[str, Callable[[Defects, Section, np.random.Generator], Section]] = {
    "low_contrast": _low_contrast,
    "shifted": _shifted,
    "blurred": _blurred,
    "artefact": _artefact,
}
PROBABILITIES = tuple(DAMAGES)
assert set(PROBABILITIES) < {one.name for one in fields(Defects)}
