"""What a step reads from outside its run: where it lies, what is in it, and that it stays so meanwhile."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from objectwise.config.models import RunConfig
from objectwise.config.volumes import LOCATED, VolumeConfig
from objectwise.data import Volume, VolumeInfo
from objectwise.data.formats.common import parse_location
from objectwise.errors import VolumeError
from objectwise.pipeline.stacks import Sections, describe_stack, read_label_stack, read_raw_stack
from objectwise.workflow.fingerprint import InputDigests, Kind, voxels_digest
from objectwise.workflow.layout import RunDirectory
from objectwise.workflow.places import GROUPS, absolute_place


@dataclass(frozen=True)
class Input:
    """One input of a step.

    Parameters
    ----------
    name : str
        In the step's record, like `raw.left`.
    key : str
        Of the configuration that states it, like `data.train.0.raw`.
    place : str
        Location or path as stated there.
    kind : "raw", "labels", "mask" or "file"
        Labels must hold an object; a mask, or class labels, may hold none.
    sections : (int, int), optional
    channel_axis : int, optional
        Of a raw file that holds all channels.
    """

    name: str
    key: str
    place: str
    kind: Kind | Literal["file"]
    sections: Sections | None = None
    channel_axis: int | None = None

    def where(self) -> dict[str, Any]:
        """Return where the input lies, from whatever folder one looks."""
        sections = None if self.sections is None else list(self.sections)
        axis = {} if self.channel_axis is None else {"channel_axis": self.channel_axis}
        return {"place": absolute_place(self.place), "sections": sections, **axis}

    def describe(self) -> VolumeInfo:
        """Return what is known of the voxels without reading them."""
        return describe_stack(self.place, self.sections, self.channel_axis)

    def is_there(self) -> bool:
        """Say whether there is anything at that place."""
        return (Path(self.place) if self.kind == "file" else parse_location(self.place).path).exists()

    def digest(self, digests: InputDigests) -> str:
        """Return the digest of its content; read only where `digests` does not remember it."""
        if self.kind == "file":
            return digests.of_file(Path(self.place))
        return digests.of_volume(self.place, self.sections, kind=self.kind, channel_axis=self.channel_axis)

    def read(self, expected: str | None) -> Volume:
        """Read the voxels, and require those that the digest was taken of; any where there is none.

        Raises
        ------
        ChangedInputError
            If there are others now, whatever the date of the file says.
        """
        volume = (
            read_raw_stack(self.place, self.sections, self.channel_axis)
            if self.kind == "raw"
            else read_label_stack(self.place, self.sections)
        )
        if expected is not None and voxels_digest(volume) != expected:
            raise ChangedInputError(self)
        return volume

    def require_unchanged(self, expected: str) -> None:
        """Read a file's bytes, and require those that the digest was taken of.

        Raises
        ------
        ChangedInputError
            If there are others now.
        """
        if InputDigests().of_file(Path(self.place)) != expected:
            raise ChangedInputError(self)


class ChangedInputError(VolumeError):
    """An input is not what the step that reads it was begun for; nothing is marked complete."""

    def __init__(self, changed: Input) -> None:
        super().__init__(
            f"{changed.key}: `{changed.place}` must stay what the run was begun with, got another content; "
            "restore it, or let `objectwise run` say which steps it concerns"
        )
        self.changed = changed


def forget_changed(run: RunDirectory, changed: Input) -> None:
    """Let the next command take the digest of a changed input anew, whatever the date of the file says."""
    digests = InputDigests.read(run.inputs)
    digests.forget(changed.place, changed.sections, changed.channel_axis)
    digests.write(run.inputs)


def inputs_of(config: RunConfig, volume: VolumeConfig, name: str) -> tuple[Input, ...]:
    """Return the inputs of one key of a volume, such as `raw`; none where it has none."""
    key, places = f"{key_of(config, volume)}.{name}", volume.places(name)
    single = isinstance(getattr(volume, name), str)
    kind: Literal["raw", "labels", "mask"] = (
        "raw"
        if name == "raw"
        else "labels"
        if name == "labels" and config.task.name == "affinities"
        else "mask"
    )
    return tuple(
        Input(
            f"{name}.{volume.name}" if single else f"{name}.{volume.name}.{index}",
            key if single else f"{key}.{index}",
            place,
            kind,
            volume.sections,
            config.data.channel_axis if name == "raw" else None,
        )
        for index, place in enumerate(places)
    )


def raw_inputs(config: RunConfig, volume: VolumeConfig) -> tuple[Input, ...]:
    """Return the channels of a volume's image as inputs."""
    return inputs_of(config, volume, "raw")


def truth_inputs(config: RunConfig, volume: VolumeConfig) -> tuple[Input, ...]:
    """Return all that is known of a volume beside its image as inputs."""
    return tuple(one for name in LOCATED if name != "raw" for one in inputs_of(config, volume, name))


def key_of(config: RunConfig, volume: VolumeConfig) -> str:
    """Return the key of the configuration that states a volume, like `data.train.0`."""
    for group in GROUPS:
        volumes = getattr(config.data, group)
        if volume in volumes:
            return f"data.{group}.{volumes.index(volume)}"
    raise AssertionError(f"{volume.name} is no volume of the run")
