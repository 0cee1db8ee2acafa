"""Volumes as the pipeline takes them: always a stack (z, y, x), a single image being a stack of one."""

from __future__ import annotations

from objectwise.data import Volume, VolumeInfo, describe_volume, read_labels, read_volume

Sections = tuple[int, int]


def read_raw_stack(location: str, sections: Sections | None = None) -> Volume:
    """Read a raw volume as (z, y, x); see `objectwise.data.read_volume`."""
    return as_stack(read_volume(location, sections=sections))


def read_label_stack(location: str, sections: Sections | None = None) -> Volume:
    """Read labels as (z, y, x); see `objectwise.data.read_labels`."""
    return as_stack(read_labels(location, sections=sections))


def describe_stack(location: str, sections: Sections | None = None) -> VolumeInfo:
    """Describe a volume as (z, y, x) without its voxels; see `objectwise.data.describe_volume`."""
    info = describe_volume(location, sections=sections)
    if len(info.shape) == 3:
        return info
    return VolumeInfo(
        (1, *info.shape), info.dtype, (1.0, *info.voxel_size), (0.0, *info.offset), location=info.location
    )


def as_stack(volume: Volume) -> Volume:
    """Return a volume as (z, y, x)."""
    if volume.array.ndim == 3:
        return volume
    return Volume(volume.array[None], (1.0, *volume.voxel_size), (0.0, *volume.offset))
