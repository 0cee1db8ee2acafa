"""What a network makes of a whole volume, window by window.

window 1   |---------------|          Neighbouring windows overlap; each voxel is the mean of the
window 2             |---------------|    windows that hold it, weighted by a Gaussian around each
weight       .-'"'-.   .-'"'-.            window's centre, because a network knows least at its border.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from objectwise.checks import check_array, check_choice, check_number, check_whole_number
from objectwise.errors import ArgumentError, DeviceError, ObjectwiseWarning, ShapeError
from objectwise.graph import Offsets, offsets_array
from objectwise.graph.axes import as_steps
from objectwise.graph.turns import Turn, turns
from objectwise.pipeline.windows import WindowPlan, blend

if TYPE_CHECKING:
    import torch

    from objectwise.data.intensity import AnyNormalisation

Progress = Callable[[int, int], None]
"""Called with the number of windows done and of all windows."""

TurnedBack = Callable[[Turn, NDArray[Any]], NDArray[Any]]

ACCELERATORS = ("auto", "cpu", "gpu", "cuda", "mps")


def predict_affinities(
    network: torch.nn.Module,
    raw: NDArray[Any],
    *,
    offsets: Offsets | None = None,
    flips: bool = False,
    **options: Any,
) -> NDArray[np.float32]:
    """Predict the affinities of a whole volume with overlapping, blended windows.

    Parameters
    ----------
    network, raw, **options
        As in `predict_probabilities`.
    offsets : Neighborhood or (k, dimensions) int, voxels, optional
        By default those of the network's record; only `flips` look at them.
    flips : bool
        Average over all mirror images, and over quarter turns where sections and windows are square; an
        edge's channel turns along.

    Returns
    -------
    (k, z, y, x) float32
        Probabilities in 0..1 that the two ends of an edge lie in one object; one channel per offset. With
        `flips`, edges that leave the volume are 0.

    Raises
    ------
    ShapeError, ArgumentError, DeviceError
        As in `predict_probabilities`, and with `flips` if an offset has no partner in a mirror image.
    """
    if not flips:
        return predict_probabilities(network, raw, **options)
    record = getattr(network, "record", None)
    known = offsets if offsets is not None or record is None else record.offsets
    if known is None:
        raise ArgumentError("`offsets` must be given to average over flips, for a network without a record")
    table = as_steps(offsets_array(known))

    def back(turn: Turn, turned: NDArray[Any]) -> NDArray[Any]:
        return turn.affinities_back(turned, table)

    return predict_probabilities(network, raw, turned_back=back, **options)


def predict_probabilities(
    network: torch.nn.Module,
    raw: NDArray[Any],
    *,
    activation: Callable[[torch.Tensor], torch.Tensor] | None = None,
    turned_back: TurnedBack | None = None,
    window_shape: Sequence[int] | None = None,
    overlap: float = 0.25,
    batch_size: int = 4,
    accelerator: str = "auto",
    threads: int | None = None,
    normalisation: AnyNormalisation | None = None,
    name: str = "raw",
    progress: Progress | None = None,
) -> NDArray[np.float32]:
    """Predict what the channels of a network mean, for a whole volume with overlapping, blended windows.

    Parameters
    ----------
    network : logits (n, k, *window) from raw (n, 1, *window) float32
        Comes back on its own device and in its own mode. One that `load_network` read has a `record` of what
        it was trained on.
    raw : (z, y, x) or (channels, z, y, x), any dtype that `objectwise.data.normalise_raw` takes
    activation : callable, optional
        From logits (n, k, *window) to probabilities; a sigmoid by default.
    turned_back : callable, optional
        Average over all mirror images, and over quarter turns where sections and windows are square: how the
        prediction of a turned volume, (k, z, y, x), becomes that of the volume.
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
    normalisation : Normalisation or ChannelNormalisation, optional
        By default that of the network's record, the same for whatever part of a volume is read. A network
        without one gets every volume by its own range (`raw_range`), 0..1.
    name : str
        Of the volume, in warnings.
    progress : called with (windows done, all windows)

    Returns
    -------
    (k, z, y, x) float32
        Probabilities in 0..1.

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
    from objectwise.networks.network import written_by

    check_array(raw, "raw")
    if window_shape is None:
        window_shape = _recorded_window(network)
    check_windows(raw.shape, window_shape, overlap=overlap, batch_size=batch_size)
    device = find_device(accelerator)
    volume = raw if raw.ndim == 4 else raw[None]
    writes = written_by(network, window_shape, in_channels=len(volume), name="window_shape")
    normalised = _normalisation(network, raw, normalisation, name=name)
    plan = partial(_Plan, volume, normalised, tuple(window_shape), writes, overlap, batch_size, device)
    chosen = _turns(volume.shape[1:], window_shape) if turned_back is not None else [Turn((False,) * 3)]
    images = volume.shape[1] if len(window_shape) == 2 else 1
    over = _n_windows(volume.shape[-len(window_shape) :], window_shape, writes, overlap)
    counted = _Counted(network, activation or torch.sigmoid, len(chosen) * images * over, progress)
    whole: NDArray[np.float32] | None = None
    with torch_threads(threads), _evaluating(network, device), torch.inference_mode():
        for turn in chosen:
            one = plan(turn).blended(counted)
            if turned_back is not None:
                one = turned_back(turn, one)
            if whole is None:
                whole = np.ascontiguousarray(one)
            else:
                whole += one
    assert whole is not None
    return whole if len(chosen) == 1 else np.divide(whole, len(chosen), out=whole)


