"""Instance losses: time, growth with the number of instances, memory, and against loops over instances.

    OMP_NUM_THREADS=2 NUMBA_NUM_THREADS=2 python benchmarks/bench_instance.py   # about four minutes; --quick prints only

Prints every claim beside its limit, writes `benchmarks/results/instance.*` and its part of
`docs/performance.md`. The loops over instances are the oracles of the tests.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.losses import DiceLoss
from numpy.typing import NDArray
from torch import Tensor, nn

from bench_malis import Claim, table
from harness import MIB, RESULTS, environment, peak_memory_mib, publish
from objectwise.compat.instance_loss import InstanceLoss as PublishedLoss
from objectwise.kernels.nearest import nearest_points
from objectwise.losses import BlobLoss, CCDiceLoss, InstanceLoss
from objectwise.maps import connected_components, voronoi_regions

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from tests.oracles import instances as oracle

REPEATS = 9
FOREGROUND = 0.05
NO_LIMIT = float("inf")


def balls(n: int, side: int, seed: int) -> NDArray[np.bool_]:
    """Return n balls that do not touch and fill a twentieth of a cube, the same whatever their number."""
    rng = np.random.default_rng(seed)
    per_axis = int(np.ceil(n ** (1 / 3)))
    spacing = side / per_axis
    radius = (FOREGROUND * side**3 / n * 3 / (4 * np.pi)) ** (1 / 3)
    grid = np.stack(np.meshgrid(*[np.arange(per_axis)] * 3, indexing="ij"), -1).reshape(-1, 3)
    places = (grid + 0.5) * spacing + rng.uniform(-0.5, 0.5, grid.shape) * max(0, spacing - 2 * radius - 2)
    mask = np.zeros((side,) * 3, bool)
    for place in places[np.random.default_rng(0).permutation(len(places))[:n]]:
        low = np.maximum(np.floor(place - radius), 0).astype(int)
        high = np.minimum(np.ceil(place + radius) + 1, side).astype(int)
        box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
        mask[box] |= sum((axis - c) ** 2 for axis, c in zip(np.ogrid[box], place, strict=True)) <= radius**2
    return mask


def problem(n: int, side: int) -> tuple[Tensor, Tensor]:
    """Return logits (1, 1, side, side, side) float32 and a target of n objects each."""
    noise = np.random.default_rng(2).normal(0, 0.3, (side,) * 3)
    logits = np.where(balls(n, side, 1), 2.0, -2.0) + noise
    return torch.from_numpy(logits.astype(np.float32))[None, None], torch.from_numpy(balls(n, side, 0))[
        None, None
    ]


def step(loss: Callable[[Tensor, Tensor], Tensor], logits: Tensor, target: Tensor) -> Tensor:
    """Return the gradient of one forward and backward pass."""
    logits = logits.detach().requires_grad_()
    loss(logits, target).backward()
    return logits.grad


def fastest(calls: dict[str, Callable[[], object]], repeats: int = REPEATS) -> dict[str, float]:
    """Return the least seconds of every call; they take turns."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for call in calls.values():
        call()
    for _ in range(repeats):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            times[name].append(time.perf_counter() - start)
    return {name: min(values) for name, values in times.items()}


def bench_time() -> list[Claim]:
    """Time the loss at the size of the published code's 30 seconds."""
    logits, target = problem(170, 96)
    found = connected_components((logits[0, 0] >= 0).numpy()).max()
    seconds = fastest({"corrected": lambda: step(InstanceLoss(), logits, target)})
    what = f"InstanceLoss, 96^3, 170 true and {found} predicted instances, forward and backward"
    return [Claim(what, seconds["corrected"] * 1e3, 60, "ms")]


def bench_growth() -> list[Claim]:
    """Time ten to ten thousand instances of one volume in all."""
    problems = {n: problem(n, 128) for n in (10, 100, 1000, 10_000)}
    calls = {str(n): (lambda p=pair: step(InstanceLoss(), *p)) for n, pair in problems.items()}
    seconds = fastest(calls)
    claims = [
        Claim(f"InstanceLoss, 128^3, {int(n):,} instances", s * 1e3, NO_LIMIT, "ms")
        for n, s in seconds.items()
    ]
    ratio = max(seconds.values()) / min(seconds.values())
    return [*claims, Claim("10 to 10,000 instances, slowest against fastest", ratio, 1.5, "x")]


def bench_memory() -> list[Claim]:
    """Measure the peak beyond input and gradient, in copies of the prediction."""
    logits, target = problem(1000, 160)
    size = logits.numel() * logits.element_size()
    step(InstanceLoss(), logits, target)
    peak = peak_memory_mib(lambda: step(InstanceLoss(), logits, target))
    if peak is None:
        return []
    copies = (peak * MIB - size) / size
    return [
        Claim(
            "InstanceLoss, 160^3, peak memory beyond input and gradient",
            copies,
            3,
            "copies of the prediction",
        )
    ]


def loop(kind: str) -> Callable[[Tensor, Tensor], Tensor]:
    """Return a rival's instance term with one mask for each object."""

    def loss(logits: Tensor, target: Tensor) -> Tensor:
        p, y = logits.sigmoid()[0, 0], target[0, 0]
        if kind == "blob":
            return oracle.blob_loss(p, y)
        return oracle.region_loss(p, y, voronoi_regions(connected_components(y.numpy())))

    return loss


