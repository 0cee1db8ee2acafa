"""Affinity graphs of label volumes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectwise.checks import check_labels, check_not_empty, check_offsets_fit
from objectwise.graph.axes import as_channels, as_steps, as_volume, check_spatial
from objectwise.graph.neighborhood import Offsets, offsets_array
from objectwise.kernels import edges


def affinities_from_labels(labels: NDArray[Any], offsets: Offsets) -> NDArray[np.float32]:
    """Return 1 for each edge inside one object and 0 for every other.

    Parameters
    ----------
    labels : (*spatial) integer, 2-D or 3-D
        0 is background: its edges have affinity 0, also between two background voxels.
    offsets : Neighborhood or (k, ndim) int, voxels

    Returns
    -------
    (k, *spatial) float32
        Channel i at voxel v is the edge (v, v + offsets[i]); 0 where that edge leaves the volume
        (see `known_edges`).

    Raises
    ------
    DtypeError, ShapeError, ArgumentError
        If `labels` are no integers, negative, empty or not 2-D or 3-D; if an offset is longer than they.

    Examples
    --------
    >>> affinities_from_labels(np.array([[1, 1, 2, 0, 0]]), [[0, -1]])
    array([[[0., 1., 0., 0., 0.]]], dtype=float32)
    """
    check_labels(labels)
    check_spatial(labels.shape, name="labels")
    check_not_empty(labels, name="labels")
    table = offsets_array(offsets)
    check_offsets_fit(labels.shape, table)
    out = np.zeros((len(table), *labels.shape), np.float32)
    edges.affinities_of(as_volume(labels), as_steps(table), as_channels(out))
    return out


def known_edges(spatial: Sequence[int], offsets: Offsets) -> NDArray[np.bool_]:
    """Return which edges stay inside a volume of shape `spatial`: (k, *spatial) bool."""
    table = offsets_array(offsets)
    check_spatial(spatial, name="spatial")
    check_offsets_fit(spatial, table)
    out = np.zeros((len(table), *spatial), np.bool_)
    edges.known_edges_of(as_steps(table), as_channels(out))
    return out
