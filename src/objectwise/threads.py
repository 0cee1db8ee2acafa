"""How many threads our loops may take, and work that is spread over them."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numba

Item = TypeVar("Item")
Result = TypeVar("Result")

_here = threading.local()  # has `shares` in a thread that `in_threads` began


def thread_count() -> int:
    """Return how many threads may work at once: NUMBA_NUM_THREADS, by default a core each.

    One in a worker of a PyTorch data loader, and in a thread of `in_threads`: others use the other cores. The
    number is read from Numba's settings, for `numba.get_num_threads` starts Numba's own threads, which resets
    PyTorch's number.
    """
    loading = sys.modules.get("torch.utils.data")
    if hasattr(_here, "shares") or (loading is not None and loading.get_worker_info() is not None):
        return 1
    return int(numba.config.NUMBA_NUM_THREADS)  # type: ignore[attr-defined]


def in_threads(work: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """Return the work's result for each item, in order; worth it where the work releases the GIL."""
    items = list(items)
    threads = min(thread_count(), len(items))
    if threads < 2:
        return [work(item) for item in items]
    with ThreadPoolExecutor(threads, initializer=setattr, initargs=(_here, "shares", True)) as pool:
        return list(pool.map(work, items))
