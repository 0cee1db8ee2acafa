import numpy as np
import pytest
import torch
from hypothesis import given, settings

from objectwise.errors import ArgumentError, DtypeError, ShapeError
from objectwise.graph import affinities_from_labels
from objectwise.losses import MalisLoss, malis_loss, malis_weights
from objectwise.losses.edges.costs import EdgeLoss
from objectwise.maps import malis_pair_counts
from tests.conftest import golden_cases
from tests.oracles import malis as oracle
from tests.strategies import labelled_graphs

OFFSETS = [[-1, 0], [0, -1]]


def loss_of(prediction, labels, offsets=OFFSETS, **options):
    """The loss of probabilities."""
    return malis_loss(prediction, labels, offsets, **{"from_logits": False, **options})


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
    assert loss_of(prediction, labels, case["offsets"]).item() == pytest.approx(
        float(case["loss_squared_normalised"]), abs=1e-6
    )


@given(labelled_graphs(levels=3))
@settings(max_examples=50)
def test_loss_equals_the_oracle(graph):
    affinities, labels, offsets = graph
    loss = loss_of(torch.from_numpy(affinities)[None], torch.from_numpy(labels)[None], offsets)
    assert loss.item() == pytest.approx(oracle.normalised_squared_loss(*graph), abs=1e-6)


def test_gradient_is_that_of_the_weighted_squares():
    prediction, labels = example()
    assert torch.autograd.gradcheck(
        lambda p: loss_of(p, labels, OFFSETS), prediction.requires_grad_(), eps=1e-7
    )


def test_gradient_through_logits_passes_gradcheck():
    prediction, labels = example(1)
    logits = torch.logit(prediction).requires_grad_()
    assert torch.autograd.gradcheck(lambda p: loss_of(p, labels, OFFSETS, from_logits=True), logits, eps=1e-7)


def test_a_split_pulls_its_edge_up_and_a_merge_pushes_its_edge_down():
    # Row of voxels 1 1 | 2 2: the split edge 0-1 is too low, the merge edge 1-2 too high.
    prediction = torch.tensor([[[[0.0, 0.1, 0.95, 0.9]]]], requires_grad=True)
    loss_of(prediction, torch.tensor([[[1, 1, 2, 2]]]), [[0, -1]]).backward()
    leaving, split, merge, right = prediction.grad[0, 0, 0].tolist()
    assert leaving == 0
    assert split == pytest.approx(-0.9)  # one of two pairs within objects
    assert right == pytest.approx(-0.1)
    assert merge == pytest.approx(1.9)  # all four pairs across


def test_a_false_object_in_the_background_is_not_connected_to_a_true_one():
    # Voxels 1 0 0 2: the pair 1-2 passes through background; its weakest edge is pushed down.
    prediction = torch.tensor([[[[0.0, 0.9, 0.8, 0.7]]]], requires_grad=True)
    loss_of(prediction, torch.tensor([[[1, 0, 0, 2]]]), [[0, -1]]).backward()
    assert prediction.grad[0, 0, 0].tolist() == pytest.approx([0, 0, 0, 1.4])


def test_saturated_logits_keep_their_order():
    # Both sigmoids are exactly 1.0 in float32; the logits still say which edge is weaker.
    logits = torch.tensor([[[[0.0, 18.0, 19.0]]]])
    labels = torch.tensor([[[1, 0, 2]]])
    assert torch.equal(torch.sigmoid(logits)[..., 1:], torch.ones(1, 1, 1, 2))
    logits.requires_grad_()
    loss_of(logits.double(), labels, [[0, -1]], from_logits=True).backward()
    assert logits.grad[0, 0, 0, 1] > 0
    assert logits.grad[0, 0, 0, 2] == 0


