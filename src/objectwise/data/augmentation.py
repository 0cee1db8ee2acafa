"""Augmentation of patches by MONAI's dictionary transforms, with exact labels.

Geometry moves raw and labels together; intensity touches raw alone. Labels are compact ids (1..n in a patch)
before anything resamples them, and are resampled by nearest neighbour: MONAI resamples in float64 and returns
float32, which holds every integer up to 2^24 exactly, more objects than a patch has voxels.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
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
from numpy.typing import NDArray
from torch import Tensor

from objectwise.checks import check_dimensions, check_number, check_positive, check_whole_number
from objectwise.data.defects import Defects
from objectwise.data.labelled_volume import TRUTH
from objectwise.data.sampling import Patch, compact_labels
from objectwise.errors import ArgumentError

KEYS = ("raw", *TRUTH)

Data = dict[Hashable, Tensor]


@dataclass(frozen=True)
class Magnitudes:
    """How much an augmentation changes where it does."""

    elastic_spacing: int = 24
    """Voxels between the control points of the elastic field: somewhat larger than a small neurite."""
    elastic: tuple[float, float] = (1.0, 4.0)
    """Voxels that a control point moves at most, drawn between the two; well below half the spacing, so that
    the field never folds."""
    brightness: float = 0.15
    """Largest shift of raw in 0..1."""
    contrast: float = 0.3
    """Largest relative change about the mean."""
    gamma: tuple[float, float] = (0.75, 1.33)
    """Exponents."""
    noise: float = 0.05
    """Standard deviation."""

    def __post_init__(self) -> None:
        check_whole_number(self.elastic_spacing, least=2, name="elastic_spacing")
        for name in ("brightness", "contrast", "noise"):
            check_positive(getattr(self, name), name=name, or_zero=True)
        for name, limit in (("elastic", self.elastic_spacing / 2), ("gamma", math.inf)):
            low, high = getattr(self, name)
            if not 0 <= low <= high < limit:
                raise ArgumentError(
                    f"`{name}` must ascend from 0 and stay below {limit:g}, got {(low, high)}"
                )


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
    magnitudes : Magnitudes
    defects : Defects
        Of single sections, after all others.

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
        magnitudes: Magnitudes | None = None,
        defects: Defects | None = None,
    ) -> None:
        check_dimensions(dimensions)
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
            check_number(probability, name=name)
            if not 0 <= probability <= 1:
                raise ArgumentError(f"`{name}` must be a probability in 0..1, got {probability}")
        magnitudes = Magnitudes() if magnitudes is None else magnitudes
        transforms: list[Any] = [
            RandFlipd(KEYS, prob=flip, spatial_axis=axis, allow_missing_keys=True)
            for axis in range(dimensions)
        ]
        transforms += [
            QuarterTurnsd(KEYS, prob=rotate),
            InPlaneElasticd(KEYS, prob=elastic, magnitudes=magnitudes),
            RandScaleIntensityFixedMeand("raw", factors=magnitudes.contrast, prob=intensity),
            RandShiftIntensityd("raw", offsets=magnitudes.brightness, prob=intensity),
            ClipToUnitd("raw"),
            RandAdjustContrastd("raw", gamma=magnitudes.gamma, prob=intensity),
            RandGaussianNoised("raw", std=magnitudes.noise, prob=intensity),
            ClipToUnitd("raw"),
            MissingSectionsd("raw", prob=missing_section),
        ]
        self._defects = Defects() if defects is None else defects
        self._compose = Compose(transforms)
        # One generator for all: seeding it anew costs microseconds, a generator per transform milliseconds.
        self._state = np.random.RandomState(0)
        for transform in transforms:
            if isinstance(transform, RandomizableTransform):
                transform.set_random_state(state=self._state)

    def __call__(self, patch: Patch, seed: int) -> Patch:
        """Return the changed patch: raw (channels, *spatial) float32 in 0..1, the truth moved along.

        The ids of a patch are among its own, or compact where those were large.
        """
        self._state.seed(seed)
        data: Data = {"raw": torch.from_numpy(patch.raw)}
        for name, array in patch.arrays().items():
            small = array if array.max() <= array.size else compact_labels(array)
            data[name] = torch.from_numpy(small)
        with _without_metadata():
            data = self._compose(data)
        raw = np.ascontiguousarray(data["raw"].numpy())
        if not self._defects.are_none:
            raw = self._with_defects(raw)
        truth = {
            name: np.ascontiguousarray(data[name].numpy() if part.ndim == raw.ndim else data[name][0].numpy())
            for name, part in patch.truth.items()
        }
        return Patch(raw, truth)

    def _with_defects(self, raw: NDArray[np.float32]) -> NDArray[np.float32]:
        sections = raw if raw.ndim == 4 else raw[:, None]
        generator = np.random.default_rng(int(self._state.randint(2**31)))
        return self._defects(sections, generator).reshape(raw.shape)


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
        MapTransform.__init__(self, keys, allow_missing_keys=True)
        RandomizableTransform.__init__(self, prob)


class QuarterTurnsd(_Together):
    """Turn the last two axes by 90, 180 or 270 degrees; by 180 where they differ in length."""

    def __init__(self, keys: Sequence[str] | str, prob: float) -> None:
        super().__init__(keys, prob)
        # Turns of a volume in its section plane are those of its sections.
        self._quarters = {
            n: RandRotate90d(keys, prob=1.0, max_k=3, spatial_axes=(n - 2, n - 1), allow_missing_keys=True)
            for n in (2, 3)
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
    """Deform the last two axes by one smooth random field, raw linearly and the truth by nearest neighbour.

    MONAI's own transform resamples by the identity where it does nothing; this one leaves the data alone.
    """

    def __init__(self, keys: Sequence[str], prob: float, magnitudes: Magnitudes) -> None:
        super().__init__(keys, prob)
        self._elastic = Rand2DElasticd(
            keys,
            spacing=(magnitudes.elastic_spacing,) * 2,
            magnitude_range=magnitudes.elastic,
            prob=1.0,
            mode=tuple("bilinear" if key == "raw" else "nearest" for key in keys),
            padding_mode="reflection",
            allow_missing_keys=True,
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
        if any(int(tensor.max()) >= 2**24 for tensor in before.values() if not tensor.is_floating_point()):
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
