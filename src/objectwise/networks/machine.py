"""What a network runs on."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from objectwise.errors import ArgumentError, ObjectwiseWarning

LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
"""What a container may take, in bytes, on Linux."""
GIB = 2**30


@contextmanager
def torch_threads(threads: int | None) -> Iterator[None]:
    """Use this many threads of torch inside; None leaves the number alone."""
    if threads is None:
        yield
        return
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def memory_of(device: str) -> int | None:
    """Return all the memory of a device, in bytes, whoever has it now; None where that cannot be told.

    Of the CPU that of the machine with what it swaps to, or of the container if that is less.
    """
    if device == "cuda":
        return int(torch.cuda.get_device_properties(0).total_memory)
    try:
        total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError, AttributeError):  # Windows has no such words
        return None
    return min([total + _swap(), *_limits()])


def require_memory(needed: int | None, device: str, *, what: str, cure: str) -> None:
    """Refuse what cannot fit into all the memory of a device.

    Parameters
    ----------
    needed : int or None
        Bytes, at least about; None if nobody knows, which a warning says.
    device : "cpu", "cuda" or "mps"
    what, cure : str
        What needs it, and what to do.

    Raises
    ------
    ArgumentError
        If there is less.
    """
    if needed is None:
        warnings.warn(
            f"the memory of {what} cannot be told before it begins: its network does not run without values",
            ObjectwiseWarning,
            stacklevel=2,
        )
        return
    there = memory_of(device)
    if there is not None and needed > there:
        raise ArgumentError(
            f"{what} must fit into the memory of the device ({device}, {there / GIB:.3g} GiB), "
            f"got about {needed / GIB:.3g} GiB; {cure}"
        )


def _swap() -> int:
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("SwapTotal:"))


def _limits() -> Iterator[int]:
    for place in LIMITS:
        try:
            text = Path(place).read_text(encoding="ascii").strip()
        except OSError:
            continue
        if text.isdecimal():
            yield int(text)
