import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import objectwise
from objectwise.errors import ArgumentError, DtypeError, ShapeError
from objectwise.graph import MaximinTree, Neighborhood, components_from_affinities, known_edges, maximin_tree
from objectwise.maps import malis_pair_counts
from tests.conftest import golden_cases
from tests.oracles import graph as oracle
from tests.strategies import labelled_graphs

CHAIN = [[0, -1]]
GRAPHS = labelled_graphs() | labelled_graphs(levels=1) | labelled_graphs(levels=4)


def all_pairs(n_voxels):
    """Every ordered pair of voxels, each with itself too."""
    return np.array(list(itertools.product(range(n_voxels), repeat=2)))


def chain_tree(values):
    """Tree of a row of voxels; `values[i]` joins voxels i and i + 1."""
    return maximin_tree(np.array([[[0.0, *values]]], np.float32), CHAIN)


def thresholds_of(affinities):
    """Every affinity, one between each two, and one beyond each end."""
    values = np.unique(affinities).astype(np.float64)
    return [values[0] - 1, *values, *((values[1:] + values[:-1]) / 2), values[-1] + 1]


# Right


@given(GRAPHS)
@settings(max_examples=150)
def test_maximin_of_every_pair_equals_the_widest_path(graph):
    affinities, labels, offsets = graph
    values, deciding = oracle.maximin_edges(affinities, offsets)
    tree, pairs = maximin_tree(affinities, offsets), all_pairs(labels.size)
    np.testing.assert_array_equal(tree.maximin(pairs), values.ravel())
    np.testing.assert_array_equal(tree.maximin_edges(pairs), deciding.ravel())


@given(GRAPHS)
@settings(max_examples=150)
def test_cut_equals_the_components_at_every_threshold(graph):
    affinities, _, offsets = graph
    tree = maximin_tree(affinities, offsets)
    for threshold in thresholds_of(affinities):
        expected = components_from_affinities(affinities, offsets, threshold)
        np.testing.assert_array_equal(tree.cut(threshold), expected)
    assert not tree.cut(np.inf).any()
    np.testing.assert_array_equal(tree.cut(-np.inf), tree.cut(-1.0))


@given(GRAPHS)
@settings(max_examples=150)
def test_pair_curve_equals_the_counted_pairs_of_every_cut(graph):
    affinities, labels, offsets = graph
    tree = maximin_tree(affinities, offsets)
    curve = tree.pair_curve(labels)
    for i, threshold in enumerate(curve.threshold):
        correct, joined, of_objects = oracle.pair_statistics(tree.cut(threshold), labels)
        assert (curve.correct_pairs[i], curve.joined_pairs[i], curve.object_pairs) == (
            correct,
            joined,
            of_objects,
        )
        assert curve.precision[i] == (correct / joined if joined else 1)
        assert curve.recall[i] == (correct / of_objects if of_objects else 1)
        total = joined + of_objects
        assert curve.f_score[i] == (2 * correct / total if total else 1)


@given(GRAPHS)
def test_pair_curve_has_one_entry_for_each_different_segmentation(graph):
    affinities, labels, offsets = graph
    tree = maximin_tree(affinities, offsets)
    threshold = tree.pair_curve(labels).threshold
    assert (np.diff(threshold) < 0).all()
    on_curve = [tree.cut(one) for one in threshold]
    assert all((a != b).any() for a, b in itertools.pairwise(on_curve))
    for one in thresholds_of(affinities):
        assert any((tree.cut(one) == labels).all() for labels in on_curve)


@given(GRAPHS)
def test_the_cut_at_the_best_threshold_attains_the_best_f_score_of_all_thresholds(graph):
    affinities, labels, offsets = graph
    tree = maximin_tree(affinities, offsets)

    def f_score(threshold):
        correct, joined, of_objects = oracle.pair_statistics(tree.cut(threshold), labels)
        return 2 * correct / (joined + of_objects) if joined + of_objects else 1

    best = tree.best_threshold(labels)
    assert f_score(best) == max(f_score(one) for one in thresholds_of(affinities))
    assert isinstance(best, float)


@given(GRAPHS)
def test_pairs_of_the_curve_are_those_of_unconstrained_malis(graph):
    affinities, labels, offsets = graph
    curve = maximin_tree(affinities, offsets).pair_curve(labels)
    positive, negative = malis_pair_counts(affinities, labels, offsets, constrained=False)
    assert curve.correct_pairs[-1] == positive.sum()
    assert curve.joined_pairs[-1] == positive.sum() + negative.sum()


