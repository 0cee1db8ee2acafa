"""MALIS: time and memory of the counts and of the loss, against sorting the same edges with NumPy.

    OMP_NUM_THREADS=1 python benchmarks/bench_malis.py           # about five minutes
    OMP_NUM_THREADS=1 python benchmarks/bench_malis.py --quick   # the first table only
    OMP_NUM_THREADS=1 python benchmarks/bench_malis.py --large   # one step of the loss on 512^3 voxels, no more

The yardstick is one call of `np.argsort` on the float32 values of all edges inside the volume, taken in turns
with what it is compared to: `np.sort` takes 4 ns an edge on some processors and 39 on others. Prints every claim beside its limit, writes `benchmarks/results/malis.*` and its part
of `docs/performance.md`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

import harness
from harness import RESULTS, environment, memory_kept, peak_memory_mib, publish, seconds_of
from objectwise.graph import Neighborhood, affinities_from_labels, known_edges
from objectwise.kernels import malis as kernel
from objectwise.kernels.cycles import settle_cycles
from objectwise.kernels.edge_counts import EdgeCounts, dense
from objectwise.kernels.edge_lists import edge_states, list_edges
from objectwise.kernels.edge_order import order_keys, sort_between
from objectwise.kernels.edges import voxel_steps
from objectwise.kernels.malis import merges_over, words_over
from objectwise.kernels.malis_between import (
    connected_pieces,
    count_between,
    drop_joined,
    labelled_singletons,
)
from objectwise.kernels.malis_within import count_within
from objectwise.maps import malis_pair_counts

OFFSETS = Neighborhood.nearest(3)
REPEATS = 7
INFINITE = float("inf")


@dataclass(frozen=True)
class Claim:
    """One figure, measured, and the limit it is held to."""

    what: str
    measured: float
    limit: float
    unit: str
    at_least: bool = False

    @property
    def holds(self) -> bool:
        """Say whether the figure keeps its limit."""
        return self.measured >= self.limit if self.at_least else self.measured <= self.limit


@dataclass(frozen=True)
class Tissue:
    """A made-up volume and a prediction of it."""

    affinities: NDArray[np.float32]
    labels: NDArray[np.int64]

    def edge_values(self) -> NDArray[np.float32]:
        """Return the values of all edges inside the volume."""
        return self.affinities[known_edges(self.labels.shape, OFFSETS)]


def tissue(
    shape: Sequence[int], n_objects: int, *, saturated: bool = False, pieces: int = 1, seed: int = 0
) -> Tissue:
    """Return Voronoi cells with a tenth of background between them, and smooth, noisy affinities.

    `pieces` cells share a label. The distribution is that of a network half-way through training: most edges
    within objects above 0.9, most boundaries below 0.3, and errors of both kinds; saturated, it is rounded to 21
    values.
    """
    from scipy.ndimage import gaussian_filter
    from scipy.spatial import cKDTree
    from scipy.special import expit

    rng = np.random.default_rng(seed)
    n_cells = n_objects * pieces
    voxels = np.stack(np.unravel_index(np.arange(np.prod(shape)), shape), axis=1)
    tree = cKDTree(rng.random((n_cells, len(shape))) * shape)
    distances, nearest = tree.query(voxels, k=min(2, n_cells), workers=-1)
    gap = distances[:, 1] - distances[:, 0]
    labels = np.where(gap > np.quantile(gap, 0.1), nearest[:, 0] % n_objects + 1, 0).reshape(shape)
    truth = affinities_from_labels(labels, OFFSETS)
    noise = rng.standard_normal(truth.shape, np.float32)
    logits = np.stack([gaussian_filter(channel, 1) for channel in truth]) * 8 - 4
    logits += gaussian_filter(noise, (0, 1, 1, 1)) * 3 + rng.standard_normal(truth.shape, np.float32) * 0.5
    affinities = expit(logits, dtype=np.float32)
    return Tissue(np.round(affinities * 20) / np.float32(20) if saturated else affinities, labels)


def paired(*calls: Callable[[], object], repeats: int = REPEATS) -> list[float]:
    """Return the least seconds of each call, taken in turns after one warm-up.

    What else the machine does only ever adds time, and adds more to a call that is bound by memory.
    """
    for call in calls:
        call()
    times = [[seconds_of(call) for call in calls] for _ in range(repeats)]
    return [min(column) for column in zip(*times, strict=True)]


def counts_of(data: Tissue, **options: Any) -> Callable[[], object]:
    """Return a call of the counts."""
    return lambda: malis_pair_counts(data.affinities, data.labels, OFFSETS, **options)


def bench_counts(data: Tissue, saturated: Tissue) -> list[Claim]:
    """Compare all forms of the counts with what NumPy takes for the same edges, one thread."""
    values = data.edge_values()
    mask = np.random.default_rng(1).random(data.affinities.shape) > 0.2
    kept = np.empty_like(values)
    names = (
        f"np.sort ({_sort_target()})",
        "np.argsort",
        "a plain copy",
        "constrained counts",
        "unconstrained counts",
        "constrained counts, a fifth of the edges unknown",
        "constrained counts, saturated (21 values)",
    )
    seconds = paired(
        lambda: np.sort(values),
        lambda: np.argsort(values),
        lambda: np.copyto(kept, values),
        counts_of(data),
        counts_of(data, constrained=False),
        counts_of(data, edge_mask=mask),
        counts_of(saturated),
    )
    argsort = seconds[1]
    limits = zip(names[3:], seconds[3:], (0.75, 1.5, 1.5, 0.75), strict=True)
    return [
        *(
            Claim(f"{name}, an edge", one / values.size * 1e9, INFINITE, "ns")
            for name, one in zip(names, seconds, strict=True)
        ),
        *(Claim(name, one / argsort, limit, "x np.argsort") for name, one, limit in limits),
    ]


def bench_used_up(data: Tissue) -> list[Claim]:
    """Count with arrays of their own for what is written over arrays that are used up."""

    def own(call: Callable[[], object]) -> Callable[[], object]:
        def with_arrays_of_their_own() -> object:
            over = kernel.words_over, kernel.merges_over
            kernel.words_over = lambda keys, size: np.empty(size, np.uint64)
            kernel.merges_over = lambda order, spare: EdgeCounts(
                np.empty(order.size, np.int64), np.empty(order.size, np.int64)
            )
            try:
                return call()
            finally:
                kernel.words_over, kernel.merges_over = over

        return with_arrays_of_their_own

    claims = []
    for name, options in (("constrained", {}), ("unconstrained", {"constrained": False})):
        over, anew = counts_of(data, **options), own(counts_of(data, **options))
        before, after = paired(over, anew)
        what = f"{name} counts with new arrays, not over used-up ones"
        claims.append(Claim(f"{what}: time", after / before, INFINITE, "x"))
        claims.append(_memory_claim(f"{what}: peak memory", data, anew, limit=INFINITE))
    return claims


def _sort_target() -> str:
    """Return the instructions that NumPy sorts with: the yardstick depends on them several times over."""
    targets = [
        name
        for name in ("X86_V4", "AVX512_SKX", "X86_V3", "AVX2")
        if np._core._multiarray_umath.__cpu_features__.get(name)
    ]
    return targets[0] if targets else "no vector instructions known"


def bench_threads(data: Tissue) -> list[Claim]:
    """Count two volumes one after the other, and on two threads."""
    count = counts_of(data)
    with ThreadPoolExecutor(2) as pool:
        one, two = paired(lambda: (count(), count()), lambda: list(pool.map(lambda _: count(), range(2))))
    return [Claim("batch of 2 on 2 threads, against one after the other", one / two, 1.7, "x", at_least=True)]


def bench_loss(data: Tissue) -> list[Claim]:
    """Time forward and backward of the loss against the counts alone."""
    import torch

    from objectwise.losses import MalisLoss

    torch.set_num_threads(1)
    logits = torch.logit(torch.from_numpy(data.affinities), eps=1e-6)[None].requires_grad_()
    labels, loss = torch.from_numpy(data.labels)[None], MalisLoss(OFFSETS)
    values = logits.detach().numpy()[0]

    def step() -> None:
        logits.grad = None
        loss(logits, labels).backward()

    counts, both = paired(lambda: malis_pair_counts(values, data.labels, OFFSETS), step)
    return [Claim("MalisLoss, forward and backward, against the counts", both / counts, 1.3, "x")]


def bench_memory(data: Tissue, large: Tissue | None) -> list[Claim]:
    """Measure the peak beyond inputs and results; of the other forms on a large volume.

    Below 32 MiB the C library keeps what is freed, and a form that takes and frees much seems to need it all.
    """
    claims = [_memory_claim("peak memory beyond inputs and results", data, counts_of(data))]
    if large is not None:
        edge_mask = np.random.default_rng(1).random(large.affinities.shape) > 0.2
        forms: dict[str, dict[str, Any]] = {
            "constrained": {},
            "unconstrained": {"constrained": False},
            "a fifth of the edges unknown": {"edge_mask": edge_mask},
            "background unlabelled": {"unlabelled": large.labels == 0},
        }
        claims += [
            _memory_claim(f"the same, 256^3, {name}", large, counts_of(large, **form))
            for name, form in forms.items()
        ]
    return claims


def _memory_claim(what: str, data: Tissue, call: Callable[[], object], limit: float = 56) -> Claim:
    call()
    peak = peak_memory_mib(call)
    results = 2 * data.affinities.size * 8 / harness.MIB
    per_voxel = np.nan if peak is None else (peak - results) * harness.MIB / data.labels.size
    return Claim(what, per_voxel, limit, "bytes a voxel")


def voxel_seconds(volumes: Sequence[Tissue], repeats: int) -> list[float]:
    """Return the seconds a voxel of the counts of each volume."""
    times = paired(*map(counts_of, volumes), repeats=repeats)
    return [time / data.labels.size for time, data in zip(times, volumes, strict=True)]


def bench_growth(large: Tissue) -> list[Claim]:
    """Show that time grows with the voxels, and neither with the objects nor with their pieces."""
    sizes = tissue((64,) * 3, 40), large
    anew = voxel_seconds(sizes, repeats=5)
    with memory_kept():
        # The large one takes 75 to 100 ns a voxel from one call to the next, on a machine with nothing else to do.
        kept = voxel_seconds(sizes, repeats=12)
    numbers = [tissue((128,) * 3, n) for n in (10, 300, 10_000, 100_000)]
    by_objects = paired(*map(counts_of, numbers), repeats=5)
    broken = tissue((128,) * 3, 300, pieces=100)
    whole = tissue((128,) * 3, 30_000)
    in_pieces, in_one = paired(counts_of(broken), counts_of(whole), repeats=5)
    return [
        Claim("time a voxel, 256^3 against 64^3, warm memory for both", kept[1] / kept[0], 1.6, "x"),
        Claim("the same with 1.4 GB that the system clears for each call", anew[1] / anew[0], INFINITE, "x"),
        Claim("10 to 100,000 objects, slowest against fastest", max(by_objects) / min(by_objects), 1.5, "x"),
        Claim("every label in 100 pieces, against as many labels as pieces", in_pieces / in_one, 2.0, "x"),
    ]


def bench_first_call() -> list[Claim]:
    """Time imports and first call in a new process: with compiled kernels on disk, and without."""
    code = (
        "import numpy as np, objectwise as o;"
        "o.malis_pair_counts(np.ones((3, 8, 8, 8), 'f4'), np.ones((8, 8, 8), int), -np.eye(3, dtype=int))"
    )
    environment_of = os.environ | {"NUMBA_CACHE_DIR": harness.numba.config.CACHE_DIR + "/first"}

    def run() -> float:
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True, env=environment_of)
        return time.perf_counter() - start

    cold = run()
    return [
        Claim("first call in a new process, imports included", min(run() for _ in range(5)), 1.0, "s"),
        Claim("the same on a new installation, which compiles", cold, INFINITE, "s"),
    ]


def phases(data: Tissue) -> dict[str, float]:
    """Return the milliseconds of each phase of the constrained counts."""
    offsets, flat = OFFSETS.array, data.labels.view(np.uint64).reshape(-1)
    labels, steps = data.labels.view(np.uint64), voxel_steps(data.labels.shape, OFFSETS.array)
    totals: dict[str, list[float]] = {}

    def timed(name: str, call: Callable[[], Any]) -> Any:
        start = time.perf_counter()
        result = call()
        totals.setdefault(name, []).append((time.perf_counter() - start) * 1e3)
        return result

    def across_objects(across: NDArray[np.uint64], parents: NDArray[np.int32]) -> Any:
        members, pieces = connected_pieces(parents, flat)
        across = drop_joined(across, steps, members)
        order, spare = sort_between(across, np.empty_like(across))
        return count_between(order, steps, members, pieces, merges_over(order, spare))[1]

    for _ in range(REPEATS + 1):
        keys = timed("keys: bits of the floats, turned to sort", lambda: order_keys(data.affinities))
        states = timed(
            "split: which edges exist, which lie within an object",
            lambda: edge_states(labels, offsets),
        )
        timed(
            "settle: drop the weakest edge of every cycle of four",
            lambda k=keys, s=states: settle_cycles(k, s, offsets),
        )
        within, across = timed(
            "list: pack the edges that are left",
            lambda k=keys, s=states: list_edges(k.reshape(len(k), -1), s.reshape(len(s), -1)),
        )
        del states
        order, spare = timed(
            "order: radix sort of the edges within objects",
            lambda w=within, k=keys: sort_between(w, words_over(k, w.size)),
        )
        parents = labelled_singletons(flat)
        positive = timed(
            "forest, counts within objects",
            lambda o=order, s=spare, p=parents: count_within(o, steps, p, merges_over(o, s)),
        )
        negative = timed(
            "contraction, order, forest, counts across objects",
            lambda a=across, p=parents: across_objects(a, p),
        )
        timed(
            "counts of all edges, from those of the forest",
            lambda p=positive, n=negative: [dense(one, data.affinities.shape) for one in (p, n)],
        )
    return {name: min(values[1:]) for name, values in totals.items()}


def table(claims: Sequence[Claim]) -> str:
    """Return the claims as Markdown."""
    lines = ["| figure | measured | limit | |", "|---|---:|---:|---|"]
    for claim in claims:
        sign = ">=" if claim.at_least else "<="
        limit = "" if claim.limit == INFINITE else f"{sign} {claim.limit:g} {claim.unit}"
        verdict = "" if claim.limit == INFINITE else ("holds" if claim.holds else "**missed**")
        lines.append(f"| {claim.what} | {claim.measured:.2f} {claim.unit} | {limit} | {verdict} |")
    return "\n".join(lines) + "\n"


def page(facts: dict[str, Any], claims: Sequence[Claim], times: dict[str, float]) -> str:
    """Return the part of docs/performance.md."""
    versions = ", ".join(f"{package} {number}" for package, number in facts["versions"].items())
    rows = "\n".join(f"| {name} | {value:.1f} |" for name, value in times.items())
    return (
        "## MALIS\n\n"
        "Made by `benchmarks/bench_malis.py`. Work: 128^3 voxels, 3 offsets, 300 objects with 10 % "
        "background, smooth noisy affinities, one thread unless said, kernels compiled, the best of several runs. An edge is "
        "one inside the volume; the yardsticks take the values of all of them, all distinct (the saturated case is held to "
        "the same: a sort that meets only 21 values has a fraction of the work, a forest has not).\n\n"
        f"Commit {facts['commit']}, {facts['date']}; {facts['machine']}, load {facts['load']} at the end; {versions}.\n\n"
        f"### Figures\n\n{table(claims)}\n"
        f"### Phases of the constrained counts\n\n| phase | ms |\n|---|---:|\n{rows}\n| sum | {sum(times.values()):.1f} |\n"
    )


def bench_large() -> str:
    """Take one step of the loss on 512^3 voxels of noise around cubes, and say what it needed."""
    import torch

    from objectwise.losses import MalisLoss

    torch.set_num_threads(1)
    n = 512
    cube = torch.arange(n) // 24
    labels = 1 + cube[:, None, None] * n * n + cube[None, :, None] * n + cube
    labels[::24] = 0
    logits = torch.from_numpy(
        np.random.default_rng(0).standard_normal((1, len(OFFSETS), n, n, n), np.float32)
    )
    for channel in range(len(OFFSETS)):
        logits[0, channel] += 4 * (labels == labels.roll(1, channel)) - 2
    logits.requires_grad_()
    seconds = 0.0

    def step() -> None:
        nonlocal seconds
        start = time.perf_counter()
        MalisLoss(OFFSETS)(logits, labels[np.newaxis]).backward()
        seconds = time.perf_counter() - start

    peak = peak_memory_mib(step)
    inputs = (logits.nbytes + labels.nbytes) / harness.MIB
    facts = environment("numpy", "numba", "torch")
    return (
        f"### One step on {n}^3\n\n"
        f"Made by `benchmarks/bench_malis.py --large`, one thread, commit {facts['commit']}, {facts['date']}; "
        f"{facts['machine']}. `MalisLoss` on {n}^3 voxels with 3 offsets, forward and backward: {seconds:.0f} s, "
        f"{(peak or 0) / 1024:.1f} GiB beyond {inputs / 1024:.1f} GiB of inputs (limit: 16 GiB in all).\n"
    )


def main() -> None:
    """Run, print, write."""
    if "--large" in sys.argv:
        text = bench_large()
        sys.stdout.write(text)
        publish("malis_large", text)
        return
    quick = "--quick" in sys.argv
    data, saturated = tissue((128,) * 3, 300), tissue((128,) * 3, 300, saturated=True)
    large = None if quick else tissue((256,) * 3, 2400)
    claims = [*bench_counts(data, saturated), *bench_threads(data), *bench_loss(data)]
    claims += bench_used_up(data)
    claims += bench_memory(data, large)
    times = phases(data)
    if large is not None:
        claims += [*bench_growth(large), *bench_first_call()]
    facts = environment("numpy", "numba", "torch")
    text = page(facts, claims, times)
    sys.stdout.write(text)
    if not quick:
        RESULTS.mkdir(exist_ok=True)
        content = facts | {"claims": [asdict(claim) for claim in claims], "phases_ms": times}
        (RESULTS / "malis.json").write_text(json.dumps(content, indent=1))
        publish("malis", text)


if __name__ == "__main__":
    main()
