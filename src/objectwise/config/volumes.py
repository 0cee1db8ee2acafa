"""The volumes of a run, and how their intensities become the input of the network."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Discriminator, Field, PositiveFloat, PositiveInt, Tag, model_validator

from objectwise.config.section import Section
from objectwise.config.values import Percent, default_of, without_effect

Place = Annotated[str, Field(min_length=1)]
Places = Annotated[
    Annotated[Place, Tag("one")] | Annotated[tuple[Place, ...], Field(min_length=1), Tag("several")],
    Discriminator(lambda value: "several" if isinstance(value, list | tuple) else "one"),
]
Range = tuple[Annotated[int, Field(ge=0)], PositiveInt]


class VolumeConfig(Section):
    """One raw volume, and what is known of it.

    Paths are relative to the working directory, like any path on a command line; the run directory keeps
    them absolute. Data that moved are named anew (`--set data.train.0.raw=...`) and compared by content.
    `file.h5:path/in/file` names a data set in a container, and `${NAME:-default}` an environment variable.
    All locations of a volume have one shape.
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-][A-Za-z0-9_.-]*$", max_length=100)]
    """Names the files of the results; no two volumes share one, not even in other case."""
    raw: Places
    """Location of the image, (z, y, x) or (y, x), integers or floats; a list of `data.channels` locations,
    one a channel."""
    labels: Places | None = None
    """Location of the ids of objects, 0 for background, integers; with the task `masks` a list has one for
    each class but the background, or for each structure."""
    classes: Places | None = None
    """Location of the class labels, integers in the order of the task's names; a list has a mask for each
    class but the background, or for each structure. A mask has 0 and 1, or 0 and 255 as images have it, and
    so have the labels of a single class. Only with the task `masks`."""
    ignore: Place | None = None
    """Location of a mask: where it is not 0 the truth is unknown, for training and scores alike."""
    unlabelled: Place | None = None
    """Location of a mask: where it is not 0 and the labels are 0, nothing is resolved into objects, and what
    lies there may be part of any. Only with the task `affinities`."""
    sections: Range | None = None
    """First section and one past the last, along z; all sections by default."""
    annotated: tuple[Range, ...] | None = None
    """Sections with truth, [first, one past the last] each, counted as in the file; the others count as
    `ignore`. All by default."""
    voxel_size: tuple[PositiveFloat, PositiveFloat, PositiveFloat] | None = None
    """z, y, x; instead of what the files state."""

    @model_validator(mode="after")
    def _sections_ascend(self) -> Self:
        for name, ranges in (("sections", (self.sections,)), ("annotated", self.annotated or ())):
            for one in ranges:
                if one is not None and one[0] >= one[1]:
                    raise ValueError(f"{name} must ascend [first, one past the last], got {list(one)}")
        if self.annotated is not None and not self.has_truth:
            raise _without_truth("annotated")
        if self.ignore is not None and not self.has_truth:
            raise _without_truth("ignore")
        if self.unlabelled is not None and self.labels is None:
            raise _without_truth("unlabelled", "labels")
        return self

    @property
    def has_truth(self) -> bool:
        """Whether anything is known beside the image."""
        return self.labels is not None or self.classes is not None

    def places(self, key: str) -> tuple[str, ...]:
        """Return the locations of `raw`, `labels`, ...; none where there are none."""
        value: str | tuple[str, ...] | None = getattr(self, key)
        return () if value is None else (value,) if isinstance(value, str) else value


LOCATED = ("raw", "labels", "classes", "ignore", "unlabelled")
"""The keys of a volume that hold locations."""


def _without_truth(name: str, what: str = "labels or classes") -> ValueError:
    return ValueError(f"{name} has no effect on a volume without {what}; leave it out")


