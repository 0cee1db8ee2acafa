"""Checks of affinities and thresholds that are probabilities: that two voxels lie in one object."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectwise.checks import check_affinities, check_edges, check_threshold, edges_inside, first_position
from objectwise.errors import ArgumentError
from objectwise.graph import Offsets, offsets_array


def check_probabilities(
    affinities: NDArray[Any], offsets: Offsets, *, name: str = "affinities"
) -> NDArray[np.int64]:
    """Require affinities in 0..1 of all edges inside the volume; return the table of their offsets."""
    check_affinities(affinities, name=name)
    table = offsets_array(offsets)
    check_edges(affinities, table, name=name)
    if affinities.min() >= 0 and affinities.max() <= 1:
        return table
    outside = edges_inside((affinities < 0) | (affinities > 1), table)
    if outside.any():
        first = first_position(outside)
        raise ArgumentError(
            f"`{name}` must lie in 0..1, got {affinities[first]} at {first}; "
            "pass probabilities (of logits, the sigmoid)"
        )
    return table


def check_probability(threshold: object, dtype: np.dtype[Any], *, name: str = "threshold") -> float:
    """Require a threshold in 0..1."""
    number = check_threshold(threshold, dtype, name=name)
    if not 0 <= number <= 1:
        raise ArgumentError(f"`{name}` must lie in 0..1, got {threshold}")
    return number
