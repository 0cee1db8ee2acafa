from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from objectwise.errors import ArgumentError, DtypeError, ShapeError
from objectwise.graph import affinities_from_labels, components_from_affinities, known_edges
from objectwise.maps import malis_pair_counts
from objectwise.maps.malis import _check_size
from tests.conftest import golden_cases
from tests.oracles import malis as oracle
from tests.strategies import labelled_graphs

CHAIN = [[0, -1]]


def counts_of_chain(affinities, labels, **options):
    """Counts on a row of voxels; `affinities[i]` joins voxels i and i + 1."""
    padded = np.array([[[0.0, *affinities]]], np.float32)
    positive, negative = malis_pair_counts(padded, np.array([labels]), CHAIN, **options)
    return positive[0, 0, 1:].tolist(), negative[0, 0, 1:].tolist()


@pytest.mark.parametrize("constrained", [True, False])
@given(graph=labelled_graphs() | labelled_graphs(levels=1) | labelled_graphs(levels=4))
@settings(max_examples=150)
def test_counts_equal_the_oracle_over_all_pairs(graph, constrained):
    expected = oracle.pair_counts(*graph, constrained=constrained)
    counted = malis_pair_counts(*graph, constrained=constrained)
    np.testing.assert_array_equal(counted.positive, expected[0])
    np.testing.assert_array_equal(counted.negative, expected[1])


@pytest.mark.parametrize("path", golden_cases("malis_*"), ids=lambda path: path.stem)
def test_counts_equal_the_published_ones(path, load_golden):
    case = load_golden(path)
    for constrained, name in ((True, "constrained"), (False, "unconstrained")):
        counts = malis_pair_counts(
            case["affinities"], case["labels"], case["offsets"], constrained=constrained
        )
        np.testing.assert_array_equal(counts.positive, case[f"{name}_pos"])
        np.testing.assert_array_equal(counts.negative, case[f"{name}_neg"])

    masked = malis_pair_counts(case["affinities"], case["labels"], case["offsets"], edge_mask=case["mask"])
    np.testing.assert_array_equal(masked.positive, case["masked_pos"])
    np.testing.assert_array_equal(masked.negative, case["masked_neg"])


def masks(shape):
    """Masks of a few unknown edges, or of many."""
    return npst.arrays(np.bool_, shape, elements=st.booleans())


@given(st.data(), labelled_graphs() | labelled_graphs(levels=2), st.booleans())
@settings(max_examples=150)
def test_masked_counts_equal_the_oracle(data, graph, constrained):
    edge_mask = data.draw(masks(graph[0].shape))
    expected = oracle.pair_counts(*graph, constrained=constrained, edge_mask=edge_mask)
    counted = malis_pair_counts(*graph, constrained=constrained, edge_mask=edge_mask)
    np.testing.assert_array_equal(counted.positive, expected[0])
    np.testing.assert_array_equal(counted.negative, expected[1])


@given(labelled_graphs(levels=3))
def test_a_mask_that_knows_everything_changes_nothing(graph):
    known = np.ones(graph[0].shape, bool)
    for constrained in (True, False):
        np.testing.assert_array_equal(
            malis_pair_counts(*graph, constrained=constrained, edge_mask=known),
            malis_pair_counts(*graph, constrained=constrained),
        )


@given(st.data(), labelled_graphs(levels=3))
def test_unlabelled_voxels_are_one_object_with_unknown_edges_inside(data, graph):
    affinities, labels, offsets = graph
    unlabelled = data.draw(masks(labels.shape)) & (labels == 0)
    one_more = np.where(unlabelled, 9, labels)
    inside = affinities_from_labels(unlabelled.astype(np.uint8), offsets) == 1
    np.testing.assert_array_equal(
        malis_pair_counts(affinities, labels, offsets, unlabelled=unlabelled),
        malis_pair_counts(affinities, one_more, offsets, edge_mask=~inside),
    )


@given(st.data(), labelled_graphs(levels=3))
def test_unlabelled_voxels_make_no_positive_pairs_on_the_one_forest_either(data, graph):
    affinities, labels, offsets = graph
    unlabelled = data.draw(masks(labels.shape)) & (labels == 0)
    known = affinities_from_labels(unlabelled.astype(np.uint8), offsets) == 0
    options = {"constrained": False, "edge_mask": known}
    counted = malis_pair_counts(affinities, labels, offsets, constrained=False, unlabelled=unlabelled)
    positive, _ = oracle.pair_counts(affinities, labels, offsets, **options)
    _, negative = oracle.pair_counts(affinities, np.where(unlabelled, 9, labels), offsets, **options)
    np.testing.assert_array_equal(counted.positive, positive)
    np.testing.assert_array_equal(counted.negative, negative)


