"""Volumes on disk, phantoms, sampling and augmentation."""

from objectwise.data.volumes import (
    Volume,
    VolumeInfo,
    check_pair,
    describe_volume,
    read_labels,
    read_volume,
    write_volume,
)

__all__ = [
    "Volume",
    "VolumeInfo",
    "check_pair",
    "describe_volume",
    "read_labels",
    "read_volume",
    "write_volume",
]