def test_loss_of_a_batch_is_the_mean_over_its_samples():
    prediction, labels = example(2, batch=3)
    alone = [loss_of(prediction[i : i + 1], labels[i : i + 1], OFFSETS) for i in range(3)]
    assert loss_of(prediction, labels, OFFSETS).item() == pytest.approx(sum(alone).item() / 3)


@pytest.mark.parametrize(
    "labels", [torch.zeros(1, 3, 4, dtype=torch.int64), torch.ones(1, 3, 4, dtype=torch.int32)]
)
def test_background_alone_and_one_object_give_a_finite_loss_and_gradient(labels):
    prediction = torch.full((1, 2, 3, 4), 0.5, requires_grad=True)
    loss = loss_of(prediction, labels, OFFSETS)
    loss.backward()
    assert loss.item() == pytest.approx(0.25 if labels.any() else 0.0)
    assert torch.isfinite(prediction.grad).all()
    assert prediction.grad.any() == labels.any()


def test_a_perfect_prediction_costs_nothing():
    labels = torch.tensor([[[1, 1, 2, 2]]])
    perfect = torch.tensor([[[[0.0, 1.0, 0.0, 1.0]]]])
    assert loss_of(perfect, labels, [[0, -1]]).item() == 0


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_half_precision_is_widened_and_the_loss_is_float32(dtype):
    prediction, labels = example(3)
    prediction = prediction.to(dtype).requires_grad_()
    loss = loss_of(prediction, labels, OFFSETS)
    loss.backward()
    assert loss.dtype == torch.float32
    assert prediction.grad.dtype == dtype
    assert loss.item() == pytest.approx(loss_of(prediction.detach().float(), labels, OFFSETS).item())


def test_loss_under_autocast_equals_the_loss_without():
    prediction, labels = example(4, dtype=torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = loss_of(prediction, labels, OFFSETS)
    assert inside.dtype == torch.float32
    assert torch.equal(inside, loss_of(prediction, labels, OFFSETS))


def test_channels_last_and_strided_predictions_give_the_same_loss():
    prediction, labels = example(5, batch=2)
    expected = loss_of(prediction, labels, OFFSETS)
    assert torch.equal(loss_of(prediction.to(memory_format=torch.channels_last), labels, OFFSETS), expected)
    strided = torch.stack([prediction, prediction], -1)[..., 0]
    assert torch.equal(loss_of(strided, labels, OFFSETS), expected)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int16, torch.int32, torch.int64])
def test_integer_dtypes_of_labels_do_not_matter(dtype):
    prediction, labels = example(6)
    assert torch.equal(loss_of(prediction, labels.to(dtype), OFFSETS), loss_of(prediction, labels, OFFSETS))


def test_loss_works_on_volumes():
    torch.manual_seed(0)
    prediction = torch.rand(2, 3, 4, 5, 6, requires_grad=True)
    loss_of(prediction, torch.randint(0, 3, (2, 4, 5, 6)), -np.eye(3, dtype=int)).backward()
    assert prediction.grad.any()


def test_module_equals_function_and_shows_its_options():
    prediction, labels = example(7)
    prediction = torch.logit(prediction)
    for options in ({"constrained": False}, {"edge_loss": "squared_hinge", "margin": 0.1}, {}):
        module = MalisLoss(OFFSETS, **options)
        expected = malis_loss(prediction, labels, OFFSETS, **options)
        assert torch.equal(module(prediction, labels), expected)
    assert "constrained=True" in repr(MalisLoss(OFFSETS))


OPTIONS = {
    "constrained": False,
    "from_logits": True,
    "edge_loss": "squared_hinge",
    "positive_weight": 0.3,
    "normalization": "pairs",
    "offset_weights": [1.0, 0.5],
    "reduction": "sum",
}


@pytest.mark.filterwarnings("ignore:`prediction` must be logits")
@pytest.mark.parametrize("name", OPTIONS)
def test_each_option_alone_changes_the_loss(name):
    prediction, labels = example(8, shape=(9, 9), batch=2)
    assert loss_of(prediction, labels, **{name: OPTIONS[name]}) != loss_of(prediction, labels)


