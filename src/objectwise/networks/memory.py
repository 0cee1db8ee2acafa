"""How much memory a network takes, before it takes any: its steps are played through with shapes alone.

Tensors on torch's device `meta` have shapes and no values. A pass with them makes and frees what a real one
does, and the largest number of bytes alive at once is what it needs, whatever the network.
"""

from __future__ import annotations

import copy
import math
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from objectwise.errors import ObjectwiseError

MORE_THAN_ANY = 2**62
"""Bytes, of shapes that torch cannot count."""

OPTIMISER_STATES = 2
"""Numbers that AdamW keeps of each weight."""

BLOCK = 16
"""On the CPU a convolution copies what it reads and writes into blocks of so many channels, the last one
filled up with zeros. With these copies, steps and passes of networks with 4 to 64 channels at the finest
level took 0.85 to 1.7 times what is estimated here."""


def estimate_inference_memory(
    network: nn.Module, shape: Sequence[int], *, batch_size: int, in_channels: int = 1, device: str = "cpu"
) -> int | None:
    """Return the bytes on the device that a batch of windows takes, the weights included.

    Parameters
    ----------
    network : nn.Module
        Stays as it is.
    shape : (ndim,) int, voxels
        Of a window.
    batch_size : int
        Windows in one pass.
    in_channels : int
    device : "cpu", "cuda" or "mps"

    Returns
    -------
    int or None
        Within a factor of two of what a pass takes; None of a network that does not run without values.
    """

    def one_pass(shadow: nn.Module, raw: Tensor) -> None:
        with torch.inference_mode():
            shadow.eval()(raw).sigmoid()

    played = _peak_of(network, one_pass, (batch_size, in_channels, *shape), device)
    return None if played is None else played + _bytes_of(network)


def estimate_training_memory(
    network: nn.Module, shape: Sequence[int], *, batch_size: int, in_channels: int = 1, device: str = "cpu"
) -> int | None:
    """Return the bytes on the device that a training step takes: weights, gradients, AdamW, activations.

    Parameters
    ----------
    network : nn.Module
        Stays as it is.
    shape : (ndim,) int, voxels
        Of a patch.
    batch_size : int
        Patches in one step of one device.
    in_channels : int
    device : "cpu", "cuda" or "mps"

    Returns
    -------
    int or None
        Within a factor of two of what a step with cross-entropy takes, whatever the precision: the mixed ones
        keep half of it twice. None of a network that does not run without values.
    """

    def one_step(shadow: nn.Module, raw: Tensor) -> None:
        logits = shadow.train()(raw)
        loss = nn.functional.binary_cross_entropy_with_logits(logits, torch.empty_like(logits))
        torch.autograd.backward(loss)

    played = _peak_of(network, one_step, (batch_size, in_channels, *shape), device)
    return None if played is None else played + (1 + OPTIMISER_STATES) * _bytes_of(network)


def _peak_of(
    network: nn.Module, play: Callable[[nn.Module, Tensor], None], shape: tuple[int, ...], device: str
) -> int | None:
    """Return the most bytes alive while `play` has the network and an input of this shape."""
    if math.prod(shape) >= MORE_THAN_ANY // 8:
        return MORE_THAN_ANY
    try:
        shadow = _shadow_of(network)
        with _Meter(on_cpu=device == "cpu") as meter:
            play(shadow, torch.empty(shape, device="meta"))
    except ObjectwiseError:
        raise
    except Exception as error:  # of anyone's network
        return MORE_THAN_ANY if "overflow" in str(error) else None
    peak: int = meter.peak
    return peak


def _shadow_of(network: nn.Module) -> nn.Module:
    """Return a copy whose weights have shapes and no values."""
    memo: dict[int, Any] = {
        id(buffer): torch.empty_like(buffer, device="meta") for buffer in network.buffers()
    }
    for weight in network.parameters():
        memo[id(weight)] = nn.Parameter(torch.empty_like(weight, device="meta"), weight.requires_grad)
    return copy.deepcopy(network, memo)


def _bytes_of(network: nn.Module) -> int:
    return sum(weight.numel() * weight.element_size() for weight in network.parameters())


class _Meter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the bytes of what operations inside make, from when it is made until it is freed."""

    def __init__(self, *, on_cpu: bool) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.on_cpu = on_cpu
        self.alive: dict[int, int] = {}
        self.now: int = 0
        self.peak: int = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Do the operation, and count what it made."""
        made = func(*args, **(kwargs or {}))
        for tensor in _tensors(made):
            self._count(tensor)
        in_blocks = self.on_cpu and "conv" in str(func)
        copies = sum(map(_in_blocks, _tensors((args, made)))) if in_blocks else 0
        self.peak = max(self.peak, self.now + copies)
        return made

    def _count(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        key = storage._cdata
        if key not in self.alive:
            self.alive[key] = _size(tensor)
            self.now += self.alive[key]
            weakref.finalize(storage, self._free, key)

    def _free(self, key: int) -> None:
        self.now -= self.alive.pop(key)


def _tensors(tree: Any) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, Tensor)]


def _in_blocks(tensor: Tensor) -> int:
    """Return the bytes of (n, channels, *spatial) in blocks of channels."""
    channels = tensor.shape[1] if tensor.ndim > 1 else 1
    return _size(tensor) * math.ceil(channels / BLOCK) * BLOCK // max(1, channels)


def _size(tensor: Tensor) -> int:
    return tensor.untyped_storage().nbytes()
