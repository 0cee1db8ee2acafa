"""What every loss on edges makes of edges that leave the volume, unknown ones, and samples of which nothing is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from objectwise.errors import ArgumentError
from objectwise.graph import known_edges
from objectwise.losses import (
    AffinityBCELoss,
    MalisLoss,
    MaximinPairLoss,
    affinity_bce_loss,
    malis_loss,
    maximin_pair_loss,
)
from tests.oracles.graph import edges_of
from tests.strategies import labelled_graphs

OFFSETS = [[-1, 0], [0, -2]]


def sampled(prediction, labels, offsets, **options):
    """The loss of the pairs of one seed, sample by sample: each draws the same pairs alone as in a batch."""
    samples = [
        maximin_pair_loss(
            prediction[i : i + 1], labels[i : i + 1], offsets,
            generator=torch.Generator().manual_seed(0),
            **{name: value[i : i + 1] if isinstance(value, torch.Tensor) else value for name, value in options.items()},
        )
        for i in range(len(prediction))
    ]  # fmt: skip
    return sum(samples) / len(samples)


LOSSES = {"bce": affinity_bce_loss, "malis": malis_loss, "pairs": sampled}
everywhere = pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)


def example(seed=0, batch=2, spatial=(5, 6)):
    """Random logits and labels with background."""
    rng = np.random.default_rng(seed)
    logits = torch.from_numpy(rng.normal(size=(batch, len(OFFSETS), *spatial)))
    return logits, torch.from_numpy(rng.integers(0, 3, (batch, *spatial)))


def value_and_gradient(loss, logits, labels, **options):
    logits = logits.clone().requires_grad_()
    value = loss(logits, labels, OFFSETS, **options)
    value.backward()
    return value.detach(), logits.grad


@everywhere
@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
def test_whatever_stands_where_an_edge_leaves_the_volume_changes_nothing(loss, value):
    logits, labels = example()
    inside = torch.from_numpy(known_edges(labels.shape[1:], OFFSETS)).expand_as(logits)
    expected = value_and_gradient(loss, logits, labels)
    assert not expected[1][~inside].any()
    changed = value_and_gradient(loss, torch.where(inside, logits, value), labels)
    assert torch.equal(changed[0], expected[0])
    assert torch.equal(changed[1], expected[1])


@pytest.mark.parametrize("loss", [malis_loss, sampled], ids=["malis", "pairs"])
@pytest.mark.parametrize("edge_loss", ["squared", "bce"])
def test_an_edge_that_leaves_the_volume_may_be_no_affinity(loss, edge_loss):
    logits, labels = example()
    inside = torch.from_numpy(known_edges(labels.shape[1:], OFFSETS)).expand_as(logits)
    options = {"from_logits": False, "edge_loss": edge_loss}
    expected = value_and_gradient(loss, logits.sigmoid(), labels, **options)
    changed = value_and_gradient(loss, torch.where(inside, logits.sigmoid(), -1.0), labels, **options)
    assert torch.equal(changed[0], expected[0])
    assert torch.equal(changed[1], expected[1])
    with pytest.raises(ArgumentError, match=r"`prediction` must be in 0..1, got -1.0 at \(0, 0, 1, 0\)"):
        loss(torch.full_like(logits, -1.0), labels, OFFSETS, **options)


def test_pairs_that_no_path_joins_do_not_read_an_edge_that_leaves_the_volume():
    # Two rows that no edge joins: pairs across them have no edge, and the first of all edges leaves the volume.
    logits = torch.tensor([[[[torch.nan, 1.0], [torch.nan, 2.0]]]], requires_grad=True)
    loss = maximin_pair_loss(logits, torch.tensor([[[1, 1], [2, 2]]]), [[0, -1]], same_fraction=0.0)
    loss.backward()
    assert loss.item() == 0
    assert torch.equal(logits.grad, torch.zeros_like(logits))


@everywhere
def test_a_value_inside_that_is_not_finite_is_refused_by_one_sentence(loss):
    logits, labels = example()
    logits[1, 0, 3, 2] = torch.nan
    with pytest.raises(ArgumentError, match=r"`prediction` must be finite, got nan at \(\d, 0, 3, 2\)"):
        loss(logits, labels, OFFSETS)


def all_unknown(logits, labels, by):
    """Masks that leave nothing known of the second sample; its labels, without objects."""
    known, unlabelled = torch.ones_like(logits, dtype=torch.bool), torch.zeros_like(labels, dtype=torch.bool)
    labels = labels.clone()
    if by != "unlabelled":
        known[1] = False
        if by == "edges that leave":
            known[1] = ~torch.from_numpy(known_edges(labels.shape[1:], OFFSETS))
    else:
        labels[1], unlabelled[1] = 0, True
    return labels, {"edge_mask": known, "unlabelled": unlabelled}


UNKNOWN = pytest.mark.parametrize("by", ["edge_mask", "edges that leave", "unlabelled"])


@UNKNOWN
@pytest.mark.parametrize("loss", [affinity_bce_loss, malis_loss], ids=["bce", "malis"])
def test_a_sample_of_which_nothing_is_known_does_not_count(loss, by):
    logits, labels = example(1, batch=3)
    labels, masks = all_unknown(logits, labels, by)
    value, gradient = value_and_gradient(loss, logits, labels, **masks)
    rest = torch.tensor([0, 2])
    alone = value_and_gradient(
        loss, logits[rest], labels[rest], **{name: m[rest] for name, m in masks.items()}
    )
    torch.testing.assert_close(value, alone[0])
    torch.testing.assert_close(gradient[rest], alone[1])
    assert not gradient[1].any()
    nothing = value_and_gradient(
        loss, logits[1:2], labels[1:2], **{name: m[1:2] for name, m in masks.items()}
    )
    assert nothing[0] == 0
    assert not nothing[1].any()


@UNKNOWN
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("function", [malis_loss, maximin_pair_loss])
def test_the_mean_is_over_the_samples_of_which_something_is_known(function, reduction, by):
    logits, labels = example(2, batch=3)
    labels, masks = all_unknown(logits, labels, by)

    def value(kind):
        seed = {"generator": torch.Generator().manual_seed(0)} if function is maximin_pair_loss else {}
        return function(logits, labels, OFFSETS, reduction=kind, **masks, **seed)

    samples = value("none")
    assert samples[1] == 0
    expected = {"none": samples, "sum": samples.sum(), "mean": (samples[0] + samples[2]) / 2}
    torch.testing.assert_close(value(reduction), expected[reduction])


@pytest.mark.parametrize("function", [malis_loss, maximin_pair_loss])
def test_a_sample_that_is_known_to_be_background_counts(function):
    logits, labels = example(3)
    labels[1] = 0
    mask = torch.ones_like(logits, dtype=torch.bool)
    mask[1] = False
    mask[1, 0, 3, 3] = True
    seeds = (
        [{"generator": torch.Generator().manual_seed(0)} for _ in range(2)]
        if function is maximin_pair_loss
        else [{}, {}]
    )
    mean = function(logits, labels, OFFSETS, edge_mask=mask, **seeds[0])
    samples = function(logits, labels, OFFSETS, edge_mask=mask, reduction="none", **seeds[1])
    torch.testing.assert_close(mean, samples.sum() / 2)


@given(st.data(), labelled_graphs())
def test_cross_entropy_is_the_mean_over_known_edges(data, graph):
    affinities, labels, offsets = graph
    edge_mask = data.draw(npst.arrays(np.bool_, affinities.shape))
    unlabelled = data.draw(npst.arrays(np.bool_, labels.shape)) & (labels == 0)
    terms = [
        -np.log(affinities[edge]) if labels[u] == labels[v] != 0 else -np.log(1 - affinities[edge])
        for edge, u, v in edges_of(labels.shape, offsets)
        if edge_mask[edge] and not (unlabelled[u] and unlabelled[v])
    ]
    logits, tensors = torch.logit(torch.from_numpy(affinities).double())[None], {}
    tensors["edge_mask"], tensors["unlabelled"] = (
        torch.from_numpy(edge_mask)[None],
        torch.from_numpy(unlabelled)[None],
    )
    expected = np.mean(terms) if terms else 0.0
    value = affinity_bce_loss(logits, torch.from_numpy(labels)[None], offsets, **tensors)
    assert value.item() == pytest.approx(expected, rel=1e-6)
    assert torch.equal(AffinityBCELoss(offsets)(logits, torch.from_numpy(labels)[None], **tensors), value)
    # Anything may stand at an unknown edge.
    logits.requires_grad_()
    changed = torch.where(tensors["edge_mask"], logits, torch.nan)
    changed.retain_grad()
    loss = affinity_bce_loss(changed, torch.from_numpy(labels)[None], offsets, **tensors)
    loss.backward()
    assert loss.item() == value.item()
    assert torch.isfinite(changed.grad).all()


def test_unlabelled_voxels_keep_apart_from_objects_and_their_inner_edges_are_left_alone():
    # Object, unlabelled, unlabelled, background: edge 0-1 and 2-3 have truth 0, edge 1-2 is unknown.
    logits = torch.tensor([[[[0.0, 1.0, 2.0, 3.0]]]], requires_grad=True)
    unlabelled = torch.tensor([[[False, True, True, False]]])
    affinity_bce_loss(logits, torch.tensor([[[5, 0, 0, 0]]]), [[0, -1]], unlabelled=unlabelled).backward()
    expected = torch.tensor(
        [0.0, torch.sigmoid(torch.tensor(1.0)) / 2, 0.0, torch.sigmoid(torch.tensor(3.0)) / 2]
    )
    torch.testing.assert_close(logits.grad[0, 0, 0], expected)


@pytest.mark.parametrize("dtype", [torch.int8, torch.int64])
@everywhere
def test_negative_labels_are_refused(loss, dtype):
    logits, labels = example()
    labels[1, 2, 3] = -7
    with pytest.raises(ArgumentError, match=r"`labels` must not be negative, got -7 at \(\d, 2, 3\)"):
        loss(logits, labels.to(dtype), OFFSETS)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.uint16, torch.uint32, torch.uint64])
def test_cross_entropy_takes_unsigned_labels(dtype):
    logits, labels = example()
    assert torch.equal(
        affinity_bce_loss(logits, labels.to(dtype), OFFSETS), affinity_bce_loss(logits, labels, OFFSETS)
    )


@everywhere
def test_labels_under_unlabelled_voxels_are_refused(loss):
    logits, labels = example()
    labels[:] = 1
    with pytest.raises(ArgumentError, match=r"`unlabelled` must be background in `labels`, got label 1 at"):
        loss(logits, labels, OFFSETS, unlabelled=torch.ones_like(labels, dtype=torch.bool))


MODULES = pytest.mark.parametrize("make", [MalisLoss, MaximinPairLoss, AffinityBCELoss])


@MODULES
@pytest.mark.parametrize("where", ["everywhere", "at known edges"])
def test_masks_are_arguments_of_every_module(make, where):
    logits, labels = example()
    labels[:, :2] = 0
    mask = torch.rand(logits.shape, generator=torch.Generator().manual_seed(1)) > 0.5
    masks = {"edge_mask": mask} if where == "at known edges" else {"unlabelled": labels == 0}
    torch.manual_seed(0)
    with_masks = make(OFFSETS)(logits, labels, **masks)
    torch.manual_seed(0)
    assert with_masks != make(OFFSETS)(logits, labels)