@pytest.mark.parametrize("path", golden_cases("malis_*"), ids=lambda path: path.stem)
def test_maximin_edges_of_golden_graphs_are_those_that_the_published_counts_name(path, load_golden):
    case = load_golden(path)
    tree = maximin_tree(case["affinities"], case["offsets"])
    labels = case["labels"].ravel()
    voxels = np.flatnonzero(labels)
    if voxels.size > 1500:  # a million pairs say as much as all of them
        voxels = voxels[:: voxels.size // 1500 + 1]
    else:
        assert len(np.setdiff1d(np.flatnonzero(case["unconstrained_pos"]), tree.edges)) == 0
    u, v = (voxels[i] for i in np.triu_indices(voxels.size, 1))
    edges = tree.maximin_edges(np.stack([u, v], 1))
    for same, name in ((True, "unconstrained_pos"), (False, "unconstrained_neg")):
        chosen = edges[((labels[u] == labels[v]) == same) & (edges >= 0)]
        counts = np.bincount(chosen, minlength=case["affinities"].size)
        if voxels.size == np.count_nonzero(labels):
            np.testing.assert_array_equal(counts, case[name].ravel())
        assert (counts <= case[name].ravel()).all()


def test_a_chain_by_hand():
    tree = chain_tree([0.75, 0.25, 0.5])
    assert tree.edges.tolist() == [1, 3, 2]
    assert tree.maximin(np.array([[0, 1], [3, 0], [2, 3], [1, 1]])).tolist() == [0.75, 0.25, 0.5, np.inf]
    assert tree.maximin_edges(np.array([[0, 1], [3, 0], [2, 3], [1, 1]])).tolist() == [1, 2, 3, -1]
    assert tree.cut(0.3).tolist() == [[1, 1, 2, 2]]


def test_voxels_without_a_path_are_minus_infinity_apart():
    tree = maximin_tree(np.full((1, 2, 2), 0.5, np.float32), CHAIN)  # two rows, no edge between them
    pairs = np.array([[0, 1], [0, 2], [1, 3]])
    assert tree.maximin(pairs).tolist() == [0.5, -np.inf, -np.inf]
    assert tree.maximin_edges(pairs).tolist() == [1, -1, -1]


# Kept by Higra


def higra_tree(affinities, offsets):
    """Higra's tree of the same graph: edges in index order, what the affinities lack to 1 or the highest."""
    higra = pytest.importorskip("higra")
    shape = affinities.shape[1:]
    edges = list(oracle.edges_of(shape, offsets))
    graph = higra.UndirectedGraph(int(np.prod(shape)))
    sources, targets = (np.array([np.ravel_multi_index(row[end], shape) for row in edges]) for end in (1, 2))
    graph.add_edges(sources, targets)
    values = np.array([affinities[row[0]] for row in edges], np.float64)
    return higra.bpt_canonical(graph, max(1, values.max()) - values)


@given(labelled_graphs() | labelled_graphs(levels=3))
def test_partition_tree_equals_higra_where_the_graph_is_connected(graph):
    affinities, labels, offsets = graph
    tree = maximin_tree(affinities, offsets)
    ours = tree.ultrametric()
    assert ours.parents.shape == ours.altitudes.shape == (2 * labels.size - 1,)
    if len(tree.edges) == labels.size - 1:
        theirs, altitudes = higra_tree(affinities, offsets)
        np.testing.assert_array_equal(ours.parents, theirs.parents())
        np.testing.assert_array_equal(ours.altitudes, altitudes)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(9, 8), (5, 6, 7)])
def test_partition_tree_of_nearest_neighbours_equals_higra(shape, dtype):
    affinities = np.random.default_rng(0).normal(size=(len(shape), *shape)).astype(dtype)
    offsets = Neighborhood.nearest(len(shape))
    theirs, altitudes = higra_tree(affinities, offsets.offsets)
    ours = maximin_tree(affinities, offsets).ultrametric()
    np.testing.assert_array_equal(ours.parents, theirs.parents())
    np.testing.assert_array_equal(ours.altitudes, altitudes)
    assert ours.altitudes.dtype == np.float64


def test_higra_reads_the_partition_tree_and_finds_every_maximin():
    higra = pytest.importorskip("higra")
    affinities = np.random.default_rng(1).random((2, 6, 5), np.float32)
    tree = maximin_tree(affinities, Neighborhood.nearest(2))
    parents, altitudes = tree.ultrametric()
    pairs = all_pairs(30)
    pairs = pairs[pairs[:, 0] != pairs[:, 1]]
    ancestors = higra.Tree(parents).lowest_common_ancestor(pairs[:, 0].copy(), pairs[:, 1].copy())
    np.testing.assert_array_equal(1 - altitudes[ancestors], tree.maximin(pairs))


