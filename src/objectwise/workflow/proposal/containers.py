"""Which data set of an HDF5 file or a Zarr is the image, and which its truth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from objectwise.data.formats.common import one_sentence, parse_location
from objectwise.errors import ArgumentError
from objectwise.workflow.proposal.words import IMAGES, LABELS, RESULTS, best_truth, says

_LEAST_AXES = 2


class Inside(NamedTuple):
    """Paths inside a container."""

    raw: str
    truth: str
    others: Sequence[str]
    """Further truths."""


def find_pair(file: Path) -> Inside:
    """Return image and truth by their names; one that has no such name is what is left.

    Raises
    ------
    ArgumentError
        If that leaves none, or several.
    """
    found = {
        name: dtype
        for name, (axes, dtype) in _arrays(file).items()
        if axes >= _LEAST_AXES and dtype.kind in "biuf" and not says(name, RESULTS)
    }
    truths = [
        name for name, dtype in found.items() if says(_without_group(name), LABELS) and dtype.kind != "f"
    ]
    rest = [name for name in found if name not in truths]
    images = [name for name in rest if says(name.rpartition("/")[2], IMAGES)] or rest
    plain = [name for name in images if name.rpartition("/")[2].lower() == "raw"]
    images = plain if len(plain) == 1 else images
    if not truths and len(images) == 1 and len(rest) == 2:
        truths = [name for name in rest if name != images[0] and found[name].kind != "f"]
    if not truths or len(images) != 1:
        raise ArgumentError(
            f"`FOLDER` must have one data set that is named raw and one that is named labels in {file}, "
            f"got {', '.join(sorted(found)) or 'none of two axes or more'}"
        )
    truth = best_truth(truths)
    return Inside(images[0], truth, sorted(name for name in truths if name != truth))


def _without_group(name: str) -> str:
    """Return a path without `volumes`, which says nothing."""
    return "/".join(part for part in name.split("/") if part != "volumes")


def _arrays(file: Path) -> Mapping[str, tuple[int, np.dtype[np.generic]]]:
    """Return the number of axes and dtype of everything inside, by path."""
    place = parse_location(file)
    found: dict[str, tuple[int, np.dtype[np.generic]]] = {}
    with one_sentence(place, "read"):
        if place.format == "HDF5":
            import h5py

            from objectwise.data.formats.hdf5_file import opened_file

            def visit(name: str, item: object) -> None:
                if isinstance(item, h5py.Dataset) and item.shape is not None:
                    found[name] = (len(item.shape), item.dtype)

            with opened_file(place.path) as opened:
                opened.visititems(visit)
            return found
        import zarr

        group = zarr.open_group(place.path, mode="r")
        for name, item in group.members(max_depth=None):
            if isinstance(item, zarr.Array):
                found[name] = (item.ndim, np.dtype(item.dtype))
    return found
