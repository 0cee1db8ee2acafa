"""From masks and probabilities to objects: components, without what is too small, with their holes filled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from objectwise.checks import check_bool, check_labels, check_mask, check_number
from objectwise.errors import ArgumentError, DtypeError
from objectwise.maps.instances import connected_components
from objectwise.segmentation.size import number_objects, remove_small_objects
from objectwise.segmentation.watershed import seeded_watershed


def objects_of_mask(
    mask: NDArray[np.bool_],
    *,
    connectivity: int | None = None,
    minimum_size: int = 0,
    fill_holes: bool = False,
) -> NDArray[np.int64]:
    """Return the connected components of a mask, numbered.

    Parameters
    ----------
    mask : (y, x) or (z, y, x) bool
    connectivity : 4 or 8 (2-D); 6, 18 or 26 (3-D), optional
        Neighbours that join a voxel; the most by default.
    minimum_size : int, voxels
        Smaller components become background, after their holes are filled.
    fill_holes : bool
        Whether background that a component encloses becomes part of it. What joins the background outside by
        a face is no hole.

    Returns
    -------
    (*spatial) int64
        Objects are 1, 2, ... in C order of their first voxels, without gaps; 0 is background.

    Raises
    ------
    DtypeError, ShapeError, ArgumentError
        If `mask` is no bool array of two or three axes, or an option is none of its values.

    Notes
    -----
    A component inside the hole of another stays an object of its own where they do not touch: the hole
    around it goes to the outer one.

    Examples
    --------
    >>> ring = np.array([[1, 1, 1, 0, 1], [1, 0, 1, 0, 0], [1, 1, 1, 0, 0]], bool)
    >>> objects_of_mask(ring, minimum_size=2, fill_holes=True)
    array([[1, 1, 1, 0, 0],
           [1, 1, 1, 0, 0],
           [1, 1, 1, 0, 0]])
    """
    check_bool(fill_holes, name="fill_holes")
    labels = connected_components(mask, connectivity).astype(np.int64)
    if fill_holes:
        labels = _filled(labels)
    return number_objects(remove_small_objects(labels, minimum_size))


def objects_of_probabilities(
    probabilities: NDArray[Any],
    *,
    threshold: float,
    connectivity: int | None = None,
    minimum_size: int = 0,
    fill_holes: bool = False,
    mask: NDArray[np.bool_] | None = None,
) -> NDArray[np.int64]:
    """Return the components of the voxels whose probability is greater than a threshold, numbered.

    Parameters
    ----------
    probabilities : (y, x) or (z, y, x) floating point, 0..1
    threshold : float, 0 or more and below 1
        Compared in the dtype of `probabilities`.
    mask : (*spatial) bool, optional
        True where objects may lie.
    connectivity, minimum_size, fill_holes
        As in `objects_of_mask`.

    Returns
    -------
    (*spatial) int64

    Raises
    ------
    DtypeError, ShapeError, ArgumentError
        If an argument is not what it must be, or a probability is not in 0..1.
    """
    check_probabilities_of_voxels(probabilities, threshold, name="threshold")
    found = probabilities > probabilities.dtype.type(threshold)
    if mask is not None:
        check_mask(mask, name="mask", like=probabilities, like_name="probabilities")
        found &= mask
    return objects_of_mask(found, connectivity=connectivity, minimum_size=minimum_size, fill_holes=fill_holes)


EXTENT = 0.5
"""Probability above which a voxel is part of an object that has grown, unless one says otherwise."""


def grown_objects(
    probabilities: NDArray[Any],
    *,
    threshold: float,
    extent: float = EXTENT,
    minimum_size: int = 0,
    fill_holes: bool = False,
) -> NDArray[np.int64]:
    """Return the components above a high threshold, grown over the voxels above a low one until they meet.

    So objects that touch are told apart where their border is only less sure, and keep their full extent.

    Parameters
    ----------
    probabilities : (y, x) or (z, y, x) float32 or float64, 0..1
    threshold : float, 0..1
        Of the components that objects grow from, of two voxels at least; they join by faces.
    extent : float, 0 or more and below 1
        Voxels above it belong to the object that they reach over the surest voxels; those that reach none
        are background.
    minimum_size, fill_holes
        As in `objects_of_mask`, of the objects when they have grown.

    Returns
    -------
    (*spatial) int64
        Objects are 1, 2, ... without gaps; 0 is background.

    Raises
    ------
    DtypeError, ShapeError, ArgumentError
        As `objects_of_probabilities`.

    Examples
    --------
    >>> two = np.array([[0.9, 0.9, 0.6, 0.9, 0.9, 0.6, 0.2]])
    >>> grown_objects(two, threshold=0.8)
    array([[1, 1, 1, 2, 2, 2, 0]])
    """
    check_bool(fill_holes, name="fill_holes")
    check_probabilities_of_voxels(probabilities, threshold, name="threshold")
    check_probabilities_of_voxels(probabilities, extent, name="extent")
    # An edge is as sure as the less sure of its voxels; an axis of one voxel has none.
    axes = [axis for axis, length in enumerate(probabilities.shape) if length > 1]
    if not axes:
        return np.zeros(probabilities.shape, np.int64)
    offsets = [tuple(-int(axis == other) for other in range(probabilities.ndim)) for axis in axes]
    edges = np.zeros((len(axes), *probabilities.shape), probabilities.dtype)
    for channel, axis in enumerate(axes):
        here = (slice(None),) * axis + (slice(1, None),)
        there = (slice(None),) * axis + (slice(None, -1),)
        edges[channel][here] = np.minimum(probabilities[here], probabilities[there])
    inside = probabilities > probabilities.dtype.type(extent)
    labels = seeded_watershed(edges, offsets, threshold=threshold, mask=inside)
    if fill_holes:
        labels = _filled(labels)
    return number_objects(remove_small_objects(labels, minimum_size))


def section_by_section(
    function: Callable[[NDArray[Any]], NDArray[np.int64]], stack: NDArray[Any]
) -> NDArray[np.int64]:
    """Return what a function makes of every section, with ids that go on from section to section.

    Parameters
    ----------
    function : (y, x) to ids (y, x), 1, 2, ... without gaps
    stack : (z, y, x)
    """
    ids, last = np.zeros(stack.shape, np.int64), 0
    for z, section in enumerate(stack):
        found = function(section)
        ids[z] = np.where(found != 0, found + last, 0)
        last = max(last, int(ids[z].max(initial=0)))
    return ids


def pieces_of_labels(labels: NDArray[Any]) -> NDArray[np.int64]:
    """Return labels in which every connected piece of an id is an object of its own.

    Parameters
    ----------
    labels : (y, x) or (z, y, x) integer
        0 is background. Pieces join by faces, edges and corners.

    Returns
    -------
    (*spatial) int64, 1, 2, ... without gaps
    """
    import cc3d

    check_labels(labels, name="labels")
    ids = np.unique(labels, return_inverse=True)[1].reshape(labels.shape).astype(np.uint32)
    if not (labels == 0).any():
        ids += 1
    found = cc3d.connected_components(ids, connectivity=8 if labels.ndim == 2 else 26)
    return number_objects(np.asarray(found).astype(np.int64))


def check_probabilities_of_voxels(probabilities: NDArray[Any], threshold: float, *, name: str) -> None:
    """Require probabilities, and a threshold of that name."""
    if not isinstance(probabilities, np.ndarray) or probabilities.dtype.kind != "f":
        came = getattr(probabilities, "dtype", type(probabilities).__name__)
        raise DtypeError(f"`probabilities` must be a numpy array of floating point numbers, got {came}")
    check_number(threshold, name=name)
    if not 0 <= threshold < 1:
        raise ArgumentError(f"`{name}` must be in 0..1, 1 excluded, got {threshold}")
    low, high = (float(probabilities.min(initial=1)), float(probabilities.max(initial=0)))
    if not (low >= 0 and high <= 1):  # NaN too
        raise ArgumentError(
            f"`probabilities` must be in 0..1, got {low:g}..{high:g}; pass logits through a sigmoid"
        )


def _filled(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Give each hole to the object around it, the outermost first; objects keep their voxels."""
    filled = labels.copy()
    for index, box in enumerate(ndimage.find_objects(labels), start=1):
        inside = ndimage.binary_fill_holes(labels[box] == index)
        part = filled[box]
        part[inside & (labels[box] == 0)] = index
    return filled