@given(GRAPHS, st.sampled_from([0, 4]))
@settings(max_examples=150)
def test_horizontal_cuts_of_higra_are_those_of_the_tree(graph, logits):
    higra = pytest.importorskip("higra")
    affinities, _, offsets = graph
    tree = maximin_tree((affinities - np.float32(0.5)) * logits if logits else affinities, offsets)
    parents, altitudes = tree.ultrametric()
    hierarchy = higra.Tree(parents)  # the explorer does not keep it alive
    explorer = higra.HorizontalCutExplorer(hierarchy, altitudes)
    assert (np.diff(explorer.altitude_cuts()) < 0).all()
    top = max(1, tree.affinities[0].astype(np.float64))
    for threshold in np.unique(tree.affinities)[:-1]:
        just_below = np.nextafter(top - threshold.astype(np.float64), 0)
        nodes = explorer.horizontal_cut_from_altitude(just_below).nodes()
        labels = tree.cut(threshold).ravel()
        ids = np.where(labels > 0, labels, -1 - np.arange(labels.size))  # an unjoined voxel is one of its own
        found = [
            {ids[leaf] for leaf in range(ids.size) if node in hierarchy.ancestors(leaf)} for node in nodes
        ]
        assert sorted(found, key=min) == [{one} for one in np.unique(ids)]


@given(GRAPHS)
def test_trees_that_no_edge_joins_are_joined_last_at_infinity(graph):
    affinities, labels, offsets = graph
    tree = maximin_tree(affinities, offsets)
    parents, altitudes = tree.ultrametric()
    n_voxels, n_merges = labels.size, len(tree.edges)
    assert np.isinf(altitudes).sum() == n_voxels - 1 - n_merges
    assert parents[-1] == len(parents) - 1
    assert (parents[:-1] > np.arange(len(parents) - 1)).all()
    children = np.bincount(parents[:-1], minlength=len(parents))
    assert (children[:n_voxels] == 0).all()
    assert (children[n_voxels:] == 2).all()
    assert (altitudes[parents] >= altitudes).all()
    assert (altitudes[:n_voxels] == 0).all()


# Lawful


@given(GRAPHS)
def test_the_forest_is_shallow_descending_and_spans_every_component(graph):
    affinities, labels, offsets = graph
    tree = maximin_tree(affinities, offsets)
    assert (np.diff(tree.affinities) <= 0).all()
    assert known_edges(labels.shape, offsets).ravel()[tree.edges].all()
    np.testing.assert_array_equal(affinities.ravel()[tree.edges], tree.affinities)
    whole = tree.cut(-np.inf)
    n_components = whole.max() + (whole == 0).sum()
    assert len(tree.edges) == labels.size - n_components == (tree.parents >= 0).sum()
    for voxel in range(labels.size):
        depth = 0
        while tree.parents[voxel] >= 0:
            voxel, depth = tree.parents[voxel], depth + 1
        assert 2**depth <= labels.size


@given(labelled_graphs())
def test_only_the_order_of_affinities_matters(graph):
    affinities, labels, offsets = graph
    logits = np.log(affinities.astype(np.float64) / (1 - affinities))
    tree, same = maximin_tree(affinities, offsets), maximin_tree(logits, offsets)
    for name in ("edges", "parents", "merges"):
        np.testing.assert_array_equal(getattr(tree, name), getattr(same, name))
    assert same.affinities.dtype == np.float64
    np.testing.assert_array_equal(tree.pair_curve(labels).f_score, same.pair_curve(labels).f_score)


@given(labelled_graphs(), st.data())
def test_flipping_an_axis_flips_the_tree(graph, data):
    affinities, labels, offsets = graph
    axis = data.draw(st.integers(0, labels.ndim - 1))
    mirrored = np.array(offsets)
    mirrored[:, axis] *= -1
    tree = maximin_tree(affinities, offsets)
    flipped = maximin_tree(np.flip(affinities, axis + 1), mirrored)
    np.testing.assert_array_equal(flipped.affinities, tree.affinities)
    moved = np.flip(np.arange(labels.size).reshape(labels.shape), axis).ravel()
    pairs = all_pairs(labels.size)
    np.testing.assert_array_equal(flipped.maximin(moved[pairs]), tree.maximin(pairs))


