"""Augmentation of patches by MONAI's dictionary transforms, with exact labels.

Geometry moves raw and labels together; intensity touches raw alone. Labels are compact ids (1..n in a patch)
before anything resamples them, and are resampled by nearest neighbour: MONAI resamples in float64 and returns
float32, which holds every integer up to 2^24 exactly, more objects than a patch has voxels.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from monai.data.meta_obj import get_track_meta, set_track_meta
from monai.transforms.compose import Compose
from monai.transforms.intensity.dictionary import (
    RandAdjustContrastd,
    RandGaussianNoised,
    RandScaleIntensityFixedMeand,
    RandShiftIntensityd,
)
from monai.transforms.spatial.array import Rotate90
from monai.transforms.spatial.dictionary import Rand2DElasticd, RandFlipd, RandRotate90d
from monai.transforms.transform import MapTransform, RandomizableTransform
from torch import Tensor

from objectwise.data.sampling import Patch, compact_labels
from objectwise.errors import ArgumentError

KEYS = ("raw", "labels")

ELASTIC_SPACING = 24
"""Voxels between the control points of the elastic field: somewhat larger than a small neurite."""
ELASTIC_MAGNITUDE = (1.0, 4.0)
"""Voxels that a control point moves at most; well below half the spacing, so the field never folds."""
BRIGHTNESS, CONTRAST, GAMMA, NOISE = 0.15, 0.3, (0.75, 1.33), 0.05
"""Largest shift, relative change about the mean, exponent, and noise (standard deviation) for raw in 0..1."""

Data = dict[Hashable, Tensor]


class PatchAugmentation:
    """Change a patch at random, in a way that its seed alone decides.

    Parameters
    ----------
    dimensions : 2 or 3
    flip : float, 0..1
        Probability of a mirror image, for each axis.
    rotate : float, 0..1
        Probability of one to three quarter turns in the section plane; a plane that is not square can only
        turn by half.
    elastic : float, 0..1
        Probability of an elastic deformation in the section plane, the same for all sections: between
        thick sections there is nothing to interpolate.
    intensity : float, 0..1
        Probability of a change of brightness, of contrast, of gamma, and of noise, each for itself.
    missing_section : float, 0..1
        Probability that a section is black, for each section of a 3-D patch; its labels stay.

    Raises
    ------
    ArgumentError
        If a probability is not one, or sections of 2-D patches were to be missing.
    """

    def __init__(
        self,
        dimensions: int,
        *,
        flip: float = 0.5,
        rotate: float = 0.5,
        elastic: float = 0.2,
        intensity: float = 0.5,
        missing_section: float = 0.0,
    ) -> None:
        if dimensions not in (2, 3):
            raise ArgumentError(f"`dimensions` must be 2 or 3, got {dimensions}")
        if dimensions == 2 and missing_section:
            raise ArgumentError(f"`missing_section` must be 0 for 2-D patches, got {missing_section}")
        probabilities = {
            "flip": flip,
            "rotate": rotate,
            "elastic": elastic,
            "intensity": intensity,
            "missing_section": missing_section,
        }
        for name, probability in probabilities.items():
            if not 0 <= probability <= 1:
                raise ArgumentError(f"`{name}` must be a probability in 0..1, got {probability}")
        transforms: list[Any] = [RandFlipd(KEYS, prob=flip, spatial_axis=axis) for axis in range(dimensions)]
        transforms += [
            QuarterTurnsd(KEYS, prob=rotate),
            InPlaneElasticd(KEYS, prob=elastic),
            RandScaleIntensityFixedMeand("raw", factors=CONTRAST, prob=intensity),
            RandShiftIntensityd("raw", offsets=BRIGHTNESS, prob=intensity),
            ClipToUnitd("raw"),
            RandAdjustContrastd("raw", gamma=GAMMA, prob=intensity),
            RandGaussianNoised("raw", std=NOISE, prob=intensity),
            ClipToUnitd("raw"),
            MissingSectionsd("raw", prob=missing_section),
        ]
        self._compose = Compose(transforms)
        # One generator for all: seeding it anew costs microseconds, a generator per transform milliseconds.
        self._state = np.random.RandomState(0)
        for transform in transforms:
            if isinstance(transform, RandomizableTransform):
                transform.set_random_state(state=self._state)

    def __call__(self, patch: Patch, seed: int) -> Patch:
        """Return the changed patch: raw (1, *spatial) float32 in 0..1, labels (*spatial) int64.

        The ids are among those of `patch`, or compact where those were large.
        """
        labels = patch.labels if patch.labels.max() <= patch.labels.size else compact_labels(patch.labels)
        self._state.seed(seed)
        data: Data = {"raw": torch.from_numpy(patch.raw), "labels": torch.from_numpy(labels[None])}
        with _without_metadata():
            data = self._compose(data)
        return Patch(
            np.ascontiguousarray(data["raw"].numpy()), np.ascontiguousarray(data["labels"][0].numpy())
        )


@contextmanager
def _without_metadata() -> Iterator[None]:
    """Have MONAI return plain tensors: keeping the history of a patch takes longer than turning it."""
    before = get_track_meta()
    set_track_meta(False)
    try:
        yield
    finally:
        set_track_meta(before)


class _Together(RandomizableTransform, MapTransform):
    """Base of the transforms below: (1, *spatial) tensors in, the same shape and dtype out."""

    def __init__(self, keys: Sequence[str] | str, prob: float) -> None:
        MapTransform.__init__(self, keys)
        RandomizableTransform.__init__(self, prob)


class QuarterTurnsd(_Together):
    """Turn the last two axes by 90, 180 or 270 degrees; by 180 where they differ in length."""

    def __init__(self, keys: Sequence[str] | str, prob: float) -> None:
        super().__init__(keys, prob)
        # Turns of a volume in its section plane are those of its sections.
        self._quarters = {
            n: RandRotate90d(keys, prob=1.0, max_k=3, spatial_axes=(n - 2, n - 1)) for n in (2, 3)
        }
        self._half = {n: Rotate90(k=2, spatial_axes=(n - 2, n - 1)) for n in (2, 3)}

    def set_random_state(self, seed: int | None = None, state: Any = None) -> QuarterTurnsd:
        """Seed this transform and those it calls."""
        super().set_random_state(seed, state)
        for transform in self._quarters.values():
            transform.set_random_state(seed, state)
        return self

    def __call__(self, data: Mapping[Hashable, Tensor]) -> Data:
        """Turn all keys by the same angle."""
        result = dict(data)
        self.randomize(None)
        if not self._do_transform:
            return result
        spatial = result[self.first_key(result)].shape[1:]
        if spatial[-1] == spatial[-2]:
            return dict(self._quarters[len(spatial)](result))
        for key in self.key_iterator(result):
            result[key] = self._half[len(spatial)](result[key])
        return result


class InPlaneElasticd(_Together):
    """Deform the last two axes by one smooth random field, raw linearly and labels by nearest neighbour.

    MONAI's own transform resamples by the identity where it does nothing; this one leaves the data alone.
    """

    def __init__(self, keys: tuple[str, str], prob: float) -> None:
        super().__init__(keys, prob)
        self._elastic = Rand2DElasticd(
            keys,
            spacing=(ELASTIC_SPACING, ELASTIC_SPACING),
            magnitude_range=ELASTIC_MAGNITUDE,
            prob=1.0,
            mode=("bilinear", "nearest"),
            padding_mode="reflection",
        )

    def set_random_state(self, seed: int | None = None, state: Any = None) -> InPlaneElasticd:
        """Seed this transform and the one it calls."""
        super().set_random_state(seed, state)
        self._elastic.set_random_state(seed, state)
        return self

    def __call__(self, data: Mapping[Hashable, Tensor]) -> Data:
        """Deform all keys by the same field."""
        result = dict(data)
        self.randomize(None)
        if not self._do_transform:
            return result
        before = {key: result[key] for key in self.key_iterator(result)}
        if any(tensor.max() >= 2**24 for tensor in before.values() if not tensor.is_floating_point()):
            raise ArgumentError("`labels` must be compact (below 2^24) before resampling; use compact_labels")
        # The sections of a volume take the place of channels: all of them move alike.
        sections = {key: tensor.flatten(0, -3) for key, tensor in before.items()}
        warped = self._elastic(sections)
        for key, tensor in before.items():
            moved = torch.as_tensor(warped[key]).reshape(tensor.shape)
            result[key] = moved if tensor.is_floating_point() else moved.round().to(tensor.dtype)
        return result


class MissingSectionsd(_Together):
    """Blacken each section of a (1, z, y, x) tensor with probability `prob`."""

    def __call__(self, data: Mapping[Hashable, Tensor]) -> Data:
        """Blacken the same sections of all keys."""
        result = dict(data)
        for key in self.key_iterator(result):
            if self.prob > 0:
                missing = self.R.random_sample(result[key].shape[1]) < self.prob
                result[key] = result[key].clone()
                result[key][:, torch.from_numpy(missing)] = 0
        return result


class ClipToUnitd(MapTransform):
    """Clip to 0..1, as a detector saturates."""

    def __call__(self, data: Mapping[Hashable, Tensor]) -> Data:
        """Clip all keys."""
        result = dict(data)
        for key in self.key_iterator(result):
            result[key] = result[key].clamp(0, 1)
        return result
