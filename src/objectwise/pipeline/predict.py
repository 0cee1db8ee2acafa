"""Affinities of a whole volume, window by window.

window 1   |---------------|          Neighbouring windows overlap; each voxel is the mean of the
window 2             |---------------|    windows that hold it, weighted by a Gaussian around each
weight       .-'"'-.   .-'"'-.            window's centre, because a network knows least at its border.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from objectwise.checks import check_choice
from objectwise.errors import ArgumentError, DeviceError, ObjectwiseWarning, ShapeError

if TYPE_CHECKING:
    import torch

    from objectwise.data import Normalisation

Progress = Callable[[int, int], None]
"""Called with the number of windows done and of all windows."""

ACCELERATORS = ("auto", "cpu", "gpu", "cuda", "mps")


def predict_affinities(
    network: torch.nn.Module,
    raw: NDArray[Any],
    *,
    window_shape: Sequence[int] | None = None,
    overlap: float = 0.25,
    batch_size: int = 4,
    accelerator: str = "auto",
    threads: int | None = None,
    normalisation: Normalisation | None = None,
    name: str = "raw",
    progress: Progress | None = None,
) -> NDArray[np.float32]:
    """Predict the affinities of a whole volume with overlapping, blended windows.

    Parameters
    ----------
    network : logits (n, k, *window) from raw (n, 1, *window) float32
        Comes back on its own device and in its own mode. One that `load_network` read has a `record` of what
        it was trained on.
    raw : (z, y, x), any dtype that `objectwise.data.normalise_raw` takes
    window_shape : 3 or 2 ints, voxels
        By default that of the network's record. With 2 numbers every section is an image of its own. A volume
        smaller than the window is padded by reflection, and the padding cut off again.
    overlap : float in 0..1, 1 excluded
        Fraction of the window that neighbours share, along each axis.
    batch_size : int
        Windows in one pass of the network. The result does not depend on it.
    accelerator : "auto", "cpu", "gpu", "cuda" or "mps"
    threads : int, optional
        Of torch, on the CPU; its own choice by default.
    normalisation : Normalisation, optional
        By default that of the network's record, the same for whatever part of a volume is read. A network
        without one gets every volume by its own range (`raw_range`), 0..1.
    name : str
        Of the volume, in warnings.
    progress : called with (windows done, all windows)

    Returns
    -------
    (k, z, y, x) float32
        Probabilities in 0..1 that the two ends of an edge lie in one object; one channel per offset.

    Raises
    ------
    ShapeError, ArgumentError, DeviceError
        If `raw` or `window_shape` have the wrong number of axes, or the accelerator is not there.

    Warns
    -----
    ObjectwiseWarning
        If the intensities of `raw` lie far from those of the training: `Normalisation.distance`.

    Notes
    -----
    Memory in 2-D: the output, and one batch of sections with its own output. In 3-D: the output, the volume
    as float32, and MONAI's map of summed weights, float32 as well. On the accelerator `batch_size` windows
    with the network's own activations.

    Probabilities are blended, not logits: one sure window would outvote the others.
    """
    import torch

    from objectwise.networks.machine import torch_threads

    if window_shape is None:
        window_shape = _recorded_window(network)
    check_windows(raw.shape, window_shape, overlap=overlap, batch_size=batch_size)
    device = find_device(accelerator)
    dimensions = len(window_shape)
    normalised = _normalisation(network, raw, normalisation, name=name)
    sections_at_once = batch_size if dimensions == 2 else len(raw)
    images = len(raw) if dimensions == 2 else 1
    total = images * math.prod(_windows_per_axis(raw.shape[-dimensions:], window_shape, overlap))
    blend = partial(
        _blend_windows,
        _Counted(network, total, progress),
        window_shape=window_shape,
        overlap=overlap,
        batch_size=batch_size,
        device=device,
    )
    whole: NDArray[np.float32] | None = None
    with torch_threads(threads), _evaluating(network, device), torch.inference_mode():
        for at in range(0, len(raw), sections_at_once):
            part = torch.from_numpy(normalised(raw[at : at + sections_at_once]))
            if dimensions == 3:
                return np.ascontiguousarray(blend(part[None, None])[0])
            affinities = blend(part[:, None])
            if whole is None:
                whole = np.empty((affinities.shape[1], *raw.shape), np.float32)
            whole[:, at : at + len(part)] = affinities.swapaxes(0, 1)
    assert whole is not None
    return whole


def normalisation_of(network: torch.nn.Module) -> Normalisation | None:
    """Return the normalisation of the data that a network was trained on, where it knows it.

    Raises
    ------
    ArgumentError
        If its record holds none.
    """
    from objectwise.data import Normalisation

    record = getattr(network, "record", None)
    return None if record is None else Normalisation.from_plain(record.normalisation)


def _normalisation(
    network: torch.nn.Module, raw: NDArray[Any], given: Normalisation | None, *, name: str
) -> Normalisation:
    """Return how this volume is normalised, and warn where the network has not seen the like of it."""
    from objectwise.data import fit_normalisation

    found = given or normalisation_of(network)
    if found is None:
        return fit_normalisation([raw])
    distance = found.distance(raw)
    if distance is not None:
        warnings.warn(
            f"the network has not learnt from volumes like {name}: {distance}; check that it is the image "
            "that is meant, rescale it to the intensities of the training, or train on such volumes",
            ObjectwiseWarning,
            stacklevel=3,
        )
    return found


def _recorded_window(network: torch.nn.Module) -> tuple[int, ...]:
    record = getattr(network, "record", None)
    if record is None:
        raise ArgumentError("`window_shape` must be given for a network without a record of its training")
    window: tuple[int, ...] = record.window_shape
    return window


def check_windows(
    shape: Sequence[int], window_shape: Sequence[int], *, overlap: float, batch_size: int
) -> None:
    """Require a stack (z, y, x) and windows that `predict_affinities` can lay over it."""
    if len(shape) != 3:
        raise ShapeError(f"`raw` must have shape (z, y, x), got {tuple(shape)}")
    if 0 in shape:
        raise ShapeError(f"`raw` must not be empty, got shape {tuple(shape)}")
    if len(window_shape) not in (2, 3) or min(window_shape) < 1:
        raise ShapeError(f"`window_shape` must be 2 or 3 positive numbers, got {tuple(window_shape)}")
    if not 0 <= overlap < 1:
        raise ArgumentError(f"`overlap` must be in 0..1, 1 excluded, got {overlap}")
    if batch_size < 1:
        raise ArgumentError(f"`batch_size` must be at least 1, got {batch_size}")


def find_device(accelerator: str) -> torch.device:
    """Return the device a word of the configuration means; it must be there."""
    import torch

    check_choice(accelerator, ACCELERATORS, name="accelerator")
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if accelerator in ("auto", "gpu"):
        for name, found in there.items():
            if found and (accelerator == "auto" or name != "cpu"):
                return torch.device(name)
        raise DeviceError("`accelerator` must be present, got 'gpu' on a machine without one; use 'cpu'")
    if not there[accelerator]:
        raise DeviceError(f"`accelerator` must be present, got {accelerator!r}; use 'cpu' or 'auto'")
    return torch.device(accelerator)


@contextmanager
def _evaluating(network: torch.nn.Module, device: torch.device) -> Iterator[None]:
    """Lend the network to a device for evaluation; afterwards it is where and how the caller had it."""
    before = next((tensor.device for tensor in (*network.parameters(), *network.buffers())), device)
    was_training = network.training
    try:
        network.to(device).eval()
        yield
    finally:
        network.to(before).train(was_training)


class _Counted:
    """The probabilities of a batch of windows; tells the caller how many are done."""

    def __init__(self, network: torch.nn.Module, total: int, progress: Progress | None) -> None:
        self.network, self.total, self.progress = network, total, progress
        self.done = 0

    def __call__(self, windows: torch.Tensor) -> torch.Tensor:
        probabilities: torch.Tensor = self.network(windows).float().sigmoid()
        self.done += len(windows)
        if self.progress is not None:
            self.progress(self.done, self.total)
        return probabilities


def _blend_windows(
    probabilities: _Counted,
    images: torch.Tensor,
    *,
    window_shape: Sequence[int],
    overlap: float,
    batch_size: int,
    device: torch.device,
) -> NDArray[np.float32]:
    """Return the (n, k, *spatial) probabilities of a few images (n, 1, *spatial) on the CPU."""
    import torch
    from monai.inferers.utils import sliding_window_inference

    padding = [
        ((missing := max(window - size, 0)) // 2, missing - missing // 2)
        for window, size in zip(window_shape, images.shape[2:], strict=True)
    ]
    if any(map(any, padding)):
        # numpy reflects as often as it takes; torch refuses a padding longer than the image.
        images = torch.from_numpy(np.pad(images.numpy(), [(0, 0), (0, 0), *padding], mode="reflect"))
    blended = sliding_window_inference(
        images,
        roi_size=tuple(window_shape),
        sw_batch_size=batch_size,
        predictor=probabilities,
        overlap=overlap,
        mode="gaussian",
        sw_device=device,
        device=torch.device("cpu"),
    )
    assert isinstance(blended, torch.Tensor)
    inner = tuple(
        slice(low, size - high) for (low, high), size in zip(padding, images.shape[2:], strict=True)
    )
    array: NDArray[np.float32] = blended.numpy()[(slice(None), slice(None), *inner)]
    # The blend of numbers in 0..1 can leave the range by a rounding error.
    return np.clip(array, 0, 1, out=array)


def _windows_per_axis(spatial: Sequence[int], window_shape: Sequence[int], overlap: float) -> list[int]:
    """Return how many windows MONAI lays along each axis."""
    counts = []
    for size, window in zip(spatial, window_shape, strict=True):
        step = max(int(window * (1 - overlap)), 1)
        counts.append(1 if size <= window else math.ceil((size - window) / step) + 1)
    return counts
