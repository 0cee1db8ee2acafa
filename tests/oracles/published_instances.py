"""The published instance losses, one mask an object and one call a mask: BrainImageAnalysis/instance-loss and ICI-loss.

Components are exact, and a loss is any function of (1, 1, *spatial) tensors. Everything else is as published.
"""

from __future__ import annotations

import math

import torch
from scipy import ndimage


def components(mask):
    """Masks (1, 1, *spatial) of the components, in the order of their last voxels, as max-pooling names them."""
    spatial = mask[0, 0].numpy()
    ids, n = ndimage.label(spatial, ndimage.generate_binary_structure(spatial.ndim, spatial.ndim))
    masks = [torch.from_numpy(ids == i + 1)[None, None] for i in range(n)]
    return sorted(masks, key=lambda one: int(one.flatten().nonzero().max()))


def activated(outputs, activation, threshold, channel):
    """What the instance terms see."""
    if activation == "none":
        return outputs
    if activation == "sigmoid":
        p = outputs.sigmoid()
        return torch.where(p >= threshold, torch.ones_like(p), 0 * p)
    p = outputs.softmax(1)
    p = p[:, channel : channel + 1]
    return (p * (p >= 1 / outputs.shape[1])).ceil()


def fill_center(out, mask, offset, smoother):
    spatial = mask.shape[2:]
    middle = mask.nonzero()[:, 2:].double().mean(0).ceil().long().tolist()
    reach = [math.ceil(length / max(spatial) * offset) for length in spatial]
    box = tuple(
        slice(max(m - r - 1, 0), min(m + r, length))
        for m, r, length in zip(middle, reach, spatial, strict=True)
    )
    out[0, 0][box] = 1 + smoother


def grown_box(mask):
    """First and last corner, and the middle, of the box that is grown by its own length."""
    places = mask.nonzero()[:, 2:]
    low, high = places.min(0).values, places.max(0).values
    length = (high - low).clamp(min=1)
    start = (low - length - 1).clamp(min=0)
    stop = torch.minimum(high + length, torch.tensor(mask.shape[2:]))
    return start, stop, start + ((stop - start) / 2).ceil()


def middle_box(p):
    middle = torch.tensor([length // 2 for length in p.shape[2:]], dtype=p.dtype)
    return middle - 1, middle + 1, middle


def box_distance(first, second):
    common = (torch.minimum(first[1], second[1]) - torch.maximum(first[0], second[0])).clamp(min=0).prod()
    volumes = (first[1] - first[0]).prod() + (second[1] - second[0]).prod()
    diagonal = ((torch.maximum(first[1], second[1]) - torch.minimum(first[0], second[0])) ** 2).sum() + 1e-7
    return 1 - common / (volumes - common) + ((first[2] - second[2]) ** 2).sum() / diagonal


def volume_terms(
    p,
    y,
    *,
    ids=None,
    loss,
    center_loss,
    threshold=0.5,
    most=50,
    too_many=50,
    small=0,
    offset=5,
    smoother=1e-7,
    no_tp=True,
    rates=False,
    weighted=False,
    weighted_fdr=False,
):
    """Every term of one sample, those over instances as lists."""
    outputs = components(p.detach() >= threshold)
    labels = components(y == 1) if ids is None else [ids == one for one in ids.unique() if one > 0]
    crowded = len(labels) > 0 and len(outputs) > len(labels) * too_many
    seen = [] if crowded else outputs[: most or None]
    kept = [one for one in seen if one.sum() > small]
    counted = [one for one in labels if one.sum() > small]
    meets = [[bool((one & label).any()) for label in labels] for one in kept]

    out_centers, label_centers = torch.zeros_like(p), torch.zeros_like(p)
    out_losses, label_losses = [], []
    for one, met in zip(kept, meets, strict=True):
        fill_center(out_centers, one, offset, smoother)
        truth = sum((label.to(p) for label, m in zip(labels, met, strict=True) if m), torch.zeros_like(p))
        out_losses.append(loss(p * one, y * truth))
    false_positive = (p * (y == 0)).detach()
    for column, label in enumerate(labels):
        if label.sum() <= small:
            continue
        fill_center(label_centers, label, offset, smoother)
        around = torch.zeros_like(p)
        for row, met in enumerate(meets):
            if met[column]:
                around += outputs[row]  # by the row's number: after a small component another one
        if no_tp:
            around = around * (false_positive + label)
        own = y * label
        value = loss(p * around, own)
        if weighted:
            value = value + loss(p * around * own, own)
        label_losses.append(value)
    whole = loss(p, y)
    out_losses, label_losses = out_losses or [whole], label_losses or [whole]

    n_false = len(outputs) - sum(any(met) for met in meets)
    n_missed = len(labels) - sum(any(column) for column in zip(*meets, strict=True))
    false = n_false / (len(outputs) + smoother) if rates else n_false
    missed = n_missed / (len(labels) + smoother) if rates else n_missed
    if not outputs:
        false = 0
    times = min(len(outputs), most + 1) if most else len(outputs)
    times = 0 if crowded else times
    fdr = 1 - (times * (p * y).sum() + smoother) / (times * p.sum() + smoother)

    out_boxes = [grown_box(one) for one in kept] or [middle_box(p)]
    label_boxes = [grown_box(one) for one in counted] or [middle_box(p)]
    distances = torch.stack([torch.stack([box_distance(a, b) for b in label_boxes]) for a in out_boxes])
    apart = (distances.min(0).values * torch.stack(label_losses)).sum()
    apart = apart - (distances.min(1).values * torch.stack(out_losses)).sum()
    return {
        "label": label_losses,
        "output": out_losses,
        "center": center_loss(out_centers, label_centers),
        "fdr": fdr * (false + 1) if weighted_fdr else fdr,
        "false": false,
        "missed": missed,
        "proximity": apart**2 + (len(outputs) if crowded else 0),
    }


def published_terms(
    outputs,
    labels,
    losses,
    *,
    ids=None,
    activation="none",
    channel=1,
    reduce="mean",
    over="instance",
    **options,
):
    """Every term of a batch by its name, as tensors; `losses` are those of pixels, instances and centers."""
    threshold = options.get("threshold", 0.5)
    p = activated(outputs, activation, threshold, channel)
    y = labels.to(p)
    samples = [
        volume_terms(
            p[i : i + 1],
            y[i : i + 1],
            ids=None if ids is None else ids[i : i + 1],
            loss=losses[1],
            center_loss=losses[2],
            **options,
        )
        for i in range(len(p))
    ]

    def reduced(name):
        if over == "instance":
            return torch.stack([value for sample in samples for value in sample[name]]).mean()
        values = [torch.stack(sample[name]) for sample in samples]
        return torch.stack([one.mean() if reduce == "mean" else one.sum() for one in values]).mean()

    def mean(name):
        return torch.stack([torch.as_tensor(sample[name], dtype=p.dtype) for sample in samples]).mean()

    return {
        "pixel": losses[0](p if activation == "softmax" else outputs, y),
        "label_instances": reduced("label"),
        "output_instances": reduced("output"),
        **{name: mean(name) for name in ("center", "fdr", "false", "missed", "proximity")},
    }
