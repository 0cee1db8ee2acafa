"""Threshold components: sizes and numbering; the components themselves are the graph's (tests/graph)."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from objectwise.errors import ArgumentError, DtypeError
from objectwise.graph import components_from_affinities
from objectwise.segmentation import threshold_components
from tests.conftest import golden_cases
from tests.oracles.segmentation import without_small
from tests.segmentation.strategies import affinity_graphs


@given(affinity_graphs(), st.sampled_from([0.0, 0.3, 0.6, 1.0]), st.integers(0, 6))
def test_components_are_those_of_the_graph_without_the_small_ones(graph, threshold, minimum_size):
    affinities, offsets = graph
    labels = threshold_components(affinities, offsets, threshold=threshold, minimum_size=minimum_size)
    expected = without_small(components_from_affinities(affinities, offsets, threshold), minimum_size)
    firsts = [label for label in dict.fromkeys(expected.ravel().tolist()) if label]
    numbers = dict(zip(firsts, range(1, len(firsts) + 1), strict=True)) | {0: 0}
    assert labels.ravel().tolist() == [numbers[label] for label in expected.ravel().tolist()]


@pytest.mark.parametrize("path", golden_cases("malis_*_0"), ids=lambda path: path.stem)
def test_components_equal_the_golden_partition(path, load_golden):
    golden = load_golden(path)
    labels = threshold_components(golden["affinities"], golden["offsets"], threshold=0.5)
    pairs = np.unique(np.stack([labels.ravel(), golden["components_at_half"].ravel()]), axis=1)
    assert len(np.unique(pairs[0])) == len(np.unique(pairs[1])) == pairs.shape[1]
    assert ((pairs[0] == 0) == (pairs[1] == 0)).all()


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"threshold": np.nan}, ArgumentError, "`threshold` must be finite"),
        ({"threshold": 0.5, "minimum_size": -3}, ArgumentError, "`minimum_size` must be 0 or more .* -3"),
        ({"threshold": 0.5, "minimum_size": True}, DtypeError, "`minimum_size` must be an integer"),
    ],
)
def test_wrong_options_are_named(options, error, message):
    with pytest.raises(error, match=message):
        threshold_components(np.ones((2, 3, 3), np.float32), [[-1, 0], [0, -1]], **options)
