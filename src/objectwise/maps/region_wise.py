"""Region-wise maps: for every class and voxel, what one unit of probability costs there.

All are float32, (n, c, *spatial) for a batch, (c, *spatial) for one sample. How labels may come, what absent
and filling classes get and what an ignored voxel does stands in `region_wise_map`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectwise.checks import check_bool, check_choice, check_positive, check_unmasked
from objectwise.errors import ArgumentError, DtypeError, ShapeError
from objectwise.maps.class_labels import ClassLabels, read_class_labels
from objectwise.maps.distances import check_distances, distances_within, signed_distances

Map = NDArray[np.float32]
SIDES = ("distance", "normalized", "constant")


def region_wise_map(
    labels: Any,
    n_classes: int | None = None,
    *,
    inside: str = "normalized",
    outside: str = "normalized",
    spacing: Sequence[float] | None = None,
    ignore_label: int | None = None,
    include_background: bool = True,
    spatial_dims: int | None = None,
) -> Any:
    """Return a map of any kind of the family: negative inside a class, positive outside.

    Parameters
    ----------
    labels : numpy array, or torch.Tensor on any device
        Integer class indices (n, 1, *spatial), (1, *spatial) or (*spatial), or one-hot (n, c, *spatial) or
        (c, *spatial) of 0 and 1 in any dtype. One-hot channels may overlap, and a voxel may be in none.
    n_classes : int
        Needed for class indices. With 1, `labels` is the mask of a single class.
    inside, outside : "distance", "normalized" or "constant"
        Distance to the border of the class, the same divided by its largest value on that side in that
        sample, or 1.
    spacing : (ndim,) float, optional
        Size of a voxel along z, y, x; 1 by default. Distances have its unit.
    ignore_label : int, optional
        Marks unknown voxels: they belong to no class, so distances end at them, and their map is 0.
    include_background : bool
        Without it the map leaves out class 0, and has a channel less.
    spatial_dims : 2 or 3, optional
        By default what `spacing` says; else arrays of 2 and 3 axes have no channel axis and those of 4 and 5
        have batch and channel axis. Needed for one sample with a channel axis.

    Returns
    -------
    float32 array or tensor, (n, c, *spatial), or (c, *spatial) for one sample
        In the framework and on the device of `labels`. The distance between the centres of two neighbours is
        `spacing`, so no distance is less than that. A class that is absent or fills the patch has no border:
        where a distance is asked for, "distance" gives 0 and "normalized" the largest value it knows, 1.

    Raises
    ------
    DtypeError, ShapeError, ArgumentError
        If class indices are not integers or out of range, a one-hot array holds other values than 0 and 1, or
        shapes, spacing and options do not fit each other.

    References
    ----------
    Valverde, Tohka: "Region-wise loss for biomedical image segmentation", Pattern Recognition 2023.

    Examples
    --------
    >>> region_wise_map(np.array([[0, 0, 1, 1, 1]]), 2, inside="distance", outside="constant")
    array([[[-2., -1.,  1.,  1.,  1.]],
    <BLANKLINE>
           [[ 1.,  1., -1., -2., -3.]]], dtype=float32)
    """
    check_choice(inside, SIDES, name="inside")
    check_choice(outside, SIDES, name="outside")
    classes = read_class_labels(
        labels, n_classes, spacing=spacing, ignore_label=ignore_label, spatial_dims=spatial_dims
    )
    check_distances(classes.spacing, classes.spatial)
    first = _first_channel(classes, include_background)
    maps = np.empty((classes.n_samples, classes.n_classes - first, *classes.spatial), np.float32)
    if outside == "constant" and classes.indices is not None:
        for sample, target in enumerate(maps):
            _fill_from_one_pass(target, classes=classes, sample=sample, first=first, inside=inside)
    else:
        for n, c in np.ndindex(maps.shape[:2]):
            mask = classes.mask(n, c + first)
            _fill_from_mask(maps[n, c], mask, spacing=classes.spacing, inside=inside, outside=outside)
    _forget_ignored(maps, classes)
    return classes.finish(maps)


def rectified_region_wise_map(
    labels: Any,
    n_classes: int | None = None,
    *,
    spacing: Sequence[float] | None = None,
    ignore_label: int | None = None,
    include_background: bool = True,
    spatial_dims: int | None = None,
) -> Any:
    """Return the rectified map: inside a class minus the normalised distance to its border, outside 1.

    Of all classes but the right one a voxel thinks alike, so every step of the optimiser moves probability to
    the right class: without that (see `region_wise_map`) wrong classes can win from each other. An absent
    class has 1 everywhere, one that fills the patch -1. Parameters, result and errors as in
    `region_wise_map`.

    References
    ----------
    Valverde, Tohka: "Region-wise loss for biomedical image segmentation", Pattern Recognition 2023.

    Examples
    --------
    >>> rectified_region_wise_map(np.array([[0, 0, 1, 1, 1, 1]]), 2)
    array([[[-1.  , -0.5 ,  1.  ,  1.  ,  1.  ,  1.  ]],
    <BLANKLINE>
           [[ 1.  ,  1.  , -0.25, -0.5 , -0.75, -1.  ]]], dtype=float32)
    """
    return region_wise_map(
        labels,
        n_classes,
        inside="normalized",
        outside="constant",
        spacing=spacing,
        ignore_label=ignore_label,
        include_background=include_background,
        spatial_dims=spatial_dims,
    )


def signed_distance_map(
    labels: Any,
    n_classes: int | None = None,
    *,
    spacing: Sequence[float] | None = None,
    ignore_label: int | None = None,
    include_background: bool = True,
    spatial_dims: int | None = None,
) -> Any:
    """Return the signed distance to the border of each class, negative inside: the map of the boundary loss.

    A class that is absent or fills the patch has no border, and 0 everywhere: it has no say in the loss.
    Parameters, result and errors as in `region_wise_map`.

    References
    ----------
    Kervadec et al.: "Boundary loss for highly unbalanced segmentation", Medical Image Analysis 2021. Their
    code takes 1 from distances inside; here, as in Valverde and Tohka, none is taken.

    Examples
    --------
    >>> signed_distance_map(np.array([[0, 0, 1, 1, 1]]), 2)[1]
    array([[ 2.,  1., -1., -2., -3.]], dtype=float32)
    """
    return region_wise_map(
        labels,
        n_classes,
        inside="distance",
        outside="distance",
        spacing=spacing,
        ignore_label=ignore_label,
        include_background=include_background,
        spatial_dims=spatial_dims,
    )


def active_contour_map(
    labels: Any,
    n_classes: int | None = None,
    *,
    ignore_label: int | None = None,
    include_background: bool = True,
    spatial_dims: int | None = None,
) -> Any:
    """Return -1 inside each class and 1 outside: the region term of the active-contour loss.

    With the mean intensities 1 inside and 0 outside that Chen et al. train with, that term is
    p ((1 - y)^2 - y^2) = p (1 - 2 y) for the probability p and the truth y. Parameters, result and errors as
    in `region_wise_map`.

    References
    ----------
    Chen et al.: "Learning active contour models for medical image segmentation", CVPR 2019.
    """
    return region_wise_map(
        labels,
        n_classes,
        inside="constant",
        outside="constant",
        ignore_label=ignore_label,
        include_background=include_background,
        spatial_dims=spatial_dims,
    )


def hausdorff_map(
    labels: Any,
    n_classes: int | None = None,
    *,
    alpha: float = 2.0,
    spacing: Sequence[float] | None = None,
    ignore_label: int | None = None,
    include_background: bool = True,
    spatial_dims: int | None = None,
) -> Any:
    """Return the distance to the border of each class to the power `alpha`, on both sides positive.

    A class that is absent or fills the patch has no border, and 0 everywhere. Parameters, result and errors
    as in `region_wise_map`; `alpha` is positive, 2 by default as in the paper's experiments.

    References
    ----------
    Karimi, Salcudean: "Reducing the Hausdorff distance in medical image segmentation with convolutional
    neural networks", IEEE TMI 2020.
    """
    check_positive(alpha, name="alpha")
    classes = read_class_labels(
        labels, n_classes, spacing=spacing, ignore_label=ignore_label, spatial_dims=spatial_dims
    )
    check_distances(classes.spacing, classes.spatial)
    check_distances(classes.spacing, classes.spatial, alpha)
    first = _first_channel(classes, include_background)
    maps = np.empty((classes.n_samples, classes.n_classes - first, *classes.spatial), np.float32)

    for n, c in np.ndindex(maps.shape[:2]):
        values, mask = maps[n, c], classes.mask(n, c + first)
        _fill_from_mask(values, mask, spacing=classes.spacing, inside="distance", outside="distance")
        np.abs(values, out=values)
        if alpha == 2:  # the power of floats takes longer than the distances
            np.square(values, out=values)
        elif alpha != 1:
            np.power(values, np.float32(alpha), out=values)
    _forget_ignored(maps, classes)
    return classes.finish(maps)


def class_weight_map(
    labels: Any,
    n_classes: int | None = None,
    *,
    weights: Sequence[float] | None = None,
    ignore_label: int | None = None,
    include_background: bool = True,
    spatial_dims: int | None = None,
) -> Any:
    """Return minus the weight of its class at each voxel of a class, and 0 outside.

    Under a softmax only the differences between channels move the logits, so a voxel counts as much as its
    own class weighs. Parameters, result and errors as in `region_wise_map`.

    Parameters
    ----------
    weights : (n_classes,) float, not negative, optional
        By default the inverse of the share of each class among the known voxels of its sample, divided by the
        number of classes that are there: each of them has the same say, and the mean weight of a voxel is 1.
    """
    classes = read_class_labels(
        labels, n_classes, spacing=None, ignore_label=ignore_label, spatial_dims=spatial_dims
    )
    first = _first_channel(classes, include_background)
    given = None if weights is None else _checked_weights(weights, classes.n_classes)
    maps = np.zeros((classes.n_samples, classes.n_classes - first, *classes.spatial), np.float32)
    for sample, target in enumerate(maps):
        costs = _balanced_weights(classes, sample) if given is None else given
        for channel, values in enumerate(target, start=first):
            values[classes.mask(sample, channel)] = -costs[channel]
    return classes.finish(maps)


def _first_channel(classes: ClassLabels, include_background: bool) -> int:
    check_bool(include_background, name="include_background")
    if include_background:
        return 0
    if classes.n_classes == 1:
        raise ArgumentError("`include_background` must be True for a single class, got False")
    return 1


def _fill_from_one_pass(target: Map, *, classes: ClassLabels, sample: int, first: int, inside: str) -> None:
    """Write a map that needs no distance outside: one transform serves all classes, which do not overlap."""
    assert classes.indices is not None
    indices = classes.indices[sample]
    distances = None if inside == "constant" else distances_within(indices, classes.spacing)
    for channel, values in enumerate(target, start=first):
        mask = indices == channel
        values[...] = 1
        # 0 - x, not -x: no negative zeros.
        values[mask] = -1 if distances is None else 0 - _scaled(distances[mask], inside)


def _fill_from_mask(
    values: Map,
    mask: NDArray[np.bool_],
    *,
    spacing: tuple[float, ...],
    inside: str,
    outside: str,
) -> None:
    """Write the map of one class from its mask alone."""
    if inside == outside == "constant":
        values[...] = np.where(mask, np.float32(-1), np.float32(1))
        return
    distances = signed_distances(mask, spacing)
    if inside == outside == "distance":
        values[...] = distances if np.isfinite(distances.flat[0]) else 0
        return
    values[mask] = 0 - _scaled(-distances[mask], inside)
    values[~mask] = _scaled(distances[~mask], outside)


def _forget_ignored(maps: Map, classes: ClassLabels) -> None:
    for sample, target in enumerate(maps):
        ignored = classes.ignored(sample)
        if ignored is not None:
            target[:, ignored] = 0


def _scaled(distances: Map, kind: str) -> Map:
    """Return the distances on one side of a border in the form that was asked for."""
    if kind == "constant" or not distances.size:
        return np.ones_like(distances)
    largest = distances.max()
    if kind == "distance":
        return distances if np.isfinite(largest) else np.zeros_like(distances)
    return distances / largest if np.isfinite(largest) else np.ones_like(distances)


def _checked_weights(weights: Sequence[float], n_classes: int) -> NDArray[np.float64]:
    check_unmasked(weights, name="weights")
    try:
        array = np.asarray(weights, np.float64)
    except (TypeError, ValueError) as error:
        raise DtypeError(f"`weights` must hold numbers, got {weights!r}") from error
    if array.shape != (n_classes,):
        raise ShapeError(f"`weights` must hold one number per class ({n_classes}), got shape {array.shape}")
    if not (np.isfinite(array).all() and (array >= 0).all()):
        raise ArgumentError(f"`weights` must be finite and not negative, got {list(weights)}")
    return array


def _balanced_weights(classes: ClassLabels, sample: int) -> NDArray[np.float64]:
    counts = np.array([classes.mask(sample, c).sum() for c in range(classes.n_classes)], np.float64)
    present = counts > 0
    shares = counts.sum() / np.maximum(counts, 1) / max(present.sum(), 1)
    return np.where(present, shares, 0)
