"""`segment` forwards by name; stacks stay stacks."""

from __future__ import annotations

import numpy as np
import pytest

from objectwise.errors import ArgumentError
from objectwise.graph import Neighborhood, affinities_from_labels
from objectwise.segmentation import METHODS, agglomerate, seeded_watershed, segment, threshold_components

EACH = pytest.mark.parametrize("method", METHODS)


def test_segment_is_the_function_of_that_name():
    affinities = np.random.default_rng(0).random((3, 4, 9, 9), dtype=np.float32)
    functions = (threshold_components, seeded_watershed, agglomerate)
    for method, function in zip(METHODS, functions, strict=True):
        by_name = segment(affinities, Neighborhood.nearest(3), method=method, threshold=0.6, minimum_size=3)
        by_function = function(affinities, Neighborhood.nearest(3), threshold=0.6, minimum_size=3)
        np.testing.assert_array_equal(by_name, by_function)
        assert by_name.dtype == np.int64


@EACH
@pytest.mark.parametrize("minimum_size", [0, 4])
def test_sections_of_a_stack_are_never_joined(method, minimum_size):
    rng = np.random.default_rng(0)
    flat = Neighborhood([[-1, 0], [0, -1], [3, -2]])
    affinities = 0.95 + 0.05 * rng.random((3, 6, 12, 14), dtype=np.float32)
    labels = segment(affinities, flat.embedded(), method=method, threshold=0.98, minimum_size=minimum_size)
    seen = set()
    for z in range(6):
        ids = set(np.unique(labels[z])) - {0}
        assert ids
        assert not ids & seen
        seen |= ids
        alone = segment(affinities[:, z], flat, method=method, threshold=0.98, minimum_size=minimum_size)
        pairs = np.unique(np.stack([labels[z].ravel(), alone.ravel()]), axis=1)
        assert pairs.shape[1] == len(np.unique(pairs[0])) == len(np.unique(pairs[1]))


@EACH
def test_exact_affinities_give_the_objects_back(method):
    labels = np.array([[1, 1, 2, 2], [1, 1, 2, 2], [3, 3, 3, 3]])
    affinities = affinities_from_labels(labels, Neighborhood.nearest(2))
    np.testing.assert_array_equal(
        segment(affinities, Neighborhood.nearest(2), method=method, threshold=0.5), labels
    )


def test_an_unknown_method_is_answered_with_the_known_ones():
    message = "`method` must be one of 'components', 'watershed', 'agglomeration', got 'mutex'"
    with pytest.raises(ArgumentError, match=message):
        segment(np.ones((1, 2, 2)), [[0, 1]], method="mutex", threshold=0.5)


@pytest.mark.parametrize("method", ["components", "watershed"])
def test_an_option_without_effect_is_refused(method):
    with pytest.raises(
        ArgumentError, match=f"`fragment_threshold` must be left out with `method` '{method}'"
    ):
        segment(np.ones((1, 2, 2)), [[0, 1]], method=method, threshold=0.5, fragment_threshold=0.9)
