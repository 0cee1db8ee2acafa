"""Small trainings for evidence: the same patches, the same start, the same number of steps for every loss.

Everything runs on one thread (set NUMBA_NUM_THREADS=1 too) in bfloat16, where a step on this kind of machine takes a tenth of a second. A
finished entry is written at once, so a stopped benchmark goes on where it stopped.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.networks.nets import UNet
from numpy.typing import NDArray
from torch import Tensor

MARGIN = 16  # voxels, a multiple of every stride

Objective = Callable[[Tensor, Tensor, float], Tensor]
"""Logits (n, c, *spatial) float32, integer labels (n, *spatial), share of the training done -> loss."""


@dataclass(frozen=True)
class Image:
    """One image and its labels."""

    raw: NDArray[np.float32]
    """(channels, *spatial), scaled by `standardised`."""
    labels: NDArray[np.int64]
    """(*spatial), ids or classes; 0 is background."""
    inside: NDArray[np.bool_] | None = None
    """(*spatial), where to look; everywhere by default."""


@dataclass(frozen=True)
class Data:
    """Images to train on and images to score, and how to cut patches from the first."""

    train: Sequence[Image]
    test: Sequence[Image]
    patch: tuple[int, ...]
    batch: int
    channels: tuple[int, ...]
    outputs: int = 1
    contrast: float = 0.25
    """How much the contrast of a patch varies, either way."""


@dataclass
class Patches:
    """Random patches without end, flipped or not; half of them around a voxel of a random id, small or large."""

    data: Data
    seed: int
    _places: list[list[NDArray[np.int64]]] = field(init=False)

    def __post_init__(self) -> None:
        self._places = [_places_of(image.labels) for image in self.data.train]

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        rng = np.random.default_rng(self.seed)
        while True:
            parts = [self._one(rng) for _ in range(self.data.batch)]
            raw, labels = (np.ascontiguousarray(np.stack(side)) for side in zip(*parts, strict=True))
            yield torch.from_numpy(raw), torch.from_numpy(labels)

    def _one(self, rng: np.random.Generator) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        index = int(rng.integers(len(self.data.train)))
        image, places = self.data.train[index], self._places[index]
        shape, patch = np.array(image.labels.shape), np.array(self.data.patch)
        if len(places) and rng.random() < 0.5:
            object_places = places[rng.integers(len(places))]
            start = object_places[rng.integers(len(object_places))] - rng.integers(patch)
        else:
            start = rng.integers(np.maximum(shape - patch, 0) + 1)
        start = np.clip(start, 0, np.maximum(shape - patch, 0))
        box = tuple(slice(a, a + n) for a, n in zip(start, patch, strict=True))
        raw, labels = image.raw[(slice(None), *box)], image.labels[box]
        short = [(0, int(n - m)) for n, m in zip(patch, labels.shape, strict=True)]
        raw, labels = np.pad(raw, [(0, 0), *short]), np.pad(labels, short)
        flips = np.flatnonzero(rng.random(labels.ndim) < 0.5)
        # Another scanner, another contrast: each channel is scaled and shifted by itself.
        column = (len(raw), *[1] * labels.ndim)
        scale = 1 + self.data.contrast * rng.uniform(-1, 1, column)
        raw = np.flip(raw, flips + 1) * scale + 0.8 * self.data.contrast * rng.normal(0, 1, column)
        return raw.astype(np.float32), np.flip(labels, flips)


def _places_of(labels: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Return the voxels of each id."""
    places = np.argwhere(labels > 0)
    ids = labels[labels > 0]
    order = np.argsort(ids, kind="stable")
    return np.split(places[order], np.flatnonzero(np.diff(ids[order])) + 1) if len(ids) else []


def small_unet(data: Data, seed: int) -> UNet:
    """Return a residual U-Net whose weights follow from the seed."""
    torch.manual_seed(seed)
    network = UNet(
        len(data.patch),
        data.train[0].raw.shape[0],
        data.outputs,
        channels=data.channels,
        strides=(2,) * (len(data.channels) - 1),
        num_res_units=1,
        norm="batch",
    )
    return network.to(memory_format=_memory_format(data))


