import numpy as np
import pytest
import torch
from hypothesis import given, settings

from objectwise.errors import ArgumentError, DtypeError, ShapeError
from objectwise.losses import MalisLoss, malis_loss
from tests.conftest import golden_cases
from tests.oracles import malis as oracle
from tests.strategies import labelled_graphs

OFFSETS = [[-1, 0], [0, -1]]


def example(seed=0, shape=(6, 7), batch=1, dtype=torch.float64):
    """Random probabilities and labels of a small image."""
    rng = np.random.default_rng(seed)
    prediction = torch.from_numpy(rng.permutation(batch * 2 * np.prod(shape)).reshape(batch, 2, *shape) + 1.0)
    labels = torch.from_numpy(rng.integers(0, 3, (batch, *shape)))
    return (prediction / (prediction.max() + 1)).to(dtype), labels


@pytest.mark.parametrize("path", golden_cases("malis_*"), ids=lambda path: path.stem)
def test_loss_equals_the_published_one(path, load_golden):
    case = load_golden(path)
    prediction, labels = torch.from_numpy(case["affinities"])[None], torch.from_numpy(case["labels"])[None]
    assert malis_loss(prediction, labels, case["offsets"]).item() == pytest.approx(
        float(case["loss_squared_normalised"]), abs=1e-6
    )


@given(labelled_graphs(levels=3))
@settings(max_examples=50)
def test_loss_equals_the_oracle(graph):
    affinities, labels, offsets = graph
    loss = malis_loss(torch.from_numpy(affinities)[None], torch.from_numpy(labels)[None], offsets)
    assert loss.item() == pytest.approx(oracle.normalised_squared_loss(*graph), abs=1e-6)


def test_gradient_is_that_of_the_weighted_squares():
    prediction, labels = example()
    assert torch.autograd.gradcheck(
        lambda p: malis_loss(p, labels, OFFSETS), prediction.requires_grad_(), eps=1e-7
    )


def test_gradient_through_logits_passes_gradcheck():
    prediction, labels = example(1)
    logits = torch.logit(prediction).requires_grad_()
    assert torch.autograd.gradcheck(
        lambda p: malis_loss(p, labels, OFFSETS, from_logits=True), logits, eps=1e-7
    )


def test_a_split_pulls_its_edge_up_and_a_merge_pushes_its_edge_down():
    # Row of voxels 1 1 | 2 2: the split edge 0-1 is too low, the merge edge 1-2 too high.
    prediction = torch.tensor([[[[0.0, 0.1, 0.95, 0.9]]]], requires_grad=True)
    malis_loss(prediction, torch.tensor([[[1, 1, 2, 2]]]), [[0, -1]]).backward()
    leaving, split, merge, right = prediction.grad[0, 0, 0].tolist()
    assert leaving == 0
    assert split == pytest.approx(-0.9)  # one of two pairs within objects
    assert right == pytest.approx(-0.1)
    assert merge == pytest.approx(1.9)  # all four pairs across


def test_a_false_object_in_the_background_is_not_connected_to_a_true_one():
    # Voxels 1 0 0 2: the pair 1-2 passes through background; its weakest edge is pushed down.
    prediction = torch.tensor([[[[0.0, 0.9, 0.8, 0.7]]]], requires_grad=True)
    malis_loss(prediction, torch.tensor([[[1, 0, 0, 2]]]), [[0, -1]]).backward()
    assert prediction.grad[0, 0, 0].tolist() == pytest.approx([0, 0, 0, 1.4])


def test_saturated_logits_keep_their_order():
    # Both sigmoids are exactly 1.0 in float32; the logits still say which edge is weaker.
    logits = torch.tensor([[[[0.0, 18.0, 19.0]]]])
    labels = torch.tensor([[[1, 0, 2]]])
    assert torch.equal(torch.sigmoid(logits)[..., 1:], torch.ones(1, 1, 1, 2))
    logits.requires_grad_()
    malis_loss(logits.double(), labels, [[0, -1]], from_logits=True).backward()
    assert logits.grad[0, 0, 0, 1] > 0
    assert logits.grad[0, 0, 0, 2] == 0


def test_loss_of_a_batch_is_the_mean_over_its_samples():
    prediction, labels = example(2, batch=3)
    alone = [malis_loss(prediction[i : i + 1], labels[i : i + 1], OFFSETS) for i in range(3)]
    assert malis_loss(prediction, labels, OFFSETS).item() == pytest.approx(sum(alone).item() / 3)


@pytest.mark.parametrize(
    "labels", [torch.zeros(1, 3, 4, dtype=torch.int64), torch.ones(1, 3, 4, dtype=torch.int32)]
)
def test_background_alone_and_one_object_give_a_finite_loss_and_gradient(labels):
    prediction = torch.full((1, 2, 3, 4), 0.5, requires_grad=True)
    loss = malis_loss(prediction, labels, OFFSETS)
    loss.backward()
    assert loss.item() == pytest.approx(0.25 if labels.any() else 0.0)
    assert torch.isfinite(prediction.grad).all()
    assert prediction.grad.any() == labels.any()