@given(GRAPHS, st.permutations([2**24 + 1, 2**24 + 2, 2**63 + 3]))
def test_the_curve_does_not_depend_on_the_ids(graph, ids):
    affinities, labels, offsets = graph
    tree = maximin_tree(affinities, offsets)
    renamed = tree.pair_curve(np.array([0, *ids], np.uint64)[labels])
    for one, other in zip(tree.pair_curve(labels), renamed, strict=True):
        np.testing.assert_array_equal(one, other)


def test_strided_inputs_give_the_tree_of_their_copies():
    rng = np.random.default_rng(3)
    affinities = rng.random((6, 8, 4), np.float32).transpose(2, 0, 1)[::2, ::-1]
    labels = np.asfortranarray(rng.integers(0, 4, (6, 8)))
    offsets = [[-1, 0], [0, -1]]
    tree, copied = maximin_tree(affinities, offsets), maximin_tree(affinities.copy(), offsets)
    for name in ("edges", "affinities", "parents", "merges"):
        np.testing.assert_array_equal(getattr(tree, name), getattr(copied, name))
    for one, other in zip(tree.pair_curve(labels), tree.pair_curve(labels.copy()), strict=True):
        np.testing.assert_array_equal(one, other)
    pairs = all_pairs(48)
    np.testing.assert_array_equal(
        tree.maximin(np.asfortranarray(pairs)[::2]), tree.maximin(pairs[::2].copy())
    )


def test_pairs_beyond_32_bits_are_exact():
    labels = np.repeat(np.array([1, 2]), 70_000)[np.newaxis]
    affinities = np.full((1, *labels.shape), 0.5, np.float32)
    affinities[0, 0, 70_000] = 0.25
    curve = maximin_tree(affinities, CHAIN).pair_curve(labels)
    within = 70_000 * 69_999
    assert curve.correct_pairs.tolist() == [0, within, within]
    assert curve.joined_pairs.tolist() == [0, within, within + 70_000**2]


def test_a_saved_tree_is_the_tree(tmp_path):
    tree = maximin_tree(np.random.default_rng(0).random((2, 5, 6)), [[-1, 0], [0, -1]])
    np.savez(tmp_path / "tree.npz", **vars(tree))
    with np.load(tmp_path / "tree.npz", allow_pickle=False) as archive:
        loaded = MaximinTree(**archive)
    assert loaded.shape == tree.shape == (5, 6)
    np.testing.assert_array_equal(loaded.cut(0.6), tree.cut(0.6))
    np.testing.assert_array_equal(loaded.offsets, tree.offsets)


def test_a_threshold_equal_to_an_affinity_does_not_join_it():
    # 0.1 is not a float32: the threshold is compared in the dtype of the affinities, so equal stays equal.
    assert not chain_tree([0.1]).cut(0.1).any()
    assert not chain_tree([0.1]).cut(1e300).any()


# Kind


def test_background_and_single_voxels_make_no_pairs():
    tree = chain_tree([0.75, 0.5])
    for labels in ([[0, 0, 0]], [[0, 4, 0]]):
        curve = tree.pair_curve(np.array(labels))
        assert not curve.joined_pairs.any()
        assert (curve.precision == 1).all()
        assert (curve.recall == 1).all()
        assert tree.best_threshold(np.array(labels)) == 0.75


def test_the_lowest_float_has_a_threshold_below_it():
    lowest = np.finfo(np.float32).min
    curve = chain_tree([lowest]).pair_curve(np.array([[1, 1]]))
    assert curve.threshold.tolist() == [lowest, -np.inf]
    assert curve.correct_pairs.tolist() == [0, 1]


def test_no_pairs_have_no_maximin():
    tree = chain_tree([0.5])
    assert tree.maximin(np.empty((0, 2), np.int64)).shape == (0,)
    assert tree.maximin_edges(np.empty((0, 2), np.int64)).dtype == np.int64


