"""Which patches a training sees, and how they are changed."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, model_validator

from objectwise.config.section import Section
from objectwise.config.values import Fraction, default_of, without_effect


class BalanceConfig(Section):
    """Patches that a training sees more often than chance has them."""

    around: Literal["anywhere", "objects", "classes"] = "anywhere"
    """`objects`: patches hold a voxel of an object, every object being as likely as any other; `classes`: of
    a class other than the background, every class being as likely."""
    share: Annotated[float, Field(gt=0, le=1)] = 0.5
    """Share of the patches that are drawn around objects or classes; the others come from anywhere."""
    minimum_objects: Annotated[int, Field(ge=0)] = 0
    """A patch with fewer objects is drawn again, at most 50 times; then the one that comes nearest is taken.
    2 in the first paper on maximin pairs: a patch of one object says nothing about where objects end."""
    minimum_object_size: PositiveInt = 1
    """Voxels within the patch from which an object counts; only with `minimum_objects`."""

    @model_validator(mode="after")
    def _no_option_without_effect(self) -> Self:
        if self.around == "anywhere" and self.share != default_of(self, "share"):
            raise without_effect("training.balance.share", "with patches from anywhere")
        if not self.minimum_objects and self.minimum_object_size != default_of(self, "minimum_object_size"):
            raise without_effect("training.balance.minimum_object_size", "without minimum_objects")
        return self


class MagnitudesConfig(Section):
    """How much an augmentation changes where it does."""

    elastic_spacing: Annotated[int, Field(ge=2)] = 24
    """Voxels between the points that the elastic deformation moves: somewhat more than a small object."""
    elastic: tuple[NonNegativeFloat, NonNegativeFloat] = (1.0, 4.0)
    """Voxels that such a point moves at most, drawn between the two; less than half the spacing."""
    brightness: NonNegativeFloat = 0.15
    """Largest shift of intensities, which lie in 0..1."""
    contrast: NonNegativeFloat = 0.3
    """Largest relative change about the mean."""
    gamma: tuple[NonNegativeFloat, NonNegativeFloat] = (0.75, 1.33)
    """Least and largest exponent."""
    noise: NonNegativeFloat = 0.05
    """Standard deviation."""

    @model_validator(mode="after")
    def _ranges_ascend(self) -> Self:
        key = "training.augmentation.magnitudes"
        for name in ("elastic", "gamma"):
            low, high = getattr(self, name)
            if low > high:
                raise ValueError(f"{key}.{name} must ascend [least, most], got {[low, high]}")
        if self.elastic[1] >= self.elastic_spacing / 2:
            raise ValueError(
                f"{key}.elastic must stay below half the spacing ({self.elastic_spacing / 2:g}), or the "
                f"deformation folds, got {self.elastic[1]:g}"
            )
        return self


class DefectsConfig(Section):
    """Defects of single sections, as electron microscopy has them; labels are kept.

    A section has one of them at most.
    """

    low_contrast: Fraction = 0.0
    """How often a section's contrast about its mean falls to `contrast`; a probability for each section."""
    shifted: Fraction = 0.0
    """How often it is displaced in its plane by up to `shift`."""
    blurred: Fraction = 0.0
    """How often it is out of focus by up to `blur`."""
    artefact: Fraction = 0.0
    """How often a dark or bright blot lies on it."""
    contrast: Fraction = 0.2
    """Of a section of low contrast, as a share of what it was."""
    shift: PositiveFloat = 8.0
    """Voxels, the most along each axis of the plane."""
    blur: PositiveFloat = 3.0
    """Voxels, the largest standard deviation of the Gaussian."""

    @model_validator(mode="after")
    def _no_option_without_effect(self) -> Self:
        for name, how_often in (("contrast", "low_contrast"), ("shift", "shifted"), ("blur", "blurred")):
            if not getattr(self, how_often) and getattr(self, name) != default_of(self, name):
                raise without_effect(f"training.augmentation.defects.{name}", f"with {how_often} at 0")
        return self


class AugmentationConfig(Section):
    """How often each augmentation is applied, as a probability per patch."""

    flip: Fraction = 0.5
    """Mirror images, for each axis."""
    rotate: Fraction = 0.5
    """Quarter turns in the section plane."""
    elastic: Fraction = 0.2
    """A smooth deformation in the section plane, the same for all sections."""
    intensity: Fraction = 0.5
    """Brightness, contrast, gamma and noise, each for itself."""
    missing_section: Fraction = 0.0
    """Per section of a 3-D patch: raw set to black, labels kept."""
    magnitudes: MagnitudesConfig = MagnitudesConfig()
    defects: DefectsConfig = DefectsConfig()

    @model_validator(mode="after")
    def _no_option_without_effect(self) -> Self:
        of = {
            "elastic": ("elastic_spacing", "elastic"),
            "intensity": ("brightness", "contrast", "gamma", "noise"),
        }
        for how_often, names in of.items():
            for name in names:
                value = getattr(self.magnitudes, name)
                if not getattr(self, how_often) and value != default_of(self.magnitudes, name):
                    key = f"training.augmentation.magnitudes.{name}"
                    raise without_effect(key, f"with training.augmentation.{how_often} at 0")
        return self
