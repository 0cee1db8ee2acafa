"""Losses on instances as one would write them on paper: one mask an object, one loop over the objects."""

from __future__ import annotations

import itertools

import numpy as np
import torch
from scipy import ndimage

SMOOTH = 1e-5


def components(mask, connectivity=None):
    """Return one boolean tensor for each component of a (*spatial) boolean tensor."""
    steps = {None: mask.ndim, 4: 1, 8: 2, 6: 1, 18: 2, 26: 3}[connectivity]
    ids, n = ndimage.label(mask.numpy(), ndimage.generate_binary_structure(mask.ndim, steps))
    return [torch.from_numpy(ids == i + 1) for i in range(n)]


def dice(p, y):
    return 1 - (2 * (p * y).sum() + SMOOTH) / (p.sum() + y.sum() + SMOOTH)


def jaccard(p, y):
    both = (p * y).sum()
    return 1 - (both + SMOOTH) / (p.sum() + y.sum() - both + SMOOTH)


def tversky(p, y, alpha=0.3, beta=0.7):
    both = (p * y).sum()
    return 1 - (both + SMOOTH) / (both + alpha * (p * (1 - y)).sum() + beta * ((1 - p) * y).sum() + SMOOTH)


def focal_tversky(p, y, gamma=4 / 3):
    return tversky(p, y) ** (1 / gamma)


def entropies(p, y):
    return -(y * p.log() + (1 - y) * (1 - p).log())


def segment_loss(kind, p, y, inside):
    """The loss of the voxels `inside`; ratios may count true voxels beyond them, cross-entropy may not."""
    y = y.to(p)
    losses = {"dice": dice, "jaccard": jaccard, "tversky": tversky, "focal_tversky": focal_tversky}
    if kind in losses:
        return losses[kind](p * inside, y)
    cross_entropy = entropies(p, y)[inside].mean()
    return cross_entropy if kind == "cross_entropy" else cross_entropy + dice(p * inside, y)


def empty_loss(kind, p, inside):
    if kind == "cross_entropy":
        return -(1 - p[inside]).log().mean()
    return p[inside].sum() / (p[inside].sum() + inside.sum())


def center_of(mask, spacing):
    """The own voxel nearest to the centre of mass."""
    voxels = mask.nonzero().double()
    apart = ((voxels - voxels.mean(0)) * spacing).square().sum(1)
    return voxels[apart.argmin()]


def center_voxels(mask, offset, spacing):
    """The own voxels within `offset` of the center along every axis."""
    voxels = mask.nonzero()
    near = ((voxels - center_of(mask, spacing)).abs() * spacing <= offset + 1e-9).all(1)
    center = torch.zeros_like(mask)
    center[tuple(voxels[near].T)] = True
    return center


def box_distance(first, second, spacing):
    a, b = first.nonzero() * spacing, second.nonzero() * spacing
    low = torch.stack([a.amin(0), b.amin(0)])
    high = torch.stack([a.amax(0), b.amax(0)]) + spacing
    common = (high.amin(0) - low.amax(0)).clamp(min=0).prod()
    volumes = (high - low).prod(1).sum()
    middles = (high + low) / 2
    apart = (middles[0] - middles[1]).square().sum()
    diagonal = (high.amax(0) - low.amin(0)).square().sum()
    return 1 - common / (volumes - common) + apart / diagonal


def nearest_distance(mask, others, spacing):
    if not others:
        return torch.tensor(2.0, dtype=torch.float64)
    middle = lambda one: one.nonzero().double().mean(0) * spacing  # noqa: E731
    apart = torch.stack([(middle(mask) - middle(other)).square().sum() for other in others])
    return box_distance(mask, others[int(apart.argmin())], spacing)