def test_the_margin_of_the_hinge_changes_the_loss():
    prediction, labels = example(8)
    narrow, wide = (loss_of(prediction, labels, edge_loss="squared_hinge", margin=m) for m in (0.1, 0.5))
    assert narrow > wide
    assert loss_of(prediction, labels, edge_loss="squared_hinge") == loss_of(
        prediction, labels, edge_loss="squared_hinge", margin=0.3
    )


def test_a_hand_computed_value_of_each_edge_loss_and_normalization():
    # Row 1 1 | 2 2: within-object edges 0.9 and 0.8 decide a pair each, the edge 0.4 between decides four.
    chain, labels = torch.tensor([[[[0.0, 0.9, 0.4, 0.8]]]]).double(), torch.tensor([[[1, 1, 2, 2]]])

    def value(**options):
        return loss_of(chain, labels, [[0, -1]], **options).item()

    assert value() == pytest.approx((0.01 + 0.04) / 2 + 0.16)
    assert value(normalization="none") == pytest.approx(0.01 + 0.04 + 4 * 0.16)
    assert value(normalization="pairs") == pytest.approx((0.01 + 0.04 + 4 * 0.16) / 6)
    assert value(positive_weight=1.0) == pytest.approx(2 * (0.01 + 0.04) / 2)
    assert value(positive_weight=0.0) == pytest.approx(2 * 0.16)
    assert value(edge_loss="squared_hinge", margin=0.1) == pytest.approx(0.01 / 2 + 0.09)
    assert value(edge_loss="bce") == pytest.approx(-(np.log(0.9) + np.log(0.8)) / 2 - np.log(0.6))
    assert value(offset_weights=[3.0]) == pytest.approx(3 * value())


@pytest.mark.parametrize("edge_loss", ["squared", "squared_hinge", "bce"])
def test_logits_cost_what_their_probabilities_cost(edge_loss):
    prediction, labels = example(11)
    assert malis_loss(torch.logit(prediction), labels, OFFSETS, edge_loss=edge_loss).item() == pytest.approx(
        loss_of(prediction, labels, edge_loss=edge_loss).item()
    )


@pytest.mark.parametrize("edge_loss", ["squared", "squared_hinge", "bce"])
@pytest.mark.parametrize("from_logits", [True, False])
def test_gradient_of_every_edge_loss_passes_gradcheck(edge_loss, from_logits):
    prediction, labels = example(12, shape=(4, 5))
    values = torch.logit(prediction) if from_logits else prediction
    options = {"edge_loss": edge_loss, "from_logits": from_logits, "normalization": "pairs"}
    function = lambda p: loss_of(p, labels, **options)  # noqa: E731
    assert torch.autograd.gradcheck(function, values.requires_grad_(), eps=1e-7, atol=1e-5)
    assert torch.autograd.gradgradcheck(function, values, eps=1e-7, atol=1e-4)


WITH_HINGE = [path for kind in ("2d", "3d", "3d_mid") for path in golden_cases(f"malis_{kind}_[0-9]")]


@pytest.mark.parametrize("path", WITH_HINGE, ids=lambda path: path.stem)
def test_hinge_loss_and_gradient_equal_helmholtz_on_its_counts(path, load_golden):
    case = load_golden(path)
    prediction = torch.from_numpy(case["affinities"]).requires_grad_()
    cost = EdgeLoss("squared_hinge")
    weights = (torch.from_numpy(case[f"hinge_{side}"]) for side in ("pos", "neg"))
    loss = sum(
        (weight * cost(prediction, target=target, from_logits=False)).sum()
        for weight, target in zip(weights, (1, 0), strict=True)
    )
    loss.backward()
    assert loss.item() == pytest.approx(float(case["hinge_loss_raw_counts"]), rel=1e-6)
    np.testing.assert_allclose(prediction.grad.numpy(), case["hinge_grad_raw_counts"], rtol=1e-5, atol=1e-3)
    # Its counts are ours on edges within objects; on the others it also counts pairs of one object in pieces.
    ours = malis_weights(
        prediction.detach()[None], torch.from_numpy(case["labels"])[None], case["offsets"],
        from_logits=False, normalization="none",
    )  # fmt: skip
    within = affinities_from_labels(case["labels"], case["offsets"]) == 1
    np.testing.assert_allclose(ours.positive[0].numpy()[within], case["hinge_pos"][within], rtol=1e-6)
    np.testing.assert_allclose(ours.negative[0].numpy(), case["hinge_neg"], rtol=1e-6)


