"""Volumes on disk, phantoms, sampling and augmentation."""

from typing import TYPE_CHECKING, Any

from objectwise.data.intensity import (
    ChannelNormalisation,
    Normalisation,
    fit_normalisation,
    normalisation_from_plain,
    normalise_raw,
    raw_range,
)
from objectwise.data.labelled_volume import LabelledVolume
from objectwise.data.phantom import Phantom, lesion_phantom, neuropil_phantom
from objectwise.data.sampling import Patch, PatchSampler, compact_labels
from objectwise.data.volume import Volume, VolumeInfo
from objectwise.data.volumes import (
    check_pair,
    describe_volume,
    read_in_parts,
    read_labels,
    read_volume,
    volume_files,
)
from objectwise.data.writing import volume_exists, write_volume

if TYPE_CHECKING:
    from objectwise.data.augmentation import PatchAugmentation
    from objectwise.data.map_dataset import MapDataset

__all__ = [
    "ChannelNormalisation",
    "LabelledVolume",
    "MapDataset",
    "Normalisation",
    "Patch",
    "PatchAugmentation",
    "PatchSampler",
    "Phantom",
    "Volume",
    "VolumeInfo",
    "check_pair",
    "compact_labels",
    "describe_volume",
    "fit_normalisation",
    "lesion_phantom",
    "neuropil_phantom",
    "normalisation_from_plain",
    "normalise_raw",
    "raw_range",
    "read_in_parts",
    "read_labels",
    "read_volume",
    "volume_exists",
    "volume_files",
    "write_volume",
]


def __getattr__(name: str) -> Any:
    # MONAI takes seconds to import; who only reads volumes does not wait for it.
    if name == "PatchAugmentation":
        from objectwise.data.augmentation import PatchAugmentation

        return PatchAugmentation
    if name == "MapDataset":  # the same goes for torch
        from objectwise.data.map_dataset import MapDataset

        return MapDataset
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