def corrected_volume(
    p,
    y,
    *,
    threshold=0.5,
    connectivity=None,
    offset=3.0,
    spacing=None,
    loss="dice",
    empty="cross_entropy",
    exclude=True,
):
    """Return (pixel, label losses, output losses, center, false, missed, label and output distances)."""
    spacing = (
        torch.ones(p.ndim, dtype=torch.float64)
        if spacing is None
        else torch.tensor(spacing, dtype=torch.float64)
    )
    true, predicted = components(y, connectivity), components(p.detach() >= threshold, connectivity)
    everywhere = torch.ones_like(y)
    labels = []
    for one in true:
        around = torch.zeros_like(y)
        for other in predicted:
            if (one & other).any():
                around |= other & (~y if exclude else ~one)
        labels.append(segment_loss(loss, p, one, one | around))
    outputs = []
    for one in predicted:
        met = [other for other in true if (one & other).any()]
        if met:
            outputs.append(segment_loss(loss, p, torch.stack(met).any(0), one))
        else:
            outputs.append(empty_loss(empty, p, one))
    center = [center_voxels(one, offset, spacing) for one in true + predicted]
    pull = torch.zeros((), dtype=p.dtype)
    if center:
        central = torch.stack(center).any(0)
        has_truth = (central & y).any()
        pull = segment_loss(loss, p, y & central, central) if has_truth else empty_loss(empty, p, central)
    false = [p[one].mean() for one in predicted if not (one & y).any()]
    above = p.detach() >= threshold
    missed = [1 - p[one].mean() for one in true if not (one & above).any()]
    return {
        "pixel": segment_loss(loss, p, y, everywhere),
        "labels": labels,
        "outputs": outputs,
        "center": pull,
        "has_center": bool(center),
        "false": sum(false) / max(1, len(predicted)),
        "missed": sum(missed) / max(1, len(true)),
        "label_distances": [nearest_distance(one, predicted, spacing) for one in true],
        "output_distances": [nearest_distance(one, true, spacing) for one in predicted],
    }


def corrected_terms(p, y, **options):
    """The seven terms of a batch (n, c, *spatial) with mean reductions over the instances."""
    volumes = [
        corrected_volume(p[n, c], y[n, c], **options)
        for n, c in itertools.product(range(p.shape[0]), range(p.shape[1]))
    ]
    mean = lambda values: torch.stack(values).mean() if values else torch.zeros((), dtype=p.dtype)  # noqa: E731
    number = lambda name: mean([torch.as_tensor(volume[name], dtype=p.dtype) for volume in volumes])  # noqa: E731
    every = lambda name: list(itertools.chain(*[volume[name] for volume in volumes]))  # noqa: E731
    weighted = lambda side, far: mean([a * b for a, b in zip(every(side), every(far), strict=True)])  # noqa: E731
    return (
        number("pixel"),
        mean(every("labels")),
        mean(every("outputs")),
        mean([volume["center"] for volume in volumes if volume["has_center"]]),
        number("false"),
        number("missed"),
        weighted("labels", "label_distances") + weighted("outputs", "output_distances"),
    )


def voronoi_distances(labels, spacing):
    """Distance of every voxel to the nearest voxel of every object, {id: (*spatial) array}."""
    return {
        int(label): ndimage.distance_transform_edt(labels != label, sampling=spacing)
        for label in np.unique(labels[labels > 0])
    }


def blob_loss(p, y, *, loss="dice"):
    """The blob term of one volume: each object with the whole volume but for the other objects."""
    losses = [segment_loss(loss, p, one, ~y | one) for one in components(y)]
    return torch.stack(losses).mean() if losses else None


def region_loss(p, y, regions, *, loss="dice", empty="cross_entropy"):
    """The loss over the regions of one volume, ids in an integer array, 0 lying in none."""
    losses = []
    for label in np.unique(regions[regions > 0]):
        inside = torch.from_numpy(regions == label)
        if (inside & y).any():
            losses.append(segment_loss(loss, p, y & inside, inside))
        else:
            losses.append(empty_loss(empty, p, inside))
    return torch.stack(losses).mean() if losses else None


def over_volumes(term, p, y, *more):
    """The mean of a term over the volumes of a batch that have it, 0 if none has."""
    places = itertools.product(range(p.shape[0]), range(p.shape[1]))
    values = [term(p[n, c], y[n, c], *[array[n, c] for array in more]) for n, c in places]
    values = [value for value in values if value is not None]
    return torch.stack(values).mean() if values else torch.zeros((), dtype=p.dtype)
