import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from objectwise.errors import ArgumentError, DeviceError, DtypeError
from objectwise.losses import sample_pairs
from objectwise.losses.edges.options import PairOptions
from objectwise.losses.edges.pair_sampling import ObjectPairs, check_generator
from tests.oracles.graph import edges_of, maximin_edges
from tests.strategies import labelled_graphs

OFFSETS = [[-1, 0], [0, -1]]


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def random_image(seed=0, batch=1, shape=(6, 7), n_objects=3):
    rng = np.random.default_rng(seed)
    prediction = torch.from_numpy(rng.normal(size=(batch, 2, *shape)))
    return prediction, torch.from_numpy(rng.integers(0, n_objects + 1, (batch, *shape)))


@given(npst.arrays(np.int64, st.integers(1, 14), elements=st.integers(0, 3)))
def test_every_ordered_pair_of_a_class_has_one_number(labels):
    pairs = ObjectPairs.of(labels)
    inside = np.flatnonzero(labels)
    every = {(u, v) for u in inside for v in inside if u != v}
    same = {(u, v) for u, v in every if labels[u] == labels[v]}
    assert (pairs.n_same, pairs.n_different) == (len(same), len(every - same))
    assert set(map(tuple, pairs.same(np.arange(pairs.n_same)).tolist())) == same
    assert set(map(tuple, pairs.different(np.arange(pairs.n_different)).tolist())) == every - same


@given(npst.arrays(np.int64, st.integers(1, 14), elements=st.integers(-1, 3)))
def test_unlabelled_voxels_make_pairs_with_the_objects_and_none_among_themselves(marked):
    labels, unlabelled = np.maximum(marked, 0), marked == -1
    pairs = ObjectPairs.of(labels, unlabelled)
    inside = np.flatnonzero(marked)
    every = {(u, v) for u in inside for v in inside if u != v and not (unlabelled[u] and unlabelled[v])}
    same = {(u, v) for u, v in every if marked[u] == marked[v]}
    assert (pairs.n_same, pairs.n_different) == (len(same), len(every - same))
    assert set(map(tuple, pairs.same(np.arange(pairs.n_same)).tolist())) == same
    assert set(map(tuple, pairs.different(np.arange(pairs.n_different)).tolist())) == every - same


def test_numbers_of_pairs_do_not_overflow():
    # Sizes of a volume of 2^31 - 1 voxels, without the voxels.
    sizes = np.array([2**30, 2**30 - 1])
    pairs = ObjectPairs(np.broadcast_to(np.int64(5), 2**31 - 1), np.array([0, 2**30]), sizes, sizes - 1)
    n, m = sizes.tolist()
    assert pairs.n_same == n * (n - 1) + m * (m - 1)
    assert pairs.n_different == 2 * n * m
    owner, first, other = pairs._split(np.array([pairs.n_different - 1]), sizes[::-1])
    assert (owner[0], first[0], other[0]) == (1, m - 1, n - 1)


@given(labelled_graphs(levels=3) | labelled_graphs(), st.sampled_from([None, 0.0, 0.25, 1.0]))
def test_edges_are_the_maximin_edges_of_the_pairs(graph, same_fraction):
    affinities, labels, offsets = graph
    sample = sample_pairs(
        torch.from_numpy(affinities)[None], torch.from_numpy(labels)[None], offsets,
        n_pairs=20, same_fraction=same_fraction, generator=seeded(),
    )  # fmt: skip
    _, deciding = maximin_edges(affinities, offsets)
    drawn = sample.voxels[0, :, 0] >= 0
    u, v = sample.voxels[0, drawn].T.numpy()
    flat = labels.ravel()
    assert (u != v).all()
    assert (flat[u] != 0).all()
    assert (flat[v] != 0).all()
    np.testing.assert_array_equal(sample.edges[0, drawn], deciding[u, v])
    np.testing.assert_array_equal(sample.same[0, drawn], flat[u] == flat[v])
    assert (sample.voxels[0, ~drawn] == -1).all()
    assert (sample.edges[0, ~drawn] == -1).all()


@given(st.data(), labelled_graphs(levels=3) | labelled_graphs())
def test_unknown_edges_decide_pairs_but_are_not_named(data, graph):
    affinities, labels, offsets = graph
    edge_mask = data.draw(npst.arrays(np.bool_, affinities.shape))
    unlabelled = data.draw(npst.arrays(np.bool_, labels.shape)) & (labels == 0)
    sample = sample_pairs(
        torch.from_numpy(affinities)[None], torch.from_numpy(labels)[None], offsets,
        n_pairs=20, generator=seeded(), edge_mask=torch.from_numpy(edge_mask)[None],
        unlabelled=torch.from_numpy(unlabelled)[None],
    )  # fmt: skip
    _, deciding = maximin_edges(affinities, offsets)
    known = edge_mask.copy()
    for edge, voxel, other in edges_of(labels.shape, offsets):
        known[edge] &= not (unlabelled[voxel] and unlabelled[other])
    drawn = sample.voxels[0, :, 0] >= 0
    u, v = sample.voxels[0, drawn].T.numpy()
    expected = np.where((deciding[u, v] >= 0) & known.ravel()[deciding[u, v]], deciding[u, v], -1)
    np.testing.assert_array_equal(sample.edges[0, drawn], expected)