def test_weights_are_those_of_the_loss():
    prediction, labels = example(13, batch=2)
    weights = malis_weights(prediction, labels, OFFSETS, from_logits=False)
    by_hand = (weights.positive * (1 - prediction) ** 2 + weights.negative * prediction**2).sum() / 2
    assert by_hand.item() == pytest.approx(loss_of(prediction, labels).item())
    assert not weights.positive.requires_grad
    assert torch.equal(weights.positive, MalisLoss(OFFSETS).weights(torch.logit(prediction), labels).positive)


def test_weights_include_all_options():
    prediction, labels = example(13)
    options = {"offset_weights": [2.0, 0.0, 1.0][: len(OFFSETS)], "positive_weight": 0.8}
    loss = MalisLoss(OFFSETS, from_logits=False, **options)
    weights = loss.weights(prediction, labels)
    by_hand = (weights.positive * (1 - prediction) ** 2 + weights.negative * prediction**2).sum()
    assert by_hand.item() == pytest.approx(loss(prediction, labels).item())


def test_masks_reach_the_counts_of_their_sample():
    prediction, labels = example(14, batch=2)
    labels[1, :2] = 0
    edge_mask = torch.rand(prediction.shape) > 0.3
    unlabelled = torch.zeros_like(labels, dtype=torch.bool)
    unlabelled[1, :2] = True
    weights = malis_weights(
        prediction, labels, OFFSETS,
        from_logits=False, normalization="none", edge_mask=edge_mask, unlabelled=unlabelled,
    )  # fmt: skip
    for i in range(2):
        expected = malis_pair_counts(
            prediction[i].numpy(), labels[i].numpy(), OFFSETS,
            edge_mask=edge_mask[i].numpy(), unlabelled=unlabelled[i].numpy(),
        )  # fmt: skip
        np.testing.assert_array_equal(weights.positive[i], expected.positive.astype(float))
        np.testing.assert_array_equal(weights.negative[i], expected.negative.astype(float))
    masked = loss_of(prediction, labels, edge_mask=edge_mask, unlabelled=unlabelled)
    assert masked != loss_of(prediction, labels)
    module = MalisLoss(OFFSETS, from_logits=False)
    assert torch.equal(module(prediction, labels, edge_mask=edge_mask, unlabelled=unlabelled), masked)


def test_samples_without_reduction_average_to_the_mean():
    prediction, labels = example(15, batch=3)
    samples = loss_of(prediction, labels, reduction="none")
    assert samples.shape == (3,)
    assert samples.mean().item() == pytest.approx(loss_of(prediction, labels).item())
    assert samples.sum().item() == pytest.approx(loss_of(prediction, labels, reduction="sum").item())


