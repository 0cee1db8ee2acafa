"""The maximin tree: time and memory against Higra's and SciPy's spanning trees of the same graph.

    OMP_NUM_THREADS=1 python benchmarks/bench_tree.py           # about two minutes
    OMP_NUM_THREADS=1 python benchmarks/bench_tree.py --quick   # 32x128x128, prints only

The rivals get their graphs ready made and take turns with objectwise, which starts from the affinities. Prints
every claim beside its limit, writes `benchmarks/results/tree.*` and its part of `docs/performance.md`.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from statistics import median
from typing import Any

import higra
import numpy as np
import scipy.sparse
from numpy.typing import NDArray
from scipy.sparse.csgraph import minimum_spanning_tree

from bench_malis import Claim, table, tissue
from harness import RESULTS, Row, compare, environment, publish, seconds_of
from objectwise.checks import check_affinities
from objectwise.graph import MaximinTree, Neighborhood, known_edges, maximin_tree
from objectwise.kernels import maximin_tree as kernel
from objectwise.kernels.edge_lists import edges_to_sort
from objectwise.kernels.edge_order import order_keys, sort_by_key
from objectwise.kernels.edges import voxel_steps
from objectwise.kernels.random_access import values_at

OFFSETS = Neighborhood.nearest(3)
OURS, OURS_AS_HIGRA = "objectwise, maximin_tree", "objectwise, maximin_tree and ultrametric"
HIGRA, SCIPY = "higra, bpt_canonical", "scipy, minimum_spanning_tree"
REPEATS = 5
N_PAIRS = 1_000_000


def edges_inside(affinities: NDArray[np.float32]) -> tuple[NDArray[np.int32], ...]:
    """Return both voxels and the affinity of every edge inside the volume, in index order."""
    shape = affinities.shape[1:]
    channels, *voxel = np.nonzero(known_edges(shape, OFFSETS))
    others = tuple(np.stack(voxel) + OFFSETS.array[channels].T)
    ends = (np.ravel_multi_index(end, shape).astype(np.int32) for end in (tuple(voxel), others))
    return (*ends, affinities[(channels, *voxel)])


def bench_rivals(case: str, affinities: NDArray[np.float32]) -> list[Row]:
    """Assert one forest of all rivals, then time them."""
    sources, targets, values = edges_inside(affinities)
    graph = higra.UndirectedGraph(affinities[0].size)
    graph.add_edges(sources, targets)
    # SciPy takes weights of 0 for no edge, and float64 holds 2 - a for each float32 in 0..1 exactly.
    size = affinities[0].size
    matrix = scipy.sparse.coo_array((2 - values.astype(np.float64), (sources, targets)), (size, size)).tocsr()
    weights = 1 - values.astype(np.float64)
    del sources, targets, values

    def agree(ours: MaximinTree, same: Any, tree_of_higra: Any, tree_of_scipy: Any) -> None:
        parents, altitudes = tree_of_higra
        np.testing.assert_array_equal(same.parents, parents.parents())
        np.testing.assert_array_equal(same.altitudes, altitudes)
        np.testing.assert_array_equal(np.sort(2 - tree_of_scipy.data)[::-1], ours.affinities)

    rivals: dict[str, Callable[[], Any]] = {
        OURS: lambda: maximin_tree(affinities, OFFSETS),
        OURS_AS_HIGRA: lambda: maximin_tree(affinities, OFFSETS).ultrametric(),
        HIGRA: lambda: higra.bpt_canonical(graph, weights),
        SCIPY: lambda: minimum_spanning_tree(matrix),
    }
    return compare(case, rivals, agree=agree, repeats=REPEATS)


def claims_of(rows: Sequence[Row]) -> list[Claim]:
    """Compare the medians of the rows of one case."""
    times = {row.rival: row.median for row in rows}
    case = rows[0].case
    return [
        Claim(f"{case}: against {rival}", times[rival] / times[OURS], 8, "x faster", at_least=True)
        for rival in (HIGRA, SCIPY)
    ]


def phases(affinities: NDArray[np.float32]) -> dict[str, float]:
    """Return the milliseconds of each phase of the tree."""
    offsets, shape = OFFSETS.array, affinities.shape[1:]
    n_voxels, steps = affinities[0].size, voxel_steps(shape, OFFSETS.array)
    totals: dict[str, list[float]] = {}

    def timed(name: str, call: Callable[[], Any]) -> Any:
        start = time.perf_counter()
        result = call()
        totals.setdefault(name, []).append((time.perf_counter() - start) * 1e3)
        return result

    for _ in range(REPEATS + 1):
        timed("check: is every affinity finite", lambda: check_affinities(affinities))
        keys = timed("keys: bits of the floats, turned to sort", lambda: order_keys(affinities))
        states = known_edges(shape, OFFSETS).view(np.uint8)
        _, words = timed(
            "settle and list: pack the edges that are not the weakest of a cycle of four",
            lambda k=keys, s=states: edges_to_sort(k, s, offsets),
        )
        order = timed("order: radix sort", lambda w=words: sort_by_key(w))
        sets = np.full(n_voxels, kernel.SINGLE, np.int32)
        leaves, roots = np.empty(n_voxels - 1, np.int32), np.empty(n_voxels - 1, np.int32)
        m = timed("forest", lambda o=order, s=sets, a=leaves, b=roots: kernel._kruskal(o, steps, s, a, b))
        edges = np.empty(m, np.int64)
        timed(
            "edges: their indices",
            lambda o=order, e=edges: kernel._edge_indices(o, len(offsets), n_voxels, e),
        )
        parents, merges = np.full(n_voxels, kernel.ROOT), np.full(n_voxels, np.int32(m))
        timed(
            "tree: parents and merges, voxel by voxel",
            lambda a=leaves, b=roots, p=parents, q=merges: kernel._attach(a, b, p, q),
        )
        timed(
            "values: affinities of the edges",
            lambda e=edges: values_at(affinities.reshape(-1), e),
        )
    return {name: median(values[1:]) for name, values in totals.items()}


def bench_questions(affinities: NDArray[np.float32], labels: NDArray[np.int64]) -> dict[str, float]:
    """Return the milliseconds of what a tree is asked."""
    tree = maximin_tree(affinities, OFFSETS)
    pairs = np.random.default_rng(0).integers(0, labels.size, (N_PAIRS, 2))
    questions: dict[str, Callable[[], object]] = {
        f"maximin of {N_PAIRS:,} random pairs": lambda: tree.maximin(pairs),
        "cut at 0.5": lambda: tree.cut(0.5),
        "pair_curve: precision and recall at every threshold": lambda: tree.pair_curve(labels),
        "ultrametric: the tree in the layout of Higra": tree.ultrametric,
    }
    for call in questions.values():
        call()
    return {name: median(seconds_of(call) for _ in range(3)) * 1e3 for name, call in questions.items()}


def milliseconds(times: dict[str, float]) -> str:
    """Return rows of a Markdown table."""
    return "\n".join(f"| {name} | {value:.1f} |" for name, value in times.items())


def page(
    facts: dict[str, Any],
    rows: Sequence[Row],
    times: dict[str, float],
    answers: dict[str, float],
) -> str:
    """Return the part of docs/performance.md."""
    versions = ", ".join(f"{package} {number}" for package, number in facts["versions"].items())
    measured = "\n".join(
        f"| {row.rival} | {row.median * 1e3:.0f} | {min(row.seconds) * 1e3:.0f} - {max(row.seconds) * 1e3:.0f} "
        f"| {'?' if row.peak_mib is None else f'{row.peak_mib:.0f}'} |"
        for row in rows
    )
    return (
        "## The maximin tree\n\n"
        f"Made by `benchmarks/bench_tree.py`. Work: {rows[0].case} voxels of the same tissue, 3 offsets, one "
        "thread, kernels compiled. Higra and SciPy get their graphs ready made (not timed); the trees are equal, "
        "node by node, to Higra's, and the affinities to SciPy's.\n\n"
        f"Commit {facts['commit']}, {facts['date']}; {facts['machine']}, load {facts['load']} at the end; {versions}.\n\n"
        f"### Figures of the tree\n\n{table(claims_of(rows))}\n"
        "| | median, ms | range, ms | peak memory, MiB |\n|---|---:|---:|---:|\n"
        f"{measured}\n\n"
        f"### Phases of the tree\n\n| phase | ms |\n|---|---:|\n{milliseconds(times)}\n"
        f"| sum | {sum(times.values()):.1f} |\n\n"
        f"### Questions to the tree\n\n| question | ms |\n|---|---:|\n{milliseconds(answers)}\n"
    )


def main() -> None:
    """Run, print, write."""
    quick = "--quick" in sys.argv
    shape = (32, 128, 128) if quick else (64, 256, 256)
    data = tissue(shape, 75 if quick else 600)
    rows = bench_rivals("x".join(map(str, shape)), data.affinities)
    times = phases(data.affinities)
    answers = bench_questions(data.affinities, data.labels)
    facts = environment("numpy", "numba", "scipy", "higra")
    text = page(facts, rows, times, answers)
    sys.stdout.write(text)
    if not quick:
        content = facts | {"rows": [asdict(row) for row in rows], "phases_ms": times, "questions_ms": answers}
        (RESULTS / "tree.json").write_text(json.dumps(content, indent=1))
        publish("tree", text)


if __name__ == "__main__":
    main()
