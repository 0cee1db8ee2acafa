"""Region-wise maps against SciPy, the loss against cross-entropy, and maps from disk against reading the image.

Run with OMP_NUM_THREADS=2 NUMBA_NUM_THREADS=2. With --quick nothing is written.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, gaussian_filter

from harness import Row, compare, environment, markdown, publish
from objectwise.data import read_volume, write_volume
from objectwise.losses import RegionWiseLoss
from objectwise.maps import MapCache, hausdorff_map, rectified_region_wise_map, signed_distance_map
from objectwise.maps import cache as cache_module

SHAPE = (2, 4, 128, 128, 128)
Labels = NDArray[np.uint8]


def regions(shape: tuple[int, ...], seed: int = 0) -> Labels:
    """Return (n, 1, *spatial) classes in smooth regions, as organs are."""
    rng = np.random.default_rng(seed)
    n, n_classes, *spatial = shape
    fields = rng.standard_normal((n, n_classes, *spatial), dtype=np.float32)
    smooth = [[gaussian_filter(field, 6) for field in sample] for sample in fields]
    return np.argmax(smooth, axis=1)[:, None].astype(np.uint8)


def scipy_rectified(labels: Labels, n_classes: int) -> NDArray[np.float32]:
    """Return the rectified map with one SciPy transform per class and sample, as published."""
    maps = np.ones((len(labels), n_classes, *labels.shape[2:]), np.float32)
    for sample, channel in np.ndindex(maps.shape[:2]):
        mask = labels[sample, 0] == channel
        distances = distance_transform_edt(mask)
        maps[sample, channel][mask] = -(distances / distances.max())[mask]
    return maps


def scipy_signed(labels: Labels, n_classes: int) -> NDArray[np.float32]:
    """Return signed distances with SciPy, which needs a transform for each side."""
    maps = np.empty((len(labels), n_classes, *labels.shape[2:]), np.float32)
    for sample, channel in np.ndindex(maps.shape[:2]):
        mask = labels[sample, 0] == channel
        maps[sample, channel] = distance_transform_edt(~mask) - distance_transform_edt(mask)
    return maps


def same_map(ours: NDArray[np.float32], theirs: NDArray[np.float32]) -> None:
    """Require equal maps to the precision of float32."""
    np.testing.assert_allclose(ours, theirs, rtol=2.4e-7, atol=0)


def bench_maps() -> list[Row]:
    """Time the maps of a batch, and of a batch of images."""
    labels = regions(SHAPE)
    flat = regions((8, 4, 256, 256), seed=1)
    rows = []
    for case, batch, repeats in (("(2, 4, 128, 128, 128)", labels, 5), ("(8, 4, 256, 256)", flat, 5)):
        rectified = {
            "objectwise": lambda batch=batch: rectified_region_wise_map(batch, 4),
            "SciPy": lambda batch=batch: scipy_rectified(batch, 4),
        }
        signed = {
            "objectwise": lambda batch=batch: signed_distance_map(batch, 4),
            "SciPy, two transforms a class": lambda batch=batch: scipy_signed(batch, 4),
        }
        rows += compare(f"rectified map, {case}", rectified, agree=same_map, repeats=repeats)
        rows += compare(f"signed distances, {case}", signed, agree=same_map, repeats=repeats)
    powers = {
        "objectwise": lambda: hausdorff_map(labels, 4),
        "SciPy, two transforms a class": lambda: scipy_signed(labels, 4) ** 2,
    }
    rows += compare("Hausdorff map, (2, 4, 128, 128, 128)", powers, agree=same_map, repeats=3)
    return rows


def bench_loss() -> list[Row]:
    """Time forward and backward with a given map, against cross-entropy on the same logits."""
    labels = torch.from_numpy(regions(SHAPE).astype(np.int64))
    weight_map = rectified_region_wise_map(labels, 4)
    logits = torch.randn(SHAPE, generator=torch.Generator().manual_seed(0)).requires_grad_()
    loss = RegionWiseLoss()

    def run(forward: Any) -> torch.Tensor:
        logits.grad = None
        forward().backward()
        assert logits.grad is not None
        return logits.grad

    def agree(*gradients: torch.Tensor) -> None:
        # That of cross-entropy is another one, and right by definition.
        p = logits.detach().softmax(1)
        identity = p * (weight_map - (weight_map * p).sum(1, keepdim=True)) / p.numel()
        for ours in gradients[:2]:
            torch.testing.assert_close(ours, identity)

    rivals = {
        "region-wise loss, given map": lambda: run(lambda: loss(logits, weight_map=weight_map)),
        "the same, and labels": lambda: run(lambda: loss(logits, labels, weight_map=weight_map)),
        "torch cross_entropy": lambda: run(lambda: torch.nn.functional.cross_entropy(logits, labels[:, 0])),
    }
    return compare("forward and backward, (2, 4, 128, 128, 128)", rivals, agree=agree, repeats=9)


def bench_cache(folder: Path) -> list[Row]:
    """Time maps from disk, for the labels at hand, against reading the image from a file."""
    labels = regions(SHAPE)[0]
    rng = np.random.default_rng(0)
    image = gaussian_filter(rng.standard_normal(SHAPE[2:], dtype=np.float32), 1) * 300 + 128
    raw = image.clip(0, 255).astype(np.uint8)
    cache = MapCache(folder / "maps", rectified_region_wise_map, n_classes=4, spatial_dims=3)
    expected = cache(labels)
    locations = {
        "NIfTI, gzip": "raw.nii.gz",
        "TIFF": "raw.tif",
        "HDF5, gzip": "raw.h5:volumes/raw",
        "Zarr": "raw.zarr:raw",
    }
    for location in locations.values():
        write_volume(str(folder / location), raw, voxel_size=(1, 1, 1), offset=(0, 0, 0))

    def agree(whole: Any, every: Any, crop: Any, verified: Any, *images: Any) -> None:
        for values in (whole, every, verified):
            np.testing.assert_array_equal(values, expected)
        np.testing.assert_array_equal(crop, expected[:, 32:96, 32:96, 32:96])
        for read in images:
            np.testing.assert_array_equal(read.array, raw)

    def first() -> Any:
        """Read as a new process does, which compares the checksum."""
        cache_module._whole.clear()
        return cache(labels)

    rivals = {
        "map from the cache, mapped": lambda: cache(labels),
        "map from the cache, every voxel in memory": lambda: np.array(cache(labels)),
        "map from the cache, a 64^3 patch in memory": lambda: np.array(cache(labels)[:, 32:96, 32:96, 32:96]),
        "map from the cache, its checksum compared": first,
    } | {
        f"image, {name}": lambda location=location: read_volume(str(folder / location))
        for name, location in locations.items()
    }
    return compare("from disk, 4 float32 maps against a uint8 image, 128^3", rivals, agree=agree, repeats=9)


def figures(rows: list[Row]) -> str:
    """Return the limits and whether they hold, from the fastest of the repeats."""
    best = {(row.case, row.rival): min(row.seconds) for row in rows}
    big = "(2, 4, 128, 128, 128)"

    def ratio(case: str, above: str, below: str) -> float:
        return best[case, above] / best[case, below]

    forward = f"forward and backward, {big}"
    disk = next(row.case for row in rows if row.case.startswith("from disk"))
    images = [seconds for (case, name), seconds in best.items() if case == disk and name.startswith("image")]
    whole = best[disk, "map from the cache, every voxel in memory"]
    claims = [
        (
            "rectified map, times faster than one SciPy transform a class and sample",
            ratio(f"rectified map, {big}", "SciPy", "objectwise"),
            ">= 6",
        ),
        (
            "signed distances, times faster than the two SciPy transforms they take",
            ratio(f"signed distances, {big}", "SciPy, two transforms a class", "objectwise"),
            ">= 6",
        ),
        (
            "loss with a given map, times the time of cross-entropy",
            ratio(forward, "region-wise loss, given map", "torch cross_entropy"),
            "<= 1.5",
        ),
        (
            "loss with a given map and labels, times the time of cross-entropy",
            ratio(forward, "the same, and labels", "torch cross_entropy"),
            "<= 1.5",
        ),
        ("map from the cache, times the time of reading the image (fastest format)",
         best[disk, "map from the cache, mapped"] / min(images), "<= 1"),
        ("every voxel of it in memory, times the same", whole / min(images), "<= 1"),
    ]  # fmt: skip
    lines = ["| figure | measured | limit | |", "|---|---:|---:|---|"]
    for what, measured, limit in claims:
        sign, bound = limit.split()
        holds = measured >= float(bound) if sign == ">=" else measured <= float(bound)
        lines.append(f"| {what} | {measured:.2f} | {limit} | {'holds' if holds else '**missed**'} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run, print, write."""
    torch.set_num_threads(2)
    with tempfile.TemporaryDirectory() as folder:
        rows = [*bench_maps(), *bench_loss(), *bench_cache(Path(folder))]
    facts = environment("numpy", "scipy", "edt", "torch")
    table = markdown("Region-wise maps and losses", rows, facts).replace("# ", "## ", 1)
    head, rest = table.split("\n\n", 1)
    text = (
        f"{head}\n\nMade by `benchmarks/bench_region.py`, 2 threads. Figures are taken from the fastest repeats.\n\n"
        f"{figures(rows)}\n{rest}"
    )
    sys.stdout.write(text)
    if "--quick" not in sys.argv:
        publish("region", text)


if __name__ == "__main__":
    main()