def test_a_compiled_model_trains_with_the_loss():
    torch.manual_seed(0)
    model = torch.compile(torch.nn.Conv2d(1, 2, 3, padding=1), backend="eager")
    raw, labels = torch.rand(1, 1, 8, 8), torch.randint(0, 3, (1, 8, 8))
    malis_loss(model(raw), labels, OFFSETS).backward()
    assert all(parameter.grad.any() for parameter in model.parameters())


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (
            {"edge_loss": "l1"},
            ArgumentError,
            "`edge_loss` must be one of 'squared', 'squared_hinge', 'bce', got 'l1'",
        ),
        ({"margin": 0.2}, ArgumentError, "`margin` has no effect with edge_loss 'squared', got 0.2"),
        ({"edge_loss": "squared_hinge", "margin": 1.5}, ArgumentError, "`margin` must be in 0..1"),
        ({"positive_weight": 1.2}, ArgumentError, "`positive_weight` must be in 0..1, got 1.2"),
        ({"normalization": "batch"}, ArgumentError, "`normalization` must be one of"),
        ({"from_logits": None}, ArgumentError, "`from_logits` must be True or False, got None"),
        ({"constrained": "False"}, ArgumentError, "`constrained` must be True or False, got 'False'"),
        ({"reduction": "max"}, ArgumentError, "`reduction` must be one of"),
        (
            {"offset_weights": [1.0]},
            ShapeError,
            r"`offset_weights` must hold one number per channel \(2\), got shape \(1,\)",
        ),
        ({"offset_weights": [1.0, -1.0]}, ArgumentError, "`offset_weights` must be finite and not negative"),
        (
            {"edge_mask": torch.ones(1, 2, 6, 7)},
            DtypeError,
            "`edge_mask` must be a bool tensor, got torch.float32",
        ),
        (
            {"unlabelled": torch.ones(1, 6, 6, dtype=torch.bool)},
            ShapeError,
            r"`unlabelled` must have shape \(1, 6, 7\)",
        ),
    ],
)
def test_bad_options_are_named(options, error, message):
    with pytest.raises(error, match=message):
        loss_of(*example(), **options)


def test_logits_taken_for_probabilities_are_named():
    prediction, labels = torch.zeros(1, 2, 3, 3), torch.ones(1, 3, 3, dtype=torch.int64)
    prediction[0, 1, 0, 1] = 2.5
    message = r"`prediction` must be in 0..1, got 2.5 at \(0, 1, 0, 1\); pass from_logits"
    with pytest.raises(ArgumentError, match=message):
        loss_of(prediction, labels)


def test_training_by_the_loss_alone_separates_two_objects():
    labels = torch.ones(1, 6, 8, dtype=torch.int64)
    labels[:, :, 4:] = 2
    logits = torch.zeros(1, 2, 6, 8, requires_grad=True)
    optimizer = torch.optim.Adam([logits], lr=0.2)
    for _ in range(150):
        optimizer.zero_grad()
        loss = loss_of(logits, labels, OFFSETS, from_logits=True)
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
        (torch.full((1, 2, 3, 3), torch.nan), torch.ones(1, 3, 3).long(), ArgumentError, r"`prediction` must be finite, got nan at \(0, 0, 1, 0\)"),
        (np.ones((1, 2, 3, 3)), torch.ones(1, 3, 3).long(), DtypeError, "`prediction` must be a torch.Tensor, got ndarray"),
        (torch.ones(1, 2, 1, 3), torch.ones(1, 1, 3).long(), ArgumentError, "`offsets` must be shorter than the volume"),
        (torch.ones(1, 2, 3, 3), -torch.ones(1, 3, 3).long(), ArgumentError, "`labels` must not be negative"),
    ],
)  # fmt: skip
def test_bad_input_is_named(prediction, labels, error, message):
    with pytest.raises(error, match=message):
        loss_of(prediction, labels, OFFSETS)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_loss_and_gradient_on_a_gpu_equal_those_on_the_cpu():
    prediction, labels = example(9, batch=2, dtype=torch.float32)
    results = []
    for device in ("cpu", "cuda"):
        moved = prediction.detach().clone().to(device).requires_grad_()
        loss = loss_of(moved, labels.to(device), OFFSETS)
        loss.backward()
        results.append((loss.cpu(), moved.grad.cpu()))
    torch.testing.assert_close(results[0], results[1])