@pytest.mark.parametrize(("same_fraction", "n_same"), [(0.0, 0), (0.25, 10), (0.5, 20), (1.0, 40)])
def test_the_share_of_pairs_of_one_object_is_the_one_asked_for(same_fraction, n_same):
    sample = sample_pairs(*random_image(batch=3), OFFSETS, n_pairs=40, same_fraction=same_fraction)
    assert sample.same.sum(1).tolist() == [n_same] * 3
    assert (sample.voxels >= 0).all()


def test_a_share_of_no_whole_number_of_pairs_is_kept_in_the_mean():
    prediction, labels = random_image(batch=400, shape=(2, 3))
    labels[:] = torch.tensor([[1, 1, 2], [1, 2, 2]])
    counts = sample_pairs(prediction, labels, OFFSETS, n_pairs=1, same_fraction=0.3, generator=seeded()).same
    assert abs(counts.double().mean().item() - 0.3) < 0.07  # three standard deviations


def test_pairs_as_they_come_are_equally_likely():
    # 1 1 1 2: three pairs of one object, three of two.
    prediction, labels = torch.zeros(1, 1, 1, 4), torch.tensor([[[1, 1, 1, 2]]])
    sample = sample_pairs(
        prediction, labels, [[0, -1]], n_pairs=12_000, same_fraction=None, generator=seeded()
    )
    ends = sample.voxels[0].sort(1).values
    _, counts = np.unique(ends[:, 0] * 4 + ends[:, 1], return_counts=True)
    assert counts.size == 6
    assert np.abs(counts - 2000).max() < 150  # 3.7 standard deviations


def test_a_class_without_pairs_is_not_drawn():
    prediction, labels = torch.zeros(3, 2, 2, 2), torch.zeros(3, 2, 2, dtype=torch.int64)
    labels[0] = 1
    labels[1] = torch.arange(1, 5).reshape(2, 2)
    sample = sample_pairs(prediction, labels, OFFSETS, n_pairs=8)
    assert (sample.voxels[..., 0] >= 0).sum(1).tolist() == [4, 4, 0]
    assert sample.same.sum(1).tolist() == [4, 0, 0]


def test_one_seed_gives_one_sequence_of_pairs():
    prediction, labels = random_image(batch=2)

    def draw(generator, n_calls=2):
        return [
            sample_pairs(prediction, labels, OFFSETS, n_pairs=9, generator=generator) for _ in range(n_calls)
        ]

    first, second = draw(seeded(5)), draw(seeded(5))
    for one, other in zip(first, second, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))
    assert not torch.equal(first[0].voxels, first[1].voxels)
    assert not torch.equal(first[0].voxels, draw(seeded(6))[0].voxels)
    # A saved state goes on where it stood.
    generator, resumed = seeded(5), torch.Generator()
    draw(generator, 1)
    resumed.set_state(generator.get_state())
    assert torch.equal(draw(resumed, 1)[0].voxels, first[1].voxels)


def test_without_a_generator_the_global_seed_decides():
    prediction, labels = random_image()
    drawn = []
    for _ in range(2):
        torch.manual_seed(3)
        drawn.append(sample_pairs(prediction, labels, OFFSETS).voxels)
    assert torch.equal(*drawn)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"n_pairs": 0}, ArgumentError, "`n_pairs` must be at least 1, got 0"),
        ({"n_pairs": 2.0}, DtypeError, "`n_pairs` must be an int, got float"),
        ({"n_pairs": True}, DtypeError, "`n_pairs` must be an int, got bool"),
        ({"same_fraction": 1.5}, ArgumentError, "`same_fraction` must be in 0..1, or None .* got 1.5"),
        ({"same_fraction": float("nan")}, ArgumentError, "`same_fraction` must be in 0..1, .* got nan"),
    ],
)
def test_bad_sampling_options_are_named(options, error, message):
    with pytest.raises(error, match=message):
        PairOptions(**options)


def test_what_is_no_generator_is_named():
    with pytest.raises(DtypeError, match=r"`generator` must be a torch.Generator, got int; seed one"):
        check_generator(7)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_generator_on_a_gpu_is_refused():
    with pytest.raises(DeviceError, match="`generator` must be on the CPU"):
        check_generator(torch.Generator("cuda"))