def _memory_format(data: Data) -> torch.memory_format:
    return torch.channels_last if len(data.patch) == 2 else torch.channels_last_3d


def train(
    network: UNet, data: Data, objective: Objective, *, steps: int, rate: float, seed: int, decay: bool = True
) -> float:
    """Train in place with Adam, the rate falling to 0 along a cosine; return the CPU seconds."""
    optimizer = torch.optim.Adam(network.parameters(), lr=rate)
    network.train()
    began = time.process_time()
    for step, (raw, labels) in zip(range(steps), Patches(data, seed), strict=False):
        done = step / steps
        if decay:
            for group in optimizer.param_groups:
                group["lr"] = rate * 0.5 * (1 + np.cos(np.pi * done))
        with torch.autocast("cpu", torch.bfloat16):
            logits = network(raw.contiguous(memory_format=_memory_format(data)))
        loss = objective(logits.float(), labels, done)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimizer.step()
    return time.process_time() - began


@torch.no_grad()
def predict(network: UNet, data: Data, raw: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the logits (outputs, *spatial) of a whole image, mirrored at its borders and beyond."""
    network.eval()
    multiple = 2 ** (len(data.channels) - 1)
    # Patches seldom touch a border, so without a margin the network finds specks along it.
    around = [(MARGIN, MARGIN + -n % multiple) for n in raw.shape[1:]]
    padded = torch.from_numpy(np.pad(raw, [(0, 0), *around], mode="reflect"))[None]
    with torch.autocast("cpu", torch.bfloat16):
        logits = network(padded.contiguous(memory_format=_memory_format(data)))
    return logits.float()[0].numpy()[(slice(None), *(slice(MARGIN, MARGIN + n) for n in raw.shape[1:]))]


class Entries:
    """The finished entries of a benchmark, in a JSON file that is always whole."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: list[dict[str, Any]] = json.loads(path.read_text())["rows"] if path.exists() else []

    def has(self, **key: Any) -> bool:
        """Say whether an entry with these values is there."""
        return bool(self.matching(**key))

    def matching(self, **key: Any) -> list[dict[str, Any]]:
        """Return the entries with these values."""
        return [row for row in self.rows if all(row[name] == value for name, value in key.items())]

    def add(self, row: dict[str, Any], facts: Mapping[str, Any]) -> None:
        """Add an entry and write the file; each entry knows the commit and date it was made at."""
        self.rows.append(row | {name: facts[name] for name in ("commit", "date")})
        self.path.parent.mkdir(exist_ok=True)
        unfinished = self.path.with_name(f".{self.path.name}.part")
        unfinished.write_text(json.dumps(dict(facts) | {"rows": self.rows}, indent=1))
        unfinished.replace(self.path)
        sys.stdout.write(f"{ {k: round(v, 3) if isinstance(v, float) else v for k, v in row.items()} }\n")
        sys.stdout.flush()


def mean_and_spread(values: Sequence[float], digits: int = 3) -> str:
    """Return the mean over seeds and, behind it, the standard deviation."""
    mean = f"{statistics.mean(values):.{digits}f}"
    return f"{mean} ± {statistics.stdev(values):.{digits}f}" if len(values) > 1 else mean


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table, numbers to the right."""
    lines = ["| " + " | ".join(head) + " |", "|---|" + "---:|" * (len(head) - 1)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)]) + "\n"


def standardised(raw: NDArray[Any], inside: NDArray[np.bool_] | None = None) -> NDArray[np.float32]:
    """Return an image with median 0 and quartiles 1 apart inside a mask, and 0 outside.

    Quartiles, for lesions may take enough of a brain to move its mean and variance.
    """
    low, middle, high = np.percentile(raw if inside is None else raw[inside], [25, 50, 75])
    scaled = ((raw - middle) / max(high - low, 1e-3)).astype(np.float32)
    return scaled if inside is None else np.where(inside, scaled, np.float32(0))
