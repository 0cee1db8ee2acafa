"""Contingency table, VOI and Rand against scikit-image; sums of tables; seeded watershed against bioimage-cpp."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage.metrics import adapted_rand_error, contingency_table, variation_of_information

from bench_malis import Claim, table
from harness import Row, compare, report
from objectwise.graph import Neighborhood
from objectwise.metrics import ContingencyTable, evaluate, evaluate_sections
from objectwise.pipeline import StackScores, score_stack
from objectwise.segmentation import seeded_watershed, threshold_components

Labels = NDArray[np.int64]


def cells(shape: tuple[int, ...], n_cells: int, seed: int) -> Labels:
    """Return a Voronoi diagram: long runs of one id, as in tissue, with a tenth of the voxels background."""
    from scipy.spatial import cKDTree

    rng = np.random.default_rng(seed)
    voxels = np.stack(np.unravel_index(np.arange(np.prod(shape)), shape), axis=1)
    distances, nearest = cKDTree(rng.random((n_cells, len(shape))) * shape).query(voxels, k=2)
    gap = distances[:, 1] - distances[:, 0]
    return np.where(gap > np.quantile(gap, 0.1), nearest[:, 0] + 1, 0).reshape(shape)


def noise(shape: tuple[int, ...], n_cells: int, seed: int) -> Labels:
    """Return a random id per voxel: no runs at all, the worst case."""
    return np.random.default_rng(seed).integers(0, n_cells, shape)


def same_counts(ours: ContingencyTable, theirs: Any) -> None:
    """Require the rows of both tables to be equal."""
    table = theirs.tocoo()
    rows = zip(ours.truth_ids.tolist(), ours.segmentation_ids.tolist(), ours.counts.tolist(), strict=True)
    assert set(rows) == set(zip(table.row.tolist(), table.col.tolist(), table.data.tolist(), strict=True))


def same_scores(ours: tuple[float, ...], theirs: tuple[float, ...]) -> None:
    """Require equal scores, up to rounding."""
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-10)


def nearly_same_labels(ours: Labels, theirs: Labels) -> None:
    """Require equal labels but for one voxel in a thousand.

    There bioimage-cpp departs from Prim's algorithm with a heap; tests/segmentation holds objectwise to it.
    """
    differing = np.mean(ours != theirs)
    assert differing < 1e-3, f"{differing:.2%} of the voxels differ"


def bench_scores(case: str, truth: Labels, segmentation: Labels) -> list[Row]:
    """Time the table alone, and both scores from label arrays on."""
    both = {"truth": truth, "segmentation": segmentation}

    def scores() -> tuple[float, ...]:
        return evaluate(**both, protocol="distinct_pairs")[:3]

    def scikit_image_scores() -> tuple[float, ...]:
        information = variation_of_information(truth, segmentation, ignore_labels=(0,))
        return (*information, adapted_rand_error(truth, segmentation)[0])

    tables = {
        "objectwise": lambda: ContingencyTable.from_labels(**both),
        "scikit-image": lambda: contingency_table(truth, segmentation),
    }
    rivals = {"objectwise": scores, "scikit-image": scikit_image_scores}
    return [
        *compare(f"table, {case}", tables, agree=same_counts),
        *compare(f"VOI and Rand, {case}", rivals, agree=same_scores),
    ]


def bench_stack(case: str, truth: Labels, segmentation: Labels) -> list[Row]:
    """Time the scores of a volume and of its sections, each voxel counted once or twice."""
    both = {"truth": truth, "segmentation": segmentation}
    rivals = {
        "score_stack": lambda: score_stack(**both, dimensions=3),
        "evaluate and evaluate_sections": lambda: StackScores(evaluate(**both), evaluate_sections(**both)),
    }

    def agree(once: StackScores, twice: StackScores) -> None:
        assert once == twice

    return compare(f"volume and sections, {case}", rivals, agree=agree)


def blocks(n: int) -> list[ContingencyTable]:
    """Return the tables of n blocks of 32^3, each with ids of its own and some of its neighbours'."""
    tables = []
    for i in range(n):
        rng = np.random.default_rng(i)
        truth, segmentation = (
            rng.integers(40 * i, 40 * i + 60, (32, 32, 4)).repeat(8, axis=2) for _ in range(2)
        )
        tables.append(ContingencyTable.from_labels(truth=truth, segmentation=segmentation))
    return tables


def bench_sums(fewest: int = 50, most: int = 800) -> tuple[list[Row], list[Claim]]:
    """Time sums of few and of many tables, whose rows are as many times as many."""

    def agree(summed: ContingencyTable, merged: ContingencyTable) -> None:
        assert summed == merged

    rows = []
    for n in (fewest, 400, most):
        tables = blocks(n)
        rivals = {
            "sum": lambda tables=tables: sum(tables, start=ContingencyTable.empty()).counts,
            "ContingencyTable.merged": lambda tables=tables: ContingencyTable.merged(tables).counts,
        }
        agree(sum(tables, start=ContingencyTable.empty()), ContingencyTable.merged(tables))
        rows += compare(f"sum of {n} tables", rivals, agree=np.testing.assert_array_equal)
    times = {(row.case, row.rival): min(row.seconds) for row in rows}
    return rows, [
        Claim(
            f"{name}: time a table, {most} tables against {fewest}",
            times[f"sum of {most} tables", name] / times[f"sum of {fewest} tables", name] * fewest / most,
            2,
            "x",
        )
        for name in ("sum", "ContingencyTable.merged")
    ]


def bench_watershed(shape: tuple[int, ...]) -> list[Row]:
    """Time the watershed on distinct random affinities, seeds included."""
    from bioimage_cpp.segmentation import watershed_from_affinities

    rng = np.random.default_rng(0)
    offsets = Neighborhood.nearest(3)
    n_edges = 3 * int(np.prod(shape))
    affinities = (rng.permutation(n_edges).reshape(3, *shape) / n_edges).astype(np.float32)
    options = {"threshold": 0.78, "minimum_size": 25}

    def rival() -> Labels:
        seeds = threshold_components(affinities, offsets, **options)
        return watershed_from_affinities(affinities, offsets.offsets, seeds)

    rivals = {
        "objectwise": lambda: seeded_watershed(affinities, offsets, **options),
        "bioimage-cpp, seeds by objectwise": rival,
    }
    return compare("watershed, 96^3 x 3 edges", rivals, agree=nearly_same_labels, repeats=3)


def main() -> None:
    """Run all cases."""
    rows = []
    for size, n_cells in ((32, 30), (64, 150), (128, 400)):
        shape = (size,) * 3
        rows += bench_scores(f"{size}^3 cells", cells(shape, n_cells, 0), cells(shape, n_cells, 1))
    rows += bench_scores("128^3 noise", noise((128,) * 3, 300, 0), noise((128,) * 3, 300, 1))
    rows += bench_stack("128^3 cells", cells((128,) * 3, 400, 0), cells((128,) * 3, 400, 1))
    sums, growth = bench_sums()
    rows += [*sums, *bench_watershed((96, 96, 96))]
    packages = ("numpy", "numba", "scikit-image", "bioimage-cpp")
    report("metrics", rows, packages=packages, figures=table(growth))


if __name__ == "__main__":
    main()
