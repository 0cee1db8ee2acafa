"""Volumes as the pipeline takes them: always a stack (z, y, x), a single image being a stack of one."""

from __future__ import annotations

from dataclasses import replace

from objectwise.data import Volume, VolumeInfo, describe_volume, read_labels, read_volume

Sections = tuple[int, int]


def read_raw_stack(
    location: str, sections: Sections | None = None, channel_axis: int | None = None
) -> Volume:
    """Read a raw volume as (z, y, x) or (channels, z, y, x); see `objectwise.data.read_volume`."""
    return as_stack(read_volume(location, sections=sections, channel_axis=channel_axis))


def read_label_stack(location: str, sections: Sections | None = None) -> Volume:
    """Read labels as (z, y, x); see `objectwise.data.read_labels`."""
    return as_stack(read_labels(location, sections=sections))


def describe_stack(
    location: str, sections: Sections | None = None, channel_axis: int | None = None
) -> VolumeInfo:
    """Describe a volume as (z, y, x) without its voxels; see `objectwise.data.describe_volume`."""
    info = describe_volume(location, sections=sections, channel_axis=channel_axis)
    if len(info.shape) == 3:
        return info
    return replace(
        info, shape=(1, *info.shape), voxel_size=(1.0, *info.voxel_size), offset=(0.0, *info.offset)
    )


def as_stack(volume: Volume) -> Volume:
    """Return a volume as (z, y, x) or (channels, z, y, x)."""
    if len(volume.voxel_size) == 3:
        return volume
    has_channels = volume.channels is not None
    array = volume.array[:, None] if has_channels else volume.array[None]
    return Volume(array, (1.0, *volume.voxel_size), (0.0, *volume.offset), has_channels=has_channels)
