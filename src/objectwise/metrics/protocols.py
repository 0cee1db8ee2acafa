"""Named protocols: everything a score leaves to convention, as data."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import numpy as np

from objectwise.checks import check_choice, check_positive
from objectwise.errors import ArgumentError

# The reserved ids of imglib2's label types, which CREMI's volumes use.
TRANSPARENT = 2**64 - 1
"""Masked, to be ignored; what `mask_borders` writes, as CREMI's package does."""
INVALID = 2**64 - 2
"""No valid id."""
OUTSIDE = 2**64 - 3
"""Outside the annotated region, in the padding."""

RESERVED_IDS = (OUTSIDE, INVALID, TRANSPARENT)
"""The truth ids that are no annotation at all."""

IGNORED_TRUTH = (0, *RESERVED_IDS)
"""The truth ids that the CREMI protocol leaves out: background and the reserved ids at the end of uint64."""

RandPairs = Literal["cremi", "distinct"]


def check_ids(ids: Collection[int], *, name: str) -> None:
    """Require ids that a label volume can hold."""
    if not isinstance(ids, Iterable):
        raise ArgumentError(f"`{name}` must be a collection of ids, got {ids!r}")
    for label in ids:
        is_whole = isinstance(label, int | np.integer) and not isinstance(label, bool)
        if not (is_whole and 0 <= int(label) < 2**64):
            raise ArgumentError(f"`{name}` must hold ids from 0 to 2^64 - 1, integers, got {label!r}")


def check_distance(distance: float, *, name: str) -> None:
    """Require a finite distance of at least 0."""
    check_positive(distance, name=name, or_zero=True)


@dataclass(frozen=True)
class Protocol:
    """How a segmentation is compared with the truth.

    Parameters
    ----------
    name : str
    ignored_truth : ids
        Voxels with one of these truth ids take part in nothing.
    ignored_segmentation : ids
        Voxels with one of these segmentation ids take part in nothing. Empty in every named protocol:
        leaving voxels unlabelled must not improve a score.
    border_distance : float, pixels, optional
        Truth pixels at most this far from a border between two ids in their section are masked first
        (`mask_borders`); no masking by default.
    rand_pairs : {"cremi", "distinct"}
        How adapted Rand counts pairs of voxels, see `adapted_rand`.
    """

    name: str
    ignored_truth: tuple[int, ...] = IGNORED_TRUTH
    ignored_segmentation: tuple[int, ...] = ()
    border_distance: float | None = None
    rand_pairs: RandPairs = "cremi"

    def __post_init__(self) -> None:
        check_choice(self.rand_pairs, ("cremi", "distinct"), name="rand_pairs")
        for argument in ("ignored_truth", "ignored_segmentation"):
            check_ids(getattr(self, argument), name=argument)
        if self.border_distance is not None:
            check_distance(self.border_distance, name="border_distance")


PROTOCOLS = MappingProxyType(
    {
        protocol.name: protocol
        for protocol in (
            Protocol("cremi"),
            Protocol("distinct_pairs", ignored_truth=(0,), rand_pairs="distinct"),
        )
    }
)
"""The protocols that have a name.

`cremi` is that of the CREMI challenge (cremi.org) as the functions of its evaluation package compute it.
Truth 0 and the reserved ids are ignored (the package's class `NeuronIds` counts truth 0 as an object and
ignores 2^64 - 1 alone). Segmentation 0 is one segment like any other for VOI; for adapted Rand its voxels
are in no segment (see `adapted_rand`).

`distinct_pairs` is the textbook definition, over pairs of two different voxels, as scikit-image computes
it: segmentation 0 is one segment like any other for both scores.
"""


def find_protocol(protocol: str | Protocol) -> Protocol:
    """Return the protocol of that name; a Protocol returns as it is."""
    if isinstance(protocol, Protocol):
        return protocol
    check_choice(protocol, tuple(PROTOCOLS), name="protocol")
    return PROTOCOLS[protocol]
