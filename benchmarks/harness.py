"""What every benchmark shares: paired timing, peak memory, and a record of where the numbers come from.

A benchmark calls `compare` with the rivals of one case and a function that asserts that their answers agree
and, at the end, `report`, which prints a Markdown table and writes it to `benchmarks/results/NAME.md`, next
to `NAME.json` with every single time. Import this before objectwise: it makes Numba compile anew, so that
first calls show what a new installation pays.
"""

from __future__ import annotations

import atexit
import ctypes
import gc
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numba

from objectwise.threads import thread_count

RESULTS = Path(__file__).resolve().parent / "results"
PERFORMANCE = RESULTS.parents[1] / "docs" / "performance.md"
PARTS = ("start", "malis", "malis_large", "tree", "instance", "region", "training")
"""Of docs/performance.md, in order; each benchmark writes its own."""
MIB = 1 << 20

_fresh_cache = tempfile.TemporaryDirectory(prefix="objectwise-bench-")
atexit.register(_fresh_cache.cleanup)
numba.config.CACHE_DIR = _fresh_cache.name


@dataclass(frozen=True)
class Row:
    """One rival on one case."""

    case: str
    rival: str
    first_seconds: float
    """The first call: compilation, caches and page faults included."""
    seconds: tuple[float, ...]
    """Repeats after it, taken in turns with the other rivals."""
    peak_mib: float | None
    """Highest resident memory during one call, above that before it; None where the system cannot tell."""

    @property
    def median(self) -> float:
        """Median of the repeats, in seconds."""
        return statistics.median(self.seconds)


def compare(
    case: str,
    rivals: Mapping[str, Callable[[], Any]],
    *,
    agree: Callable[..., None],
    repeats: int = 7,
) -> list[Row]:
    """Assert that the rivals agree, then time them.

    `agree` takes their answers in order and raises where they differ. The rivals take turns (A B A B ...),
    so that a machine that slows down slows all of them alike.
    """
    first, answers = {}, []
    for name, call in rivals.items():
        start = time.perf_counter()
        answers.append(call())
        first[name] = time.perf_counter() - start
    agree(*answers)
    del answers
    times: dict[str, list[float]] = {name: [] for name in rivals}
    for _ in range(repeats):
        for name, call in rivals.items():
            times[name].append(seconds_of(call))
    return [
        Row(case, name, first[name], tuple(times[name]), peak_memory_mib(call))
        for name, call in rivals.items()
    ]


def seconds_of(call: Callable[[], object]) -> float:
    """Time one call; `call` synchronises its device itself."""
    gc.collect()
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def peak_memory_mib(call: Callable[[], object]) -> float | None:
    """Return how far one call raises the resident memory, in MiB (Linux only).

    The kernel's high-water mark counts every allocator, C++ and Numba too. What the C library holds free is
    given back first, or a call that takes it again would seem to need no memory.
    """
    status = Path("/proc/self/status")
    gc.collect()
    try:
        ctypes.CDLL("libc.so.6").malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5")  # resets the high-water mark
    except OSError:
        return None
    before = _status_kib(status, "VmRSS")
    call()
    return max(0, _status_kib(status, "VmHWM") - before) * 1024 / MIB


@contextmanager
def memory_kept() -> Iterator[None]:
    """Let the C library keep what is freed, as it does below 32 MiB anyway.

    Above that each array is handed out by the system and cleared page by page, which takes as long as a pass
    over it; where the system is a guest that returns free memory to its host, several times as long.
    """
    mmap_most, trim_threshold = -4, -1  # parameters of mallopt, malloc.h
    library = ctypes.CDLL("libc.so.6")
    library.mallopt(mmap_most, 0)
    library.mallopt(trim_threshold, -1)
    try:
        yield
    finally:
        library.mallopt(mmap_most, 65536)
        library.mallopt(trim_threshold, 128 << 10)
        library.malloc_trim(0)


def _status_kib(status: Path, field: str) -> int:
    line = next(line for line in status.read_text().splitlines() if line.startswith(field))
    return int(line.split()[1])


def environment(*packages: str) -> dict[str, Any]:
    """Return commit, date, machine and versions."""
    return {
        "commit": _git("rev-parse", "--short", "HEAD")
        + ("+" if _git("status", "--porcelain", "src") else ""),
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "machine": f"{_cpu_name()}, {len(os.sched_getaffinity(0))} cores, {platform.system()}",
        "load": round(os.getloadavg()[0], 1),
        "threads": f"{os.environ.get('OMP_NUM_THREADS', 'default')} (OMP), {thread_count()} (ours)",
        "versions": {"python": platform.python_version()} | {name: version(name) for name in packages},
    }


def _git(*arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments], cwd=PERFORMANCE.parents[1], capture_output=True, text=True, check=False
    )
    return done.stdout.strip() if done.returncode == 0 else "unknown"


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def markdown(name: str, rows: list[Row], facts: Mapping[str, Any]) -> str:
    """Return the table, with the facts above it; the last rival of each case is the one to beat."""
    versions = ", ".join(f"{package} {number}" for package, number in facts["versions"].items())
    lines = [
        f"# {name}",
        "",
        f"Commit {facts['commit']}, {facts['date']}; {facts['machine']}, load {facts['load']} at the end, "
        f"threads {facts['threads']}; {versions}.",
        "",
        "| case | rival | median, ms | range, ms | first call, ms | peak memory, MiB | times faster |",
        "|---|---|---:|---:|---:|---:|---:|",
    ]
    for row in rows:
        reference = [other for other in rows if other.case == row.case][-1]
        peak = "?" if row.peak_mib is None else f"{row.peak_mib:.0f}"
        faster = "" if row is reference else f"{reference.median / row.median:.1f}"
        spread = f"{min(row.seconds) * 1e3:.1f} - {max(row.seconds) * 1e3:.1f}"
        lines.append(
            f"| {row.case} | {row.rival} | {row.median * 1e3:.1f} | {spread} "
            f"| {row.first_seconds * 1e3:.1f} | {peak} | {faster} |"
        )
    return "\n".join(lines) + "\n"


def report(name: str, rows: list[Row], *, packages: tuple[str, ...], figures: str = "") -> None:
    """Print the table, and figures made of it, and write both, and the raw times as JSON, to the results."""
    facts = environment(*packages)
    table = markdown(name, rows, facts) + (f"\n{figures}" if figures else "")
    RESULTS.mkdir(exist_ok=True)
    _write(RESULTS / f"{name}.md", table)
    _write(RESULTS / f"{name}.json", json.dumps(facts | {"rows": [asdict(row) for row in rows]}, indent=1))
    sys.stdout.write(table)


def publish(part: str, text: str) -> None:
    """Write one part of docs/performance.md to `benchmarks/results/PART.md`, and the page from all parts."""
    RESULTS.mkdir(exist_ok=True)
    _write(RESULTS / f"{part}.md", text)
    parts = [RESULTS / f"{name}.md" for name in PARTS]
    texts = [path.read_text(encoding="utf-8") for path in parts if path.exists()]
    _write(PERFORMANCE, "\n".join(["# Performance\n\nMade by `benchmarks/`; do not edit.\n", *texts]))


def _write(path: Path, text: str) -> None:
    """Write to a temporary name beside it and rename, so that no file is half written."""
    unfinished = path.with_name(f".{path.name}.part")
    unfinished.write_text(text)
    unfinished.replace(path)
