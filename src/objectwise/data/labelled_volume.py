"""A raw volume of a training, and what is known of it."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

TRUTH = ("labels", "classes", "ignore", "unlabelled")
"""What may be known of a volume beside its raw image."""


class LabelledVolume(NamedTuple):
    """A raw volume and what is known of it: (z, y, x), or (y, x) for 2-D patches, or channels in front."""

    name: str
    raw: NDArray[Any]
    labels: NDArray[Any] | None = None
    """Ids of objects, 0 for background."""
    classes: NDArray[Any] | None = None
    """Class labels, or a mask for each structure."""
    ignore: NDArray[np.bool_] | None = None
    """True where the truth is unknown."""
    unlabelled: NDArray[np.bool_] | None = None
    """True outside all objects where nothing is resolved into objects."""
    voxel_size: tuple[float, ...] = (1.0, 1.0, 1.0)
    """z, y, x, in the unit of the file."""

    def truth(self) -> dict[str, NDArray[Any]]:
        """Return what there is beside the raw image, by name."""
        return {name: getattr(self, name) for name in TRUTH if getattr(self, name) is not None}

    def foreground(self) -> NDArray[Any]:
        """Return an array that is not 0 where an object or a class is, (z, y, x)."""
        array = self.classes if self.labels is None else self.labels
        assert array is not None
        return array if array.ndim == 3 else np.asarray(array.any(0))
