"""The volumes of a run, and how their intensities become the input of the network."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, PositiveInt, model_validator

from objectwise.config.section import Section
from objectwise.config.values import Percent, default_of, without_effect


class VolumeConfig(Section):
    """One raw volume, and its labels where there are any.

    Paths are relative to the working directory, like any path on a command line; the run directory keeps
    them absolute. Data that moved are named anew (`--set data.train.0.raw=...`) and compared by content.
    `file.h5:path/in/file` names a data set in a container, and `${NAME:-default}` an environment variable.
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-][A-Za-z0-9_.-]*$", max_length=100)]
    """Names the files of the results; no two volumes share one, not even in other case."""
    raw: Annotated[str, Field(min_length=1)]
    """Location of the grey image, (z, y, x) or (y, x), integers or floats."""
    labels: Annotated[str, Field(min_length=1)] | None = None
    """Location of the integer ids, 0 for background, in the same shape; only `evaluate` goes without."""
    sections: tuple[Annotated[int, Field(ge=0)], PositiveInt] | None = None
    """First section and one past the last, along z; all sections by default."""

    @model_validator(mode="after")
    def _sections_ascend(self) -> Self:
        if self.sections is not None and self.sections[0] >= self.sections[1]:
            raise ValueError(f"sections must ascend [first, one past the last], got {list(self.sections)}")
        return self


class DataConfig(Section):
    """The volumes to train on, to choose the threshold on, and to segment and score."""

    written_out = ("source", "split")
    train: Annotated[tuple[VolumeConfig, ...], Field(min_length=1)]
    """Volumes the network learns from."""
    tune: tuple[VolumeConfig, ...] = ()
    """Volumes the threshold is chosen on; those of `train` by default. A network is surer of what it has
    trained on, so a few sections kept for this give a better threshold."""
    evaluate: tuple[VolumeConfig, ...] = ()
    """Volumes to segment, and to score where they have labels; those of `train` by default."""
    allow_different_voxel_sizes: bool = False
    """Accept voxel sizes more than a factor of 2 from that of the training; above 10 % there is a warning.
    A size of 1 along every axis counts as not stated."""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        for group, volumes in (("train", self.train), ("tune", self.tune)):
            for volume in volumes:
                if volume.labels is None:
                    raise ValueError(f"{group} volume {volume.name!r} needs labels")
        names = [volume.name for volume in (*self.train, *self.tune, *self.evaluate)]
        for at, name in enumerate(names):
            # Some file systems take names that differ in case for one.
            same = [other for other in names[:at] if other.lower() == name.lower()]
            if same:
                twice = "twice" if same[0] == name else f"and {same[0]!r}, which differ in case only"
                raise ValueError(f"volume names must differ, got {name!r} {twice}")
        return self


class NormalisationConfig(Section):
    """How raw intensities become the input of the network.

    The volumes of `data.train` decide, once, all of them together; `network.pt` carries the result to every
    volume that is predicted.
    """

    method: Literal["auto", "range", "percentiles", "zscore"] = "auto"
    """`auto`: uint8 by its whole range, 0 to 255, any other dtype by `percentiles`. `range`: by `range`.
    `percentiles`: by those of the training volumes. `zscore`: clipped to `percentiles`, then to mean 0 and
    standard deviation 1."""
    range: tuple[float, float] | None = None
    """Intensities that become 0 and 1, what lies outside is clipped; only with the method `range`."""
    percentiles: tuple[Percent, Percent] = (0.1, 99.9)
    """Percentiles of the training volumes that become 0 and 1; without effect on uint8 with `auto`."""

    @model_validator(mode="after")
    def _no_optionwithout_effect(self) -> Self:
        if self.method == "range" and self.range is None:
            raise ValueError("the method range needs normalisation.range, like [0, 4095]")
        if self.method != "range" and self.range is not None:
            raise without_effect("normalisation.range", f"with the method {self.method}")
        if self.method == "range" and self.percentiles != default_of(self, "percentiles"):
            raise without_effect("normalisation.percentiles", "with the method range")
        for name, pair in (("range", self.range), ("percentiles", self.percentiles)):
            if pair is not None and pair[0] >= pair[1]:
                raise ValueError(f"normalisation.{name} must ascend [low, high], got {list(pair)}")
        return self