def bench_loops() -> list[Claim]:
    """Time the rivals against loops over the instances, after asserting that they agree."""
    logits, target = problem(200, 96)
    claims = []
    for kind, loss in (("blob", BlobLoss), ("cc", CCDiceLoss)):
        ours: nn.Module = loss(weights={"pixel": 0.0})
        torch.testing.assert_close(
            step(ours, logits, target), step(loop(kind), logits, target), rtol=1e-3, atol=1e-8
        )
        seconds = fastest({"ours": lambda f=ours: step(f, logits, target)})["ours"]
        slow = fastest({"loop": lambda k=kind: step(loop(k), logits, target)}, repeats=2)["loop"]
        name = f"{loss.__name__}, 96^3, 200 instances"
        claims += [
            Claim(name, seconds * 1e3, NO_LIMIT, "ms"),
            Claim(
                f"{name}, against a loop over instances", slow / seconds, 20, "times faster", at_least=True
            ),
        ]
    return claims


def bench_crops() -> list[Claim]:
    """Time any loss on the crops of many regions: each is cut from its own box, not from the whole volume."""
    few, many = 64, 1024
    loss = CCDiceLoss(instance_loss=lambda p, y: ((p - y) ** 2).mean(), weights={"pixel": 0.0})
    problems = {n: problem(n, 96) for n in (few, many)}
    seconds = fastest({str(n): (lambda p=pair: step(loss, *p)) for n, pair in problems.items()}, repeats=5)
    each = {n: seconds[str(n)] * 1e3 / n for n in (few, many)}
    what = f"CCDiceLoss of a callable, 96^3, {many:,} regions"
    return [
        Claim(what, seconds[str(many)] * 1e3, NO_LIMIT, "ms"),
        Claim(f"{what}, time a region against {few}", each[many] / each[few], 0.25, "x"),
    ]


def bench_softmax() -> list[Claim]:
    """Measure the peak of many classes beyond input and gradient, in copies of the prediction."""
    loss, pair, claims = InstanceLoss(activation="softmax"), problem(100, 64), []
    for n_classes in (8, 32):
        logits, target = (torch.cat([one.roll(7 * c, 2) for c in range(n_classes)], 1) for one in pair)
        size = logits.numel() * logits.element_size()
        step(loss, logits, target)
        peak = peak_memory_mib(lambda logits=logits, target=target: step(loss, logits, target))
        if peak is not None:
            what = f"InstanceLoss of a softmax of {n_classes} classes, 64^3, peak memory beyond input and gradient"
            claims.append(Claim(what, (peak * MIB - size) / size, 6, "copies of the prediction"))
    return claims


def bench_compat() -> list[Claim]:
    """Time and weigh the published loss at many objects: no table has a cell for every pair of them."""
    few, many = 500, 8000
    loss = PublishedLoss(DiceLoss(), DiceLoss(), DiceLoss(), max_cc_out=many)
    problems = {n: problem(n, 128) for n in (few, many)}

    def work(pair: tuple[Tensor, Tensor]) -> Tensor:
        return step(lambda logits, target: sum(loss(logits, target)), *pair)

    seconds = fastest({str(n): (lambda p=pair: work(p)) for n, pair in problems.items()}, repeats=3)
    what = f"compat.instance_loss.InstanceLoss, 128^3, {many:,} objects"
    claims = [
        Claim(what, seconds[str(many)] * 1e3, NO_LIMIT, "ms"),
        Claim(f"{what}, against {few}", seconds[str(many)] / seconds[str(few)], 8, "x"),
    ]
    peak = peak_memory_mib(lambda: work(problems[many]))
    return claims if peak is None else [*claims, Claim(f"{what}, peak memory", peak, 300, "MiB")]


def bench_outlier() -> list[Claim]:
    """Time the nearest of points of which one is far off, against the same points without it."""
    rng = np.random.default_rng(0)
    points, queries = rng.random((8000, 3)) * 1000, rng.random((8000, 3)) * 1000
    outlier = points.copy()
    outlier[17] = 1e7
    seconds = fastest(
        {
            "plain": lambda: nearest_points(points, queries),
            "outlier": lambda: nearest_points(outlier, queries),
        }
    )
    what = "nearest of 8,000 points to as many, one of them far off"
    return [
        Claim(what, seconds["outlier"] * 1e3, NO_LIMIT, "ms"),
        Claim(f"{what}, against none", seconds["outlier"] / seconds["plain"], 8, "x"),
    ]


def page(facts: dict[str, Any], claims: list[Claim]) -> str:
    """Return the part of docs/performance.md."""
    versions = ", ".join(f"{package} {number}" for package, number in facts["versions"].items())
    return (
        "## Instance losses\n\n"
        "Made by `benchmarks/bench_instance.py`. Work: balls that fill a twentieth of the volume, float32 logits "
        f"with noise, forward and backward, the least of {REPEATS} times, kernels compiled. The published code "
        "takes about 30 s for the first row.\n\n"
        f"Commit {facts['commit']}, {facts['date']}; {facts['machine']}, load {facts['load']} at the end, "
        f"threads {facts['threads']}; {versions}.\n\n"
        f"### Figures of the instance losses\n\n{table(claims)}"
    )


def main() -> None:
    """Run, print, write."""
    claims = [
        claim
        for bench in (
            bench_time,
            bench_growth,
            bench_memory,
            bench_loops,
            bench_crops,
            bench_softmax,
            bench_compat,
            bench_outlier,
        )
        for claim in bench()
    ]
    facts = environment("numpy", "numba", "torch", "connected-components-3d", "monai")
    text = page(facts, claims)
    sys.stdout.write(text)
    if "--quick" not in sys.argv:
        RESULTS.mkdir(exist_ok=True)
        content = facts | {"claims": [asdict(claim) for claim in claims]}
        (RESULTS / "instance.json").write_text(json.dumps(content, indent=1))
        publish("instance", text)


if __name__ == "__main__":
    main()