def normalisation_of(network: torch.nn.Module) -> AnyNormalisation | None:
    """Return the normalisation of the data that a network was trained on, where it knows it.

    Raises
    ------
    ArgumentError
        If its record holds none.
    """
    from objectwise.data import normalisation_from_plain

    record = getattr(network, "record", None)
    return None if record is None else normalisation_from_plain(record.normalisation)


def _normalisation(
    network: torch.nn.Module, raw: NDArray[Any], given: AnyNormalisation | None, *, name: str
) -> AnyNormalisation:
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
    return found.of(raw)


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
    if len(shape) not in (3, 4):
        raise ShapeError(f"`raw` must have shape (z, y, x) or (channels, z, y, x), got {tuple(shape)}")
    if 0 in shape:
        raise ShapeError(f"`raw` must not be empty, got shape {tuple(shape)}")
    if len(window_shape) not in (2, 3) or min(window_shape) < 1:
        raise ShapeError(f"`window_shape` must be 2 or 3 positive numbers, got {tuple(window_shape)}")
    check_number(overlap, name="overlap")
    if not 0 <= overlap < 1:
        raise ArgumentError(f"`overlap` must be in 0..1, 1 excluded, got {overlap}")
    check_whole_number(batch_size, least=1, name="batch_size")


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


@dataclass(frozen=True)
class _Plan:
    """One pass over a volume (c, z, y, x), turned."""

    volume: NDArray[Any]
    normalised: AnyNormalisation
    reads: tuple[int, ...]
    writes: tuple[int, ...]
    overlap: float
    batch_size: int
    device: torch.device
    turn: Turn

    def blended(self, predict: _Counted) -> NDArray[np.float32]:
        """Return (k, z, y, x) probabilities of the turned volume."""
        turned = self.turn(self.volume)
        if len(self.reads) == 3:
            return np.asarray(self._blend(predict, turned[None])[0])
        whole: NDArray[np.float32] | None = None
        for at in range(0, turned.shape[1], self.batch_size):  # a section is an image of its own
            part = self._blend(predict, turned[:, at : at + self.batch_size].swapaxes(0, 1))
            if whole is None:
                whole = np.empty((part.shape[1], *turned.shape[1:]), np.float32)
            whole[:, at : at + len(part)] = part.swapaxes(0, 1)
        assert whole is not None
        return whole

    def _blend(self, predict: _Counted, images: NDArray[Any]) -> NDArray[np.float32]:
        import torch

        windows = WindowPlan.of(images.shape[2:], self.reads, self.writes, self.overlap)
        # A range belongs to a channel: channels go to the front, and back.
        values = self.normalised(np.ascontiguousarray(images.swapaxes(0, 1))).swapaxes(0, 1)
        tensor = torch.from_numpy(np.ascontiguousarray(values))
        return blend(predict, tensor, windows, batch_size=self.batch_size, device=self.device)


class _Counted:
    """The probabilities of a batch of windows; tells the caller how many are done."""

    def __init__(
        self,
        network: torch.nn.Module,
        activation: Callable[[torch.Tensor], torch.Tensor],
        total: int,
        progress: Progress | None,
    ) -> None:
        self.network, self.activation, self.total, self.progress = network, activation, total, progress
        self.done = 0

    def __call__(self, windows: torch.Tensor) -> torch.Tensor:
        probabilities = self.activation(self.network(windows).float())
        self.done += len(windows)
        if self.progress is not None:
            self.progress(self.done, self.total)
        return probabilities


def _turns(spatial: Sequence[int], window_shape: Sequence[int]) -> list[Turn]:
    """Return the turns of a stack (z, y, x) that keep its windows; in 2-D its sections stay in order."""
    square = spatial[-1] == spatial[-2] and window_shape[-1] == window_shape[-2]
    if len(window_shape) == 3:
        return list(turns(3, square=square))
    return [Turn((False, *turn.mirrored), turn.quarters) for turn in turns(2, square=square)]


def _n_windows(spatial: Sequence[int], reads: Sequence[int], writes: Sequence[int], overlap: float) -> int:
    return len(WindowPlan.of(spatial, reads, writes, overlap).starts)