class DataConfig(Section):
    """The volumes to train on, to choose the threshold on, and to segment and score."""

    written_out = ("source", "split")
    train: Annotated[tuple[VolumeConfig, ...], Field(min_length=1)]
    """Volumes the network learns from."""
    tune: tuple[VolumeConfig, ...] = ()
    """Volumes the threshold is chosen on, those of `train` by default, and the network is scored on with
    `training.validation`. A network is surer of what it has trained on, so a few sections kept for this give
    a better threshold."""
    evaluate: tuple[VolumeConfig, ...] = ()
    """Volumes to segment, and to score where they have truth; those of `train` by default."""
    channels: PositiveInt = 1
    """Channels of the raw volumes."""
    channel_axis: int | None = None
    """Axis of the channels in the files of raw: -1, the last, in colour images, 0 in arrays (channels, z, y,
    x); by default there is none, and several channels are a list of locations."""
    ignore_label: Annotated[int, Field(ge=0)] | None = None
    """Class label (in volumes without `classes`: id) of voxels whose truth is unknown."""
    pieces: Literal["keep", "section", "volume"] = "keep"
    """Whether the connected pieces of an id become objects of their own: within each `section`, as images
    that were labelled in 3-D want it with `dimensions: 2`, or within the `volume`."""
    allow_different_voxel_sizes: bool = False
    """Accept voxel sizes more than a factor of 2 from that of the training; above 10 % there is a warning.
    A size of 1 along every axis counts as not stated."""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        for group, volumes in (("train", self.train), ("tune", self.tune)):
            for volume in volumes:
                if not volume.has_truth:
                    raise ValueError(f"{group} volume {volume.name!r} needs labels")
        volumes = (*self.train, *self.tune, *self.evaluate)
        names = [volume.name for volume in volumes]
        for at, name in enumerate(names):
            # Some file systems take names that differ in case for one.
            same = [other for other in names[:at] if other.lower() == name.lower()]
            if same:
                twice = "twice" if same[0] == name else f"and {same[0]!r}, which differ in case only"
                raise ValueError(f"volume names must differ, got {name!r} {twice}")
        return self

    @model_validator(mode="after")
    def _channels_agree(self) -> Self:
        in_one_file = self.channel_axis is not None
        if in_one_file and self.channels == 1:
            raise without_effect("data.channel_axis", "with data.channels 1")
        needed = 1 if in_one_file else self.channels
        for volume in (*self.train, *self.tune, *self.evaluate):
            n_places = len(volume.places("raw"))
            if n_places != needed:
                advice = "; data.channel_axis says where one file has them all" if n_places == 1 else ""
                why = "data.channel_axis" if in_one_file else f"data.channels is {self.channels}"
                raise ValueError(
                    f"raw of {volume.name!r} must be {needed} locations ({why}), got {n_places}{advice}"
                )
        return self


class NormalisationConfig(Section):
    """How raw intensities become the input of the network.

    The volumes of `data.train` decide, once, all of them together; `network.pt` carries the result to every
    volume that is predicted. Or `each` volume decides for itself. Several channels go by the intensities of
    each.
    """

    method: Literal["auto", "range", "percentiles", "zscore"] = "auto"
    """`auto`: uint8 by its whole range, 0 to 255, any other dtype by `percentiles`. `range`: by `range`.
    `percentiles`: by those of the training volumes. `zscore`: clipped to `percentiles`, then to mean 0 and
    standard deviation 1."""
    range: tuple[float, float] | None = None
    """Intensities that become 0 and 1, what lies outside is clipped; only with the method `range`."""
    percentiles: tuple[Percent, Percent] = (0.1, 99.9)
    """Percentiles of the training volumes that become 0 and 1; without effect on uint8 with `auto`."""
    each: bool = False
    """Normalise every volume, of the training or not, by its own intensities instead, as images of unequal
    exposure and MRI want it; only with the methods `percentiles` and `zscore`."""

    @model_validator(mode="after")
    def _no_optionwithout_effect(self) -> Self:
        if self.method == "range" and self.range is None:
            raise ValueError("the method range needs normalisation.range, like [0, 4095]")
        if self.method != "range" and self.range is not None:
            raise without_effect("normalisation.range", f"with the method {self.method}")
        if self.method == "range" and self.percentiles != default_of(self, "percentiles"):
            raise without_effect("normalisation.percentiles", "with the method range")
        if self.each and self.method not in ("percentiles", "zscore"):
            raise without_effect("normalisation.each", f"with the method {self.method}")
        for name, pair in (("range", self.range), ("percentiles", self.percentiles)):
            if pair is not None and pair[0] >= pair[1]:
                raise ValueError(f"normalisation.{name} must ascend [low, high], got {list(pair)}")
        return self
