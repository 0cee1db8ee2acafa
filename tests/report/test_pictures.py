"""Sections become pictures of the right size, and errors differ by pattern."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from PIL import Image

from objectwise.report.marks import Marks
from objectwise.report.pictures import (
    Grid,
    data_uri,
    grey,
    paint_affinities,
    paint_errors,
    paint_instances,
)


@pytest.mark.parametrize(
    ("shape", "side", "expected"),
    [((512, 512), 640, (512, 512)), ((1300, 700), 640, (433, 233)), ((30, 20), 90, (90, 60)), ((1, 1), 5, (5, 5)), ((2, 900), 100, (1, 100))],
)  # fmt: skip
def test_grid_fits_labels_and_values_alike(
    shape: tuple[int, int], side: int, expected: tuple[int, int]
) -> None:
    grid = Grid.fit(shape, side)
    assert grid.labels(np.ones(shape, np.uint64)).shape == expected
    values = grid.values(np.full(shape, 7, np.uint8))
    assert values.shape == expected
    assert (values == 7).all()


def test_grid_never_invents_a_label() -> None:
    labels = np.random.default_rng(0).choice([0, 5, 900], (61, 47))
    assert set(np.unique(Grid.fit(labels.shape, 20).labels(labels))) <= {0, 5, 900}


@pytest.mark.parametrize("raw", [np.zeros((3, 3)), np.array([[0.0, np.nan], [np.inf, 1.0]]), np.eye(4) > 0])
def test_grey_survives_flat_undefined_and_boolean_images(raw: np.ndarray) -> None:
    assert grey(raw).dtype == np.uint8


def test_grey_stretches_to_the_full_range() -> None:
    stretched = grey(np.linspace(1000, 3000, 10_000).reshape(100, 100).astype(np.uint16))
    assert (stretched.min(), stretched.max()) == (0, 255)


def test_instances_leave_background_as_tissue() -> None:
    tissue = np.full((6, 6), 99, np.uint8)
    labels = np.zeros((6, 6), np.int64)
    labels[:3, :3] = 4
    painted = paint_instances(tissue, labels, labels)
    assert painted[5, 5].tolist() == [99, 99, 99]
    assert painted[1, 1].tolist() != [99, 99, 99]


def test_affinities_are_ordered_in_lightness_and_clipped() -> None:
    painted = paint_affinities(np.array([[-1.0, 0.0, 0.3, 0.6, 1.0, 9.0, np.nan]]))
    lightness = painted.astype(int).sum(axis=2)[0]
    assert lightness[0] == lightness[1] == lightness[6]
    assert (np.diff(lightness[1:5]) > 0).all()
    assert lightness[4] == lightness[5]


def test_splits_and_merges_differ_without_colour() -> None:
    tissue = np.full((60, 60), 128, np.uint8)
    none = np.zeros((60, 60), bool)
    line, area = none.copy(), none.copy()
    line[30], area[35:] = True, True

    def lightness(kind: str) -> np.ndarray:
        def only(mask: np.ndarray) -> dict[str, np.ndarray]:
            return {k: mask if k == kind else none for k in ("split", "merge", "missed")}

        marks = Marks(only(line), only(area), none)  # type: ignore[arg-type]
        return paint_errors(tissue, marks).astype(int).sum(axis=2)

    split, merge, missed = lightness("split"), lightness("merge"), lightness("missed")
    assert len(np.unique(split[30])) == 1  # solid
    assert len(np.unique(merge[30])) == 2  # barred
    textures = [np.abs(p[40:] - np.median(p[40:])) > 30 for p in (split, merge, missed)]
    assert textures[0].mean() < textures[1].mean() < textures[2].mean()


def test_data_uri_holds_the_picture() -> None:
    picture = np.random.default_rng(0).integers(0, 255, (7, 9)).astype(np.uint8)
    kind, payload = data_uri(picture).split(",")
    assert kind == "data:image/png;base64"
    with Image.open(io.BytesIO(base64.b64decode(payload))) as image:
        np.testing.assert_array_equal(np.asarray(image), picture)