@pytest.mark.parametrize(
    ("pairs", "error", "message"),
    [
        ([[0, 1]], DtypeError, "`pairs` must be a numpy array, got list"),
        (np.array([[0.0, 1.0]]), DtypeError, "`pairs` must hold integers .* got dtype float64"),
        (np.array([0, 1]), ShapeError, r"`pairs` must have shape \(p, 2\), got \(2,\)"),
        (np.array([[0, 1, 2]]), ShapeError, r"`pairs` must have shape \(p, 2\), got \(1, 3\)"),
        (np.array([[0, 1], [0, 3]]), ArgumentError, r"`pairs` must be in 0..2, got 3 at \(1, 1\)"),
        (np.array([[-1, 1]]), ArgumentError, r"`pairs` must be in 0..2, got -1 at \(0, 0\)"),
        (
            np.array([[0, 2**63]], np.uint64),
            ArgumentError,
            "`pairs` must be in 0..2, got 9223372036854775808",
        ),
    ],
)
def test_bad_pairs_are_named(pairs, error, message):
    tree = chain_tree([0.5, 0.25])
    for query in (tree.maximin, tree.maximin_edges):
        with pytest.raises(error, match=message):
            query(pairs)


@pytest.mark.parametrize(
    ("affinities", "offsets", "error", "message"),
    [
        (np.zeros((1, 2, 2), np.float16), CHAIN, DtypeError, "`affinities` must be float32 or float64"),
        (np.zeros((2, 2), np.float32), CHAIN, ShapeError, r"`affinities` must have shape \(k, y, x\)"),
        (np.zeros((2, 2, 2), np.float32), CHAIN, ShapeError, r"one row per channel .* \(2\), got 1 rows"),
        (np.zeros((1, 2, 2), np.float32), [[0, 2]], ArgumentError, "`offsets` must be shorter"),
        (np.full((1, 2, 2), np.nan), CHAIN, ArgumentError, r"finite, got nan at \(0, 0, 1\)"),
        (np.zeros((1, 0, 2), np.float32), CHAIN, ShapeError, "`affinities` must not be empty"),
    ],
)
def test_bad_graphs_are_named(affinities, offsets, error, message):
    with pytest.raises(error, match=message):
        maximin_tree(affinities, offsets)


@pytest.mark.parametrize(
    ("labels", "error", "message"),
    [
        (np.ones((1, 3)), DtypeError, "`labels` must hold integer ids"),
        (np.array([[1, -1, 0]]), ArgumentError, "`labels` must not be negative"),
        (
            np.ones((3, 1), int),
            ShapeError,
            r"`labels` must have the shape of the tree \(1, 3\), got \(3, 1\)",
        ),
    ],
)
def test_bad_labels_are_named(labels, error, message):
    with pytest.raises(error, match=message):
        chain_tree([0.5, 0.25]).pair_curve(labels)


@pytest.mark.parametrize("threshold", [np.nan, "0.5", None, True])
def test_a_threshold_that_is_no_number_is_refused(threshold):
    with pytest.raises(ArgumentError, match=f"`threshold` must be a number, got {threshold!r}"):
        chain_tree([0.5]).cut(threshold)


@pytest.mark.parametrize(
    ("damage", "error", "message"),
    [
        ({"parents": np.zeros(3, np.int64)}, DtypeError, "`parents` must be int32, got dtype int64"),
        ({"merges": np.zeros(4, np.int32)}, ShapeError, r"`merges` must have shape \(3,\), got \(4,\)"),
        (
            {"affinities": np.ones(1, np.float32)},
            ShapeError,
            r"`affinities` must have shape \(2,\), got \(1,\)",
        ),
        (
            {"parents": np.array([1, 0, -1], np.int32)},
            ArgumentError,
            "`parents` and `merges` must be a forest",
        ),
        (
            {"parents": np.array([7, -1, 1], np.int32)},
            ArgumentError,
            "`parents` and `merges` must be a forest",
        ),
        ({"merges": np.array([0, 2, 0], np.int32)}, ArgumentError, "`parents` and `merges` must be a forest"),
    ],
)
def test_damaged_trees_are_refused(damage, error, message):
    fields = vars(chain_tree([0.5, 0.25]))
    with pytest.raises(error, match=message):
        MaximinTree(**{**fields, **damage})


def test_the_tree_is_on_the_face():
    assert objectwise.maximin_tree is maximin_tree
    assert objectwise.MaximinTree is MaximinTree


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_whatever_stands_where_an_edge_leaves_the_volume_is_not_read(dtype, value):
    affinities = np.random.default_rng(0).random((2, 4, 5)).astype(dtype)
    offsets = [[1, 0], [0, -2]]
    changed = np.where(known_edges((4, 5), offsets), affinities, dtype(value))
    expected, tree = maximin_tree(affinities, offsets), maximin_tree(changed, offsets)
    for name in ("edges", "affinities", "parents", "merges"):
        np.testing.assert_array_equal(getattr(tree, name), getattr(expected, name))