def test_unlabelled_voxels_find_a_free_id_where_the_largest_is_taken():
    labels = np.array([[1, 0, 2**64 - 1]], np.uint64)
    unlabelled = np.array([[False, True, False]])
    affinities = np.array([[[0.0, 0.7, 0.4]]])
    counts = malis_pair_counts(affinities, labels, CHAIN, unlabelled=unlabelled)
    assert counts.negative[0, 0].tolist() == [0, 1, 2]


def test_labels_in_the_unlabelled_region_are_refused():
    with pytest.raises(
        ArgumentError, match=r"`unlabelled` must be background in `labels`, got label 5 at \(0, 1\)"
    ):
        malis_pair_counts(
            np.zeros((1, 1, 2)), np.array([[0, 5]]), CHAIN, unlabelled=np.array([[False, True]])
        )


@pytest.mark.parametrize(
    ("masks", "error", "message"),
    [
        (
            {"edge_mask": np.ones((1, 1, 2))},
            DtypeError,
            "`edge_mask` must be a numpy array of bool, got dtype float64",
        ),
        (
            {"edge_mask": np.ones((1, 2), bool)},
            ShapeError,
            "`edge_mask` and `affinities` must have the same shape",
        ),
        (
            {"unlabelled": np.ones((2, 1), bool)},
            ShapeError,
            "`unlabelled` and `labels` must have the same shape",
        ),
    ],
)
def test_bad_masks_are_named(masks, error, message):
    with pytest.raises(error, match=message):
        malis_pair_counts(np.zeros((1, 1, 2)), np.array([[0, 5]]), CHAIN, **masks)


@pytest.mark.parametrize(("n_channels", "most"), [(1, 2**31 - 1), (2, 2**31 - 1), (3, 2**30), (5, 2**29)])
def test_a_volume_too_large_to_count_is_refused(n_channels, most):
    _check_size(most, n_channels)
    with pytest.raises(ArgumentError, match=f"`labels` must have at most {most} voxels .* got {most + 1}"):
        _check_size(most + 1, n_channels)


def test_a_weak_edge_inside_an_object_decides_the_pairs_across_it():
    assert counts_of_chain([0.9, 0.2, 0.8], [1, 1, 1, 1]) == ([1, 4, 1], [0, 0, 0])


def test_saturated_predictions_blame_the_edge_between_the_objects():
    assert counts_of_chain([1.0, 1.0, 1.0], [1, 1, 2, 2]) == ([1, 0, 1], [0, 4, 0])


def test_background_between_two_objects_shares_their_path():
    # The pair 1-2 must cross both background edges; the weaker one decides it.
    assert counts_of_chain([0.7, 0.3], [1, 0, 2]) == ([0, 0], [0, 1])


def test_one_object_in_two_pieces_makes_no_pair_across_the_gap():
    # Joining 1 | 2 | 1: the second merge holds the pairs 1-2 twice, and 1-1, which is no negative pair.
    assert counts_of_chain([0.9, 0.8], [1, 2, 1]) == ([0, 0], [1, 1])


