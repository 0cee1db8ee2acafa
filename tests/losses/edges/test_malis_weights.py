"""Weights of a batch: what is weighted, saved, and never not a number."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from objectwise.errors import ArgumentError, DtypeError, ShapeError
from objectwise.losses import MalisLoss, MaximinPairLoss, malis_loss, malis_weights, maximin_pair_loss
from objectwise.maps import malis_pair_counts

OFFSETS = [[-1, 0], [0, -1]]
COSTS = ["squared", "squared_hinge", "bce"]


def example(seed=0, batch=1, spatial=(6, 7), offsets=OFFSETS):
    """Random logits and labels, with background."""
    rng = np.random.default_rng(seed)
    logits = torch.from_numpy(rng.normal(size=(batch, len(offsets), *spatial)).astype(np.float32))
    return logits, torch.from_numpy(rng.integers(0, 4, (batch, *spatial)))


def bad_value(value):
    """A batch of two predictions, one value of the second replaced."""
    prediction = torch.zeros(2, 2, 3, 4)
    prediction[1, 0, 2, 3] = value
    return prediction


def bad_label(label, where=1):
    """A batch of two images of one label, one voxel of the second replaced."""
    labels = torch.full((2, 3, 4), where)
    labels[1, 2, 3] = label
    return labels


@pytest.mark.parametrize("constrained", [True, False])
@pytest.mark.parametrize("batch", [2, 7])
def test_samples_counted_side_by_side_weigh_what_each_weighs_alone(batch, constrained):
    logits, labels = example(batch=batch)
    together = malis_weights(logits, labels, OFFSETS, constrained=constrained, normalization="none")
    for i in range(batch):
        alone = malis_pair_counts(logits[i].numpy(), labels[i].numpy(), OFFSETS, constrained=constrained)
        np.testing.assert_array_equal(together.positive[i], alone.positive.astype(np.float32))
        np.testing.assert_array_equal(together.negative[i], alone.negative.astype(np.float32))


def test_weights_have_no_graph_and_sum_to_one_in_each_pass():
    logits, labels = example(1)
    for weights in malis_weights(logits.requires_grad_(), labels, OFFSETS):
        assert weights.grad_fn is None
        assert not weights.requires_grad
        assert weights.sum().item() == pytest.approx(1)


def test_saved_weights_are_the_weights(tmp_path):
    weights = MalisLoss(OFFSETS).weights(*example(2))
    torch.save(weights._asdict(), tmp_path / "weights.pt")
    loaded = torch.load(tmp_path / "weights.pt", weights_only=True)
    assert torch.equal(loaded["positive"], weights.positive)
    assert torch.equal(loaded["negative"], weights.negative)


@pytest.mark.parametrize("dtype", [torch.uint16, torch.uint32, torch.uint64])
def test_unsigned_labels_weigh_like_signed_ones(dtype):
    logits, labels = example(3)
    expected = malis_loss(logits, labels, OFFSETS)
    assert torch.equal(malis_loss(logits, labels.to(dtype), OFFSETS), expected)


def test_ids_that_differ_in_the_last_of_64_bits_are_two_objects():
    logits, labels = example(4)
    ids = torch.from_numpy(np.array([0, 2**64 - 1, 2**64 - 2, 2**53 + 1], np.uint64)[labels.numpy()])
    assert torch.equal(malis_loss(logits, ids, OFFSETS), malis_loss(logits, labels, OFFSETS))


def test_volumes_in_channels_last_order_give_the_same_loss_and_gradient():
    offsets = [[-1, 0, 0], [0, 2, 0], [0, 0, -1]]
    logits, labels = example(5, 2, (4, 5, 6), offsets)
    results = []
    for memory_format in (torch.contiguous_format, torch.channels_last_3d):
        moved = logits.clone().to(memory_format=memory_format).requires_grad_()
        loss = malis_loss(moved, labels, offsets)
        loss.backward()
        results.append((loss.detach(), moved.grad.contiguous()))
    torch.testing.assert_close(results[0], results[1], rtol=0, atol=0)


# PyTorch asks every tensor for a gradient when it goes on after a graph break, and hides its own warning.
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")
@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
@pytest.mark.parametrize("make_loss", [MalisLoss, MaximinPairLoss])
def test_a_compiled_step_with_the_loss_inside_equals_the_plain_one(make_loss, backend):
    torch.manual_seed(0)
    model = torch.nn.Conv2d(1, 2, 3, padding=1)
    loss, raw, labels = make_loss(OFFSETS), torch.rand(2, 1, 8, 8), torch.randint(0, 3, (2, 8, 8))

    def step(raw, labels):
        return loss(model(raw), labels)

    gradients = []
    for one in (step, torch.compile(step, backend=backend)):
        model.zero_grad()
        torch.manual_seed(1)  # of the pairs
        one(raw, labels).backward()
        gradients.append([parameter.grad.clone() for parameter in model.parameters()])
    torch.testing.assert_close(*gradients)
    assert all(gradient.any() for gradient in gradients[0])


@pytest.mark.parametrize("edge_loss", COSTS)
@pytest.mark.parametrize("constrained", [True, False])
@pytest.mark.parametrize(
    ("labels", "positive_weight"),
    [
        ([[0, 0, 0], [0, 0, 0]], 0.5),  # background alone
        ([[0, 0, 0], [0, 7, 0]], 0.5),  # one voxel
        ([[5, 5, 5], [5, 5, 5]], 0.0),  # one object makes no pair of two
        ([[1, 1, 1], [2, 2, 2]], 0.0),  # no edge leads from one object to the other
        ([[1, 2, 3], [3, 1, 2]], 1.0),  # no path leads from an object to itself, inside or outside
    ],
)
def test_a_pass_without_pairs_costs_nothing_with_a_zero_gradient(
    labels, positive_weight, constrained, edge_loss
):
    rows = [[0, -1]]
    if positive_weight == 1.0:
        labels = [labels[0]]
    labels = torch.tensor([labels])
    options = {"constrained": constrained, "edge_loss": edge_loss, "positive_weight": positive_weight}
    for value, from_logits in ((0.0, False), (0.5, False), (1.0, False), (-200.0, True), (200.0, True)):
        prediction = torch.full((1, 1, *labels.shape[1:]), value, requires_grad=True)
        loss = malis_loss(prediction, labels, rows, from_logits=from_logits, **options)
        loss.backward()
        assert loss.item() == 0
        assert torch.equal(prediction.grad, torch.zeros_like(prediction))


@pytest.mark.parametrize("edge_loss", COSTS)
@pytest.mark.parametrize(("value", "from_logits"), [(0.0, False), (1.0, False), (-1e4, True), (1e4, True)])
def test_saturated_predictions_have_a_finite_loss_and_gradient(value, from_logits, edge_loss):
    _, labels = example(6)
    prediction = torch.full((1, 2, 6, 7), value, requires_grad=True)
    loss = malis_loss(prediction, labels, OFFSETS, from_logits=from_logits, edge_loss=edge_loss)
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(prediction.grad).all()


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"edge_loss": "l1"}, ArgumentError, "`edge_loss` must be one of"),
        ({"margin": 0.2}, ArgumentError, "`margin` has no effect"),
        ({"positive_weight": -0.1}, ArgumentError, "`positive_weight` must be in 0..1, got -0.1"),
        ({"positive_weight": float("nan")}, ArgumentError, "`positive_weight` must be in 0..1, got nan"),
        ({"normalization": "batch"}, ArgumentError, "`normalization` must be one of"),
        ({"reduction": "max"}, ArgumentError, "`reduction` must be one of"),
        ({"offset_weights": [1.0]}, ShapeError, r"`offset_weights` must hold one number per channel \(2\)"),
        ({"offset_weights": [1.0, -1.0]}, ArgumentError, "`offset_weights` must be finite and not negative"),
        ({"offset_weights": "12"}, DtypeError, "`offset_weights` must hold numbers"),
    ],
)
def test_bad_options_are_named_when_the_module_is_made(options, error, message):
    with pytest.raises(error, match=message):
        MalisLoss(OFFSETS, **options)


@pytest.mark.parametrize("loss", [malis_loss, maximin_pair_loss])
@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"prediction": torch.zeros(2, 2, 0, 4)}, ShapeError, "`prediction` must have shape .* and not be empty"),
        ({"prediction": bad_value(torch.inf)}, ArgumentError, r"`prediction` must be finite, got inf at \(1, 0, 2, 3\)"),
        ({"prediction": bad_value(torch.nan)}, ArgumentError, r"`prediction` must be finite, got nan at \(1, 0, 2, 3\)"),
        ({"labels": bad_label(-7)}, ArgumentError, r"`labels` must not be negative, got -7 at \(1, 2, 3\)"),
        ({"labels": torch.ones(2, 3, 4)}, DtypeError, "`labels` must hold integer ids"),
        ({"offsets": [[0, -1], [0, 4]]}, ArgumentError, r"`offsets` must be shorter than the volume \(3, 4\), got \[0, 4\]"),
        ({"offsets": [[0, -1], [0, 1]]}, ArgumentError, "`offsets` must not repeat an edge"),
        ({"unlabelled": bad_label(1, where=0) != 0}, ArgumentError, r"`unlabelled` must be background in `labels`, got label 1 at \(1, 2, 3\)"),
    ],
)  # fmt: skip
def test_bad_samples_are_named_with_their_place_in_the_batch_before_any_forest(
    loss, change, error, message, monkeypatch
):
    monkeypatch.setattr("objectwise.kernels.edge_lists.settle_cycles", None)  # no forest is built without it
    arguments = {"prediction": torch.zeros(2, 2, 3, 4), "labels": bad_label(1), "offsets": OFFSETS, **change}
    with pytest.raises(error, match=message):
        loss(**arguments)