def test_a_perfect_prediction_costs_nothing():
    labels = torch.tensor([[[1, 1, 2, 2]]])
    perfect = torch.tensor([[[[0.0, 1.0, 0.0, 1.0]]]])
    assert malis_loss(perfect, labels, [[0, -1]]).item() == 0


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_half_precision_is_widened_and_the_loss_is_float32(dtype):
    prediction, labels = example(3)
    prediction = prediction.to(dtype).requires_grad_()
    loss = malis_loss(prediction, labels, OFFSETS)
    loss.backward()
    assert loss.dtype == torch.float32
    assert prediction.grad.dtype == dtype
    assert loss.item() == pytest.approx(malis_loss(prediction.detach().float(), labels, OFFSETS).item())


def test_loss_under_autocast_equals_the_loss_without():
    prediction, labels = example(4, dtype=torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = malis_loss(prediction, labels, OFFSETS)
    assert inside.dtype == torch.float32
    assert torch.equal(inside, malis_loss(prediction, labels, OFFSETS))


def test_channels_last_and_strided_predictions_give_the_same_loss():
    prediction, labels = example(5, batch=2)
    expected = malis_loss(prediction, labels, OFFSETS)
    assert torch.equal(
        malis_loss(prediction.to(memory_format=torch.channels_last), labels, OFFSETS), expected
    )
    strided = torch.stack([prediction, prediction], -1)[..., 0]
    assert torch.equal(malis_loss(strided, labels, OFFSETS), expected)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int16, torch.int32, torch.int64])
def test_integer_dtypes_of_labels_do_not_matter(dtype):
    prediction, labels = example(6)
    assert torch.equal(
        malis_loss(prediction, labels.to(dtype), OFFSETS), malis_loss(prediction, labels, OFFSETS)
    )


def test_loss_works_on_volumes():
    torch.manual_seed(0)
    prediction = torch.rand(2, 3, 4, 5, 6, requires_grad=True)
    malis_loss(prediction, torch.randint(0, 3, (2, 4, 5, 6)), -np.eye(3, dtype=int)).backward()
    assert prediction.grad.any()


def test_module_equals_function_and_shows_its_options():
    prediction, labels = example(7)
    for options in ({"constrained": False}, {"from_logits": False}, {}):
        module = MalisLoss(OFFSETS, **options)
        expected = malis_loss(prediction, labels, OFFSETS, **{"from_logits": True, **options})
        assert torch.equal(module(prediction, labels), expected)
    assert "constrained=True" in repr(MalisLoss(OFFSETS))


def test_each_option_changes_the_loss():
    prediction, labels = example(8, shape=(9, 9))
    base = malis_loss(prediction, labels, OFFSETS)
    assert malis_loss(prediction, labels, OFFSETS, constrained=False) != base
    assert malis_loss(prediction, labels, OFFSETS, from_logits=True) != base


def test_training_by_the_loss_alone_separates_two_objects():
    labels = torch.ones(1, 6, 8, dtype=torch.int64)
    labels[:, :, 4:] = 2
    logits = torch.zeros(1, 2, 6, 8, requires_grad=True)
    optimizer = torch.optim.Adam([logits], lr=0.2)
    for _ in range(150):
        optimizer.zero_grad()
        loss = malis_loss(logits, labels, OFFSETS, from_logits=True)
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.02


@pytest.mark.parametrize(
    ("prediction", "labels", "error", "message"),
    [
        (torch.ones(1, 2, 3, 3, dtype=torch.int64), torch.ones(1, 3, 3).long(), DtypeError, "`prediction` must be floating"),
        (torch.ones(1, 2, 3, 3), torch.ones(1, 3, 3), DtypeError, "`labels` must hold integer ids .* torch.float32"),
        (torch.ones(2, 3, 3), torch.ones(3, 3).long(), ShapeError, r"`prediction` must have shape \(n, k, y, x\)"),
        (torch.ones(0, 2, 3, 3), torch.ones(0, 3, 3).long(), ShapeError, "not be empty"),
        (torch.ones(1, 2, 3, 3), torch.ones(1, 1, 3, 3).long(), ShapeError, r"`labels` must have the batch and spatial shape"),
        (torch.ones(1, 3, 3, 3), torch.ones(1, 3, 3).long(), ShapeError, r"one row per channel of `prediction` \(3\), got 2"),
        (torch.full((1, 2, 3, 3), torch.nan), torch.ones(1, 3, 3).long(), ArgumentError, "must be finite, got nan at"),
        (torch.ones(1, 2, 1, 3), torch.ones(1, 1, 3).long(), ArgumentError, "`offsets` must be shorter than the volume"),
        (torch.ones(1, 2, 3, 3), -torch.ones(1, 3, 3).long(), ArgumentError, "`labels` must not be negative"),
    ],
)  # fmt: skip
def test_bad_input_is_named(prediction, labels, error, message):
    with pytest.raises(error, match=message):
        malis_loss(prediction, labels, OFFSETS)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_loss_and_gradient_on_a_gpu_equal_those_on_the_cpu():
    prediction, labels = example(9, batch=2, dtype=torch.float32)
    results = []
    for device in ("cpu", "cuda"):
        moved = prediction.to(device).requires_grad_()
        loss = malis_loss(moved, labels.to(device), OFFSETS)
        loss.backward()
        results.append((loss.cpu(), moved.grad.cpu()))
    torch.testing.assert_close(results[0], results[1])
