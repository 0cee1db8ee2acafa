import numpy as np
import pytest
import torch
from hypothesis import given, settings

from objectwise.errors import DtypeError, ShapeError
from objectwise.losses import AffinityBCELoss, affinity_bce_loss
from tests.oracles import graph as oracle
from tests.strategies import labelled_graphs


@given(labelled_graphs())
@settings(max_examples=50)
def test_loss_is_the_mean_over_the_edges_inside(graph):
    affinities, labels, offsets = graph
    truth = oracle.affinities(labels, offsets)
    terms = [
        -np.log(affinities[edge]) if truth[edge] else -np.log(1 - affinities[edge])
        for edge, _, _ in oracle.edges_of(labels.shape, offsets)
    ]
    logits = torch.logit(torch.from_numpy(affinities).double())
    loss = affinity_bce_loss(logits[None], torch.from_numpy(labels)[None], offsets)
    assert loss.item() == pytest.approx(np.mean(terms), rel=1e-6)


def test_every_edge_inside_receives_gradient_and_none_that_leaves():
    logits = torch.zeros(1, 1, 1, 4, requires_grad=True)
    affinity_bce_loss(logits, torch.tensor([[[1, 1, 2, 0]]]), [[0, -1]]).backward()
    assert logits.grad[0, 0, 0].tolist() == pytest.approx([0, -1 / 6, 1 / 6, 1 / 6])


def test_gradient_passes_gradcheck():
    torch.manual_seed(0)
    logits = torch.randn(2, 3, 3, 4, 5, dtype=torch.float64, requires_grad=True)
    labels = torch.randint(0, 3, (2, 3, 4, 5))
    offsets = [[-1, 0, 0], [0, 2, 0], [1, -1, 3]]
    assert torch.autograd.gradcheck(lambda x: affinity_bce_loss(x, labels, offsets), logits)


def test_half_precision_gives_a_float32_loss_also_under_autocast():
    logits, labels = torch.randn(1, 2, 5, 5, dtype=torch.bfloat16), torch.randint(0, 2, (1, 5, 5))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = affinity_bce_loss(logits, labels, [[-1, 0], [0, -1]])
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(affinity_bce_loss(logits.float(), labels, [[-1, 0], [0, -1]]).item())


def test_module_equals_function():
    logits, labels = torch.randn(1, 1, 4, 4), torch.randint(0, 3, (1, 4, 4))
    assert torch.equal(AffinityBCELoss([[0, 1]])(logits, labels), affinity_bce_loss(logits, labels, [[0, 1]]))
    assert "offsets=[(0, 1)]" in repr(AffinityBCELoss([[0, 1]]))


@pytest.mark.parametrize(
    ("labels", "error", "message"),
    [
        (torch.ones(1, 3, 3), DtypeError, "`labels` must hold integer ids"),
        (
            torch.ones(1, 3, 4).long(),
            ShapeError,
            r"`labels` must have the batch and spatial shape .* \(1, 3, 3\)",
        ),
    ],
)
def test_bad_labels_are_named(labels, error, message):
    with pytest.raises(error, match=message):
        affinity_bce_loss(torch.zeros(1, 1, 3, 3), labels, [[0, -1]])