@given(labelled_graphs())
def test_constrained_counts_conserve_the_pairs_of_the_connected_graph(graph):
    affinities, labels, offsets = graph
    positive, negative = malis_pair_counts(affinities, labels, offsets)
    truth = affinities_from_labels(labels, offsets)
    pieces = components_from_affinities(truth, offsets, 0.5)
    whole = components_from_affinities(np.ones_like(truth), offsets, 0.5)
    assert positive.sum() == sum(n * (n - 1) // 2 for n in sizes(pieces))
    across = 0
    for component in np.unique(whole[whole > 0]):
        inside = labels[(whole == component) & (labels != 0)]
        n = inside.size
        across += (n * n - sum(m * m for m in sizes(inside))) // 2
    assert negative.sum() == across


@given(labelled_graphs() | labelled_graphs(levels=2))
def test_unconstrained_counts_conserve_the_pairs_of_the_connected_graph(graph):
    affinities, labels, offsets = graph
    positive, negative = malis_pair_counts(affinities, labels, offsets, constrained=False)
    whole = components_from_affinities(np.ones_like(affinities), offsets, 0.5)
    inside = [labels[(whole == one) & (labels != 0)] for one in np.unique(whole[whole > 0])]
    same = sum(m * (m - 1) // 2 for voxels in inside for m in sizes(voxels))
    assert positive.sum() == same
    assert negative.sum() == sum(voxels.size * (voxels.size - 1) // 2 for voxels in inside) - same


def sizes(labels):
    """Voxels of each label but 0."""
    ids, counts = np.unique(labels, return_counts=True)
    return counts[ids != 0].tolist()


@given(labelled_graphs(), st.permutations([2**24 + 1, 2**24 + 2, 2**63 + 3]))
def test_counts_do_not_depend_on_the_ids(graph, ids):
    affinities, labels, offsets = graph
    renamed = np.array([0, *ids], np.uint64)[labels]
    for constrained in (True, False):
        expected = malis_pair_counts(affinities, labels, offsets, constrained=constrained)
        counted = malis_pair_counts(affinities, renamed, offsets, constrained=constrained)
        np.testing.assert_array_equal(counted, expected)


@given(labelled_graphs())
def test_only_the_order_of_affinities_matters(graph):
    affinities, labels, offsets = graph
    logits = np.log(affinities.astype(np.float64) / (1 - affinities))
    np.testing.assert_array_equal(
        malis_pair_counts(logits, labels, offsets), malis_pair_counts(affinities, labels, offsets)
    )


@given(labelled_graphs(), st.data())
def test_flipping_an_axis_flips_the_counts(graph, data):
    affinities, labels, offsets = graph
    axis = data.draw(st.integers(0, labels.ndim - 1))
    mirrored = np.array(offsets)
    mirrored[:, axis] *= -1
    expected = malis_pair_counts(affinities, labels, offsets)
    counted = malis_pair_counts(np.flip(affinities, axis + 1), np.flip(labels, axis), mirrored)
    np.testing.assert_array_equal(np.flip(counted.positive, axis + 1), expected.positive)
    np.testing.assert_array_equal(np.flip(counted.negative, axis + 1), expected.negative)


@given(labelled_graphs())
def test_constrained_equals_unconstrained_where_predictions_respect_connected_objects(graph):
    affinities, labels, offsets = graph
    objects = components_from_affinities(affinities_from_labels(labels, offsets), offsets, 0.5)
    respectful = affinities + affinities_from_labels(objects, offsets)
    np.testing.assert_array_equal(
        malis_pair_counts(respectful, objects, offsets),
        malis_pair_counts(respectful, objects, offsets, constrained=False),
    )


@pytest.mark.parametrize("shape", [(1, 5), (5, 1), (1, 1, 4), (2, 1, 3)])
def test_thin_volumes_count_along_the_axes_they_have(shape):
    labels = np.ones(shape, np.int64)
    axis = int(np.argmax(shape))
    offset = [[-1 if a == axis else 0 for a in range(len(shape))]]
    positive, _ = malis_pair_counts(np.random.default_rng(0).random((1, *shape)), labels, offset)
    rows = labels.size // shape[axis]
    assert positive.sum() == rows * shape[axis] * (shape[axis] - 1) // 2


def test_background_alone_makes_no_pairs():
    for constrained in (True, False):
        counts = malis_pair_counts(
            np.random.default_rng(0).random((2, 4, 5)), np.zeros((4, 5), np.int64), [[1, 0], [0, 1]],
            constrained=constrained,
        )  # fmt: skip
        assert not counts.positive.any()
        assert not counts.negative.any()


def test_edges_that_leave_the_volume_count_nothing_even_where_they_are_highest():
    affinities = np.zeros((1, 1, 3), np.float32)
    affinities[0, 0, 0] = 5.0
    positive, negative = malis_pair_counts(affinities, np.array([[1, 1, 2]]), CHAIN)
    assert positive[0, 0].tolist() == [0, 1, 0]
    assert negative[0, 0].tolist() == [0, 0, 2]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@given(graph=labelled_graphs(levels=3))
@settings(max_examples=20)
def test_whatever_stands_where_an_edge_leaves_the_volume_changes_no_count(dtype, value, graph):
    affinities, labels, offsets = graph
    affinities = affinities.astype(dtype)
    changed = np.where(known_edges(labels.shape, offsets), affinities, dtype(value))
    for constrained in (True, False):
        np.testing.assert_array_equal(
            malis_pair_counts(changed, labels, offsets, constrained=constrained),
            malis_pair_counts(affinities, labels, offsets, constrained=constrained),
        )


def test_strided_inputs_count_like_their_copies():
    rng = np.random.default_rng(3)
    affinities = rng.random((6, 8, 4), np.float32).transpose(2, 0, 1)[::2, ::-1]
    labels = np.asfortranarray(rng.integers(0, 4, (6, 8)))
    offsets = [[-1, 0], [0, -1]]
    np.testing.assert_array_equal(
        malis_pair_counts(affinities, labels, offsets),
        malis_pair_counts(affinities.copy(), np.ascontiguousarray(labels), offsets),
    )


def test_counts_do_not_write_into_their_inputs():
    affinities, labels = np.random.default_rng(0).random((1, 4, 4)), np.ones((4, 4), np.int64)
    before = affinities.copy(), labels.copy()
    malis_pair_counts(affinities, labels, [[0, -1]])
    np.testing.assert_array_equal(affinities, before[0])
    np.testing.assert_array_equal(labels, before[1])


@pytest.mark.parametrize("constrained", [True, False])
def test_counts_of_several_threads_are_those_of_one(constrained):
    rng = np.random.default_rng(4)
    labels = rng.integers(0, 20, (8, 16, 16))
    volumes = [rng.random((3, *labels.shape), np.float32) for _ in range(8)]
    mask = rng.random(volumes[0].shape) > 0.1

    def count(affinities):
        return malis_pair_counts(
            affinities, labels, -np.eye(3, dtype=int), constrained=constrained, edge_mask=mask
        )

    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(count, volumes))
    for one, volume in zip(together, volumes, strict=True):
        np.testing.assert_array_equal(one, count(volume))


def test_saved_counts_are_the_counts(tmp_path):
    counts = malis_pair_counts(np.ones((1, 2, 3), np.float32), np.array([[1, 1, 2], [0, 2, 2]]), CHAIN)
    np.savez(tmp_path / "counts.npz", **counts._asdict())
    with np.load(tmp_path / "counts.npz", allow_pickle=False) as archive:
        for name in ("positive", "negative"):
            np.testing.assert_array_equal(archive[name], getattr(counts, name))
            assert archive[name].dtype == np.uint64


def test_counts_beyond_32_bits_are_exact():
    labels = np.repeat(np.array([1, 2]), 70_000)[np.newaxis]
    _, negative = malis_pair_counts(np.full((1, *labels.shape), 0.5, np.float32), labels, CHAIN)
    assert negative.max() == 70_000**2


@pytest.mark.parametrize(
    ("affinities", "labels", "offsets", "error", "message"),
    [
        (np.ones((1, 2, 2), np.float32), np.ones((2, 3), int), CHAIN, ShapeError, r"`labels` must have the spatial shape .* \(2, 2\), got \(2, 3\)"),
        (np.ones((1, 2, 2), np.float32), np.ones((2, 2)), CHAIN, DtypeError, "`labels` must hold integer ids"),
        (np.ones((1, 2, 2), np.int64), np.ones((2, 2), int), CHAIN, DtypeError, "`affinities` must be float32 or float64"),
        (np.ones((1, 2, 2), np.float32), np.ones((2, 2), int), [[0, -2]], ArgumentError, "`offsets` must be shorter"),
        (np.ones((2, 2, 2), np.float32), np.ones((2, 2), int), CHAIN, ShapeError, "`offsets` must have one row per channel"),
        (np.array([[[0.1, 0.2], [0.3, np.inf]]]), np.ones((2, 2), int), CHAIN, ArgumentError, r"finite, got inf at \(0, 1, 1\)"),
        (np.array([[[0.1, 0.2], [0.3, np.nan]]]), np.ones((2, 2), int), CHAIN, ArgumentError, r"`affinities` must be finite, got nan at \(0, 1, 1\)"),
        (np.ones((2, 2, 2), np.float32), np.ones((2, 2), int), [[0, -1], [0, 1]], ArgumentError, "`offsets` must not repeat an edge"),
        (np.ones((1, 0, 2), np.float32), np.ones((0, 2), int), CHAIN, ShapeError, "`affinities` must not be empty"),
        (np.ones((1, 2, 2), np.float32), np.full((2, 2), -1), CHAIN, ArgumentError, "`labels` must not be negative"),
    ],
)  # fmt: skip
def test_bad_input_is_named(affinities, labels, offsets, error, message):
    with pytest.raises(error, match=message):
        malis_pair_counts(affinities, labels, offsets)


@pytest.mark.parametrize("constrained", ["False", None, 1])
def test_constrained_is_true_or_false(constrained):
    with pytest.raises(ArgumentError, match="`constrained` must be True or False, got "):
        malis_pair_counts(np.ones((1, 2, 2)), np.ones((2, 2), int), CHAIN, constrained=constrained)


@pytest.mark.filterwarnings("error")
def test_infinities_of_both_signs_are_named_without_a_warning():
    affinities = np.array([[[0.1, np.inf], [-np.inf, 0.3]]])
    with pytest.raises(ArgumentError, match=r"`affinities` must be finite, got inf at \(0, 0, 1\)"):
        malis_pair_counts(affinities, np.ones((2, 2), int), CHAIN)
