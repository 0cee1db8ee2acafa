"""The boxes of the published instance losses: around centers, and grown ones for the proximity."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from objectwise.losses.inputs import on_device
from objectwise.maps.instance_cells import ObjectPlaces

DIAGONAL_SMOOTHER = 1e-7
"""The published constant against division by zero; `smoother` does not reach it."""
PAIRS_AT_ONCE = 1 << 18


def center_mask(
    objects: ObjectPlaces, which: NDArray[np.int64], offset: float, level: float, like: Tensor
) -> Tensor:
    """Return a tensor like another with boxes of `level` around the middles of some objects, 0 elsewhere."""
    spatial = tuple(like.shape[2:])
    mask = np.zeros(spatial)
    reach = np.array([math.ceil(length / max(spatial) * offset) for length in spatial])
    middles = np.ceil(objects.centers_of_mass[which]).astype(np.int64)
    starts = np.maximum(middles - reach - 1, 0)  # one further down than up, as published
    stops = np.minimum(middles + reach, spatial)
    for start, stop in zip(starts.tolist(), stops.tolist(), strict=True):
        mask[tuple(slice(a, b) for a, b in zip(start, stop, strict=True))] = level
    return on_device(torch.from_numpy(mask).to(like.dtype), like.device)[None, None]


class Boxes(NamedTuple):
    """Corners and middles of boxes, (b, ndim) each, on the host."""

    starts: Tensor
    stops: Tensor
    middles: Tensor


def grown_boxes(
    objects: ObjectPlaces, which: NDArray[np.int64], spatial: tuple[int, ...], dtype: torch.dtype
) -> Boxes:
    """Return boxes grown by their own length on each side; one box amid the sample where there is none.

    Corners of objects are integers, whose quotients PyTorch takes in single precision, as published.
    """
    if not which.size:
        middle = torch.tensor([[length // 2 for length in spatial]], dtype=dtype)
        return Boxes(middle - 1, middle + 1, middle)
    first, last = objects.boxes[which, :, 0], objects.boxes[which, :, 1] - 1
    length = np.maximum(last - first, 1)
    starts = torch.from_numpy(np.maximum(first - length - 1, 0))
    stops = torch.from_numpy(np.minimum(last + length, spatial))
    return Boxes(starts, stops, starts + ((stops - starts) / 2).ceil())


def nearest_distances(first: Boxes, second: Boxes) -> tuple[Tensor, Tensor]:
    """Return how far every first box is from the nearest second one, and every second from the nearest first.

    All pairs are compared, some at a time: by this distance a neighbour need not be the nearest.
    """
    step = max(1, PAIRS_AT_ONCE // len(second.starts))
    to_second, to_first = [], []
    for piece in zip(*(torch.split(column, step) for column in first), strict=True):
        distances = _distances(Boxes(*piece), second)
        to_second.append(distances.amin(1))
        to_first.append(distances.amin(0))
    return torch.cat(to_second), torch.stack(to_first).amin(0)


def _distances(first: Boxes, second: Boxes) -> Tensor:
    """Return 1 - IoU + (distance of the middles / diagonal of both)^2 for every pair of boxes."""
    starts, stops = first.starts[:, None], first.stops[:, None]
    common = (torch.minimum(stops, second.stops) - torch.maximum(starts, second.starts)).clamp(min=0).prod(-1)
    volumes = (stops - starts).prod(-1) + (second.stops - second.starts).prod(-1)
    hull = torch.maximum(stops, second.stops) - torch.minimum(starts, second.starts)
    apart = ((first.middles[:, None] - second.middles) ** 2).sum(-1)
    return 1 - common / (volumes - common) + apart / ((hull**2).sum(-1) + DIAGONAL_SMOOTHER)
