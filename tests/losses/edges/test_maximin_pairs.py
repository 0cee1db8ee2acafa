import copy

import numpy as np
import pytest
import torch

import objectwise
from objectwise.errors import ArgumentError, DtypeError, ShapeError
from objectwise.losses import MaximinPairLoss, malis_loss, maximin_pair_loss, sample_pairs
from objectwise.losses.edges.pair_sampling import ObjectPairs

OFFSETS = [[-1, 0], [0, -1]]


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def loss_of(prediction, labels, offsets=OFFSETS, **options):
    """The loss of probabilities, on the pairs of seed 0."""
    defaults = {"from_logits": False, "n_pairs": 64, "generator": seeded()}
    return maximin_pair_loss(prediction, labels, offsets, **{**defaults, **options})


def example(seed=0, shape=(6, 7), batch=1, dtype=torch.float64):
    """Random probabilities, all different, and labels of a small image."""
    rng = np.random.default_rng(seed)
    prediction = torch.from_numpy(rng.permutation(batch * 2 * np.prod(shape)).reshape(batch, 2, *shape) + 1.0)
    labels = torch.from_numpy(rng.integers(0, 3, (batch, *shape)))
    return (prediction / (prediction.max() + 1)).to(dtype), labels


def test_a_hand_computed_value_of_each_edge_loss():
    # Row 1 1 | 2 2: all pairs across share the edge 0.4; both pairs within have an edge of their own, 0.75.
    chain, labels = torch.tensor([[[[0.0, 0.75, 0.4, 0.75]]]]).double(), torch.tensor([[[1, 1, 2, 2]]])

    def value(**options):
        return loss_of(chain, labels, [[0, -1]], **options).item()

    assert value(same_fraction=0.0) == pytest.approx(0.16)
    assert value(same_fraction=1.0) == pytest.approx(0.0625)
    assert value() == pytest.approx((0.16 + 0.0625) / 2)
    assert value(same_fraction=0.25) == pytest.approx(0.75 * 0.16 + 0.25 * 0.0625)
    assert value(same_fraction=0.0, edge_loss="bce") == pytest.approx(-np.log(0.6))
    assert value(same_fraction=1.0, edge_loss="bce") == pytest.approx(-np.log(0.75))
    assert value(same_fraction=0.0, edge_loss="squared_hinge", margin=0.1) == pytest.approx(0.09)


def test_the_gradient_stands_on_the_maximin_edges_of_the_pairs_only():
    prediction, labels = example(1, batch=2)
    prediction.requires_grad_()
    pairs = sample_pairs(prediction, labels, OFFSETS, n_pairs=5, generator=seeded(), from_logits=False)
    loss_of(prediction, labels, n_pairs=5).backward()
    expected = torch.zeros(2, prediction[0].numel(), dtype=torch.float64)
    for sample in range(2):
        for edge, same in zip(pairs.edges[sample].tolist(), pairs.same[sample].tolist(), strict=True):
            value = prediction.detach()[sample].reshape(-1)[edge].item()
            expected[sample, edge] += 2 * (value - same) / 5 / 2
    torch.testing.assert_close(prediction.grad.reshape(2, -1), expected)


@pytest.mark.parametrize("edge_loss", ["squared", "squared_hinge", "bce"])
@pytest.mark.parametrize("from_logits", [True, False])
def test_gradient_of_every_edge_loss_passes_gradcheck(edge_loss, from_logits):
    prediction, labels = example(2, shape=(4, 5))
    values = torch.logit(prediction) if from_logits else prediction
    options = {"edge_loss": edge_loss, "from_logits": from_logits}
    function = lambda p: loss_of(p, labels, generator=seeded(), **options)  # noqa: E731
    assert torch.autograd.gradcheck(function, values.requires_grad_(), eps=1e-7, atol=1e-5)
    assert torch.autograd.gradgradcheck(function, values, eps=1e-7, atol=1e-4)


@pytest.mark.parametrize("same_fraction", [0.5, 0.2, None])
@pytest.mark.parametrize("edge_loss", ["squared", "bce"])
def test_many_pairs_approach_the_unconstrained_malis_loss(same_fraction, edge_loss):
    prediction, labels = example(3, batch=2)
    sampled = loss_of(prediction, labels, n_pairs=200_000, same_fraction=same_fraction, edge_loss=edge_loss)
    options = {"from_logits": False, "constrained": False, "edge_loss": edge_loss}
    if same_fraction is None:
        expected = malis_loss(prediction, labels, OFFSETS, normalization="pairs", **options)
    else:
        expected = malis_loss(prediction, labels, OFFSETS, positive_weight=same_fraction, **options) / 2
    assert sampled.item() == pytest.approx(expected.item(), rel=5e-3)


def test_many_pairs_under_masks_approach_the_masked_counts():
    prediction, labels = example(14, batch=2)
    masks = {
        "edge_mask": torch.rand(prediction.shape, generator=seeded(1)) > 0.3,
        "unlabelled": (labels == 0) & (torch.arange(6)[:, None] < 3),
    }
    sampled = loss_of(prediction, labels, n_pairs=200_000, same_fraction=None, reduction="none", **masks)
    counted = malis_loss(
        prediction, labels, OFFSETS,
        from_logits=False, constrained=False, normalization="none", reduction="none", **masks,
    )  # fmt: skip
    for i in range(2):
        pairs = ObjectPairs.of(labels[i].numpy(), masks["unlabelled"][i].numpy())
        expected = counted[i].item() / ((pairs.n_same + pairs.n_different) / 2)
        assert sampled[i].item() == pytest.approx(expected, rel=0.02)


def test_a_pair_that_an_unknown_edge_decides_costs_nothing_and_paths_lead_through_it():
    # 1 - 0.5 - 0 - 0.75 - 2: unknown, the edge 0.5 decides the pair and costs nothing; unknown, 0.75 changes nothing.
    prediction = torch.tensor([[[[0.0, 0.5, 0.75]]]])
    labels, known = torch.tensor([[[1, 0, 2]]]), torch.ones(1, 1, 1, 3, dtype=torch.bool)
    weak, strong = known.clone(), known.clone()
    weak[..., 1] = strong[..., 2] = False
    for edge_mask, expected in ((known, 0.25), (weak, 0.0), (strong, 0.25)):
        loss = loss_of(prediction, labels, [[0, -1]], same_fraction=0.0, edge_mask=edge_mask)
        assert loss.item() == expected


def test_unlabelled_voxels_are_kept_apart_from_objects_and_left_alone_inside():
    # Object 1, then two unlabelled voxels: only the edge 0.75 between them and the object is blamed.
    prediction = torch.tensor([[[[0.0, 0.75, 0.5]]]], requires_grad=True)
    unlabelled = torch.tensor([[[False, True, True]]])
    module = MaximinPairLoss([[0, -1]], same_fraction=0.0, from_logits=False, generator=seeded())
    pairs = module.pairs(prediction, torch.tensor([[[1, 0, 0]]]), unlabelled=unlabelled)
    assert set(pairs.edges.ravel().tolist()) == {-1, 1}
    module(prediction, torch.tensor([[[1, 0, 0]]]), unlabelled=unlabelled).backward()
    assert prediction.grad[0, 0, 0, 1] > 0
    assert prediction.grad[0, 0, 0, 2] == 0


def test_masks_that_know_everything_change_nothing():
    prediction, labels = example(15, batch=2)
    masks = {
        "edge_mask": torch.ones_like(prediction, dtype=torch.bool),
        "unlabelled": torch.zeros_like(labels, dtype=torch.bool),
    }
    assert torch.equal(loss_of(prediction, labels, **masks), loss_of(prediction, labels))


@pytest.mark.parametrize(
    ("masks", "error", "message"),
    [
        ({"edge_mask": torch.ones(1, 2, 6, 7)}, DtypeError, "`edge_mask` must be a bool tensor, got torch.float32"),
        ({"edge_mask": torch.ones(1, 1, 6, 7).bool()}, ShapeError, r"`edge_mask` must have shape \(1, 2, 6, 7\)"),
        ({"unlabelled": torch.ones(1, 6, 6).bool()}, ShapeError, r"`unlabelled` must have shape \(1, 6, 7\)"),
        ({"unlabelled": torch.ones(1, 6, 7).bool()}, ArgumentError, "`unlabelled` must be background in `labels`, got label"),
    ],
)  # fmt: skip
def test_bad_masks_are_named(masks, error, message):
    with pytest.raises(error, match=message):
        loss_of(*example(), **masks)


def test_the_gradient_of_many_pairs_approaches_that_of_malis():
    prediction, labels = example(4)
    gradients = []
    for function in (
        lambda p: loss_of(p, labels, n_pairs=400_000),
        lambda p: malis_loss(p, labels, OFFSETS, from_logits=False, constrained=False) / 2,
    ):
        moved = prediction.clone().requires_grad_()
        function(moved).backward()
        gradients.append(moved.grad)
    torch.testing.assert_close(gradients[0], gradients[1], rtol=0, atol=3e-3)


@pytest.mark.parametrize("labels", [[[0, 0, 0]], [[0, 7, 0]]], ids=["background alone", "one labelled voxel"])
@pytest.mark.parametrize("edge_loss", ["squared", "squared_hinge", "bce"])
@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_patches_without_pairs_cost_nothing_with_a_zero_gradient(labels, edge_loss, value):
    prediction = torch.full((1, 1, 1, 3), value, requires_grad=True)
    for same_fraction in (0.5, None):
        loss = loss_of(
            prediction, torch.tensor([labels]), [[0, -1]], edge_loss=edge_loss, same_fraction=same_fraction
        )
        loss.backward()
        assert loss.item() == 0
        assert torch.equal(prediction.grad, torch.zeros_like(prediction))


def test_a_class_without_pairs_costs_nothing_and_the_other_keeps_its_share():
    prediction = torch.full((1, 1, 1, 3), 0.5, dtype=torch.float64)
    one, two = torch.tensor([[[1, 1, 1]]]), torch.tensor([[[1, 2, 3]]])
    for labels in (one, two):
        assert loss_of(prediction, labels, [[0, -1]]).item() == pytest.approx(0.5 * 0.25)
        assert loss_of(prediction, labels, [[0, -1]], same_fraction=None).item() == pytest.approx(0.25)
    assert loss_of(prediction, one, [[0, -1]], same_fraction=0.0).item() == 0


def test_pairs_that_no_path_joins_cost_nothing():
    # Two rows without an edge between them.
    prediction = torch.full((1, 1, 2, 2), 0.5, dtype=torch.float64, requires_grad=True)
    loss = loss_of(prediction, torch.tensor([[[1, 0], [2, 0]]]), [[0, -1]], same_fraction=0.0)
    loss.backward()
    assert loss.item() == 0
    assert not prediction.grad.any()


def test_paths_lead_through_background():
    prediction = torch.tensor([[[[0.0, 0.75, 0.5]]]], requires_grad=True)
    loss_of(prediction, torch.tensor([[[1, 0, 2]]]), [[0, -1]], same_fraction=0.0).backward()
    assert prediction.grad[0, 0, 0].tolist() == [0, 0, 1.0]


def test_calls_advance_the_generator_and_a_seed_repeats_them():
    prediction, labels = example(5)
    module = MaximinPairLoss(OFFSETS, n_pairs=3, from_logits=False, generator=seeded(1))
    again = MaximinPairLoss(OFFSETS, n_pairs=3, from_logits=False, generator=seeded(1))
    values = [module(prediction, labels).item() for _ in range(4)]
    assert values == [again(prediction, labels).item() for _ in range(4)]
    assert len(set(values)) > 1


def test_logits_that_saturate_keep_their_order():
    logits = torch.tensor([[[[0.0, 18.0, 19.0]]]]).double()
    pairs = sample_pairs(logits, torch.tensor([[[1, 0, 2]]]), [[0, -1]])
    assert set(pairs.edges[pairs.edges >= 0].tolist()) == {1}


@pytest.mark.parametrize("edge_loss", ["squared", "squared_hinge", "bce"])
def test_logits_cost_what_their_probabilities_cost(edge_loss):
    prediction, labels = example(6)
    logits = loss_of(
        torch.logit(prediction), labels, edge_loss=edge_loss, from_logits=True, generator=seeded()
    )
    assert logits.item() == pytest.approx(loss_of(prediction, labels, edge_loss=edge_loss).item())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_half_precision_is_widened_and_the_loss_is_float32(dtype):
    prediction, labels = example(7)
    prediction = prediction.to(dtype).requires_grad_()
    loss = loss_of(prediction, labels)
    loss.backward()
    assert loss.dtype == torch.float32
    assert prediction.grad.dtype == dtype
    assert loss.item() == pytest.approx(loss_of(prediction.detach().float(), labels).item())


def test_loss_under_autocast_equals_the_loss_without():
    prediction, labels = example(8, dtype=torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = loss_of(prediction, labels)
    assert inside.dtype == torch.float32
    assert torch.equal(inside, loss_of(prediction, labels))


def test_channels_last_and_strided_predictions_give_the_same_loss():
    prediction, labels = example(9, batch=2)
    expected = loss_of(prediction, labels)
    assert torch.equal(loss_of(prediction.to(memory_format=torch.channels_last), labels), expected)
    assert torch.equal(loss_of(torch.stack([prediction, prediction], -1)[..., 0], labels), expected)


def test_loss_works_on_volumes():
    torch.manual_seed(0)
    prediction = torch.rand(2, 3, 4, 5, 6, requires_grad=True)
    loss_of(prediction, torch.randint(0, 3, (2, 4, 5, 6)), -np.eye(3, dtype=int)).backward()
    assert prediction.grad.any()


@pytest.mark.filterwarnings("ignore:`prediction` must be logits")
@pytest.mark.parametrize(
    "options",
    [
        {"same_fraction": 0.1},
        {"n_pairs": 7},
        {"generator": 4},
        {"from_logits": True},
        {"edge_loss": "bce"},
        {"reduction": "sum"},
        {"edge_loss": "squared_hinge", "margin": 0.1},
    ],
)
def test_module_equals_function_and_each_option_matters(options):
    prediction, labels = example(10, batch=2)
    if "generator" in options:
        options = {"generator": seeded(options["generator"])}
    state = options["generator"].get_state() if "generator" in options else None
    module = MaximinPairLoss(
        OFFSETS, **{"from_logits": False, "n_pairs": 64, "generator": seeded(), **options}
    )
    value = module(prediction, labels)
    if state is not None:
        options["generator"].set_state(state)
    assert torch.equal(value, loss_of(prediction, labels, **options))
    assert value != loss_of(prediction, labels)


def test_samples_without_reduction_average_to_the_mean():
    prediction, labels = example(11, batch=3)
    samples = loss_of(prediction, labels, reduction="none")
    assert samples.shape == (3,)
    assert samples.mean().item() == pytest.approx(loss_of(prediction, labels).item())
    assert samples.sum().item() == pytest.approx(loss_of(prediction, labels, reduction="sum").item())


def test_the_module_shows_its_options_draws_its_pairs_and_can_be_copied():
    prediction, labels = example(12)
    prediction = torch.logit(prediction)
    module = MaximinPairLoss(OFFSETS, n_pairs=5)
    assert "n_pairs=5, same_fraction=0.5" in repr(module)
    assert module.pairs(prediction, labels).edges.shape == (1, 5)
    assert not module.state_dict()
    torch.manual_seed(0)
    value = copy.deepcopy(module)(prediction, labels)
    torch.manual_seed(0)
    assert torch.equal(module(prediction, labels), value)


def test_a_compiled_model_trains_with_the_loss():
    torch.manual_seed(0)
    model = torch.compile(torch.nn.Conv2d(1, 2, 3, padding=1), backend="eager")
    raw, labels = torch.rand(1, 1, 8, 8), torch.randint(0, 3, (1, 8, 8))
    maximin_pair_loss(model(raw), labels, OFFSETS).backward()
    assert all(parameter.grad.any() for parameter in model.parameters())


def test_training_by_the_loss_alone_separates_two_objects():
    labels = torch.ones(1, 6, 8, dtype=torch.int64)
    labels[:, :, 4:] = 2
    logits = torch.zeros(1, 2, 6, 8, requires_grad=True)
    optimizer = torch.optim.Adam([logits], lr=0.2)
    module = MaximinPairLoss(OFFSETS, n_pairs=256, generator=seeded())
    for _ in range(150):
        optimizer.zero_grad()
        loss = module(logits, labels)
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.02


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"edge_loss": "l1"}, ArgumentError, "`edge_loss` must be one of"),
        ({"margin": 0.2}, ArgumentError, "`margin` has no effect"),
        ({"reduction": "max"}, ArgumentError, "`reduction` must be one of"),
        ({"n_pairs": -3}, ArgumentError, "`n_pairs` must be at least 1, got -3"),
        ({"same_fraction": -0.1}, ArgumentError, "`same_fraction` must be in 0..1"),
        ({"generator": np.random.default_rng(0)}, DtypeError, "`generator` must be a torch.Generator"),
    ],
)
def test_bad_options_are_named_by_function_and_module(options, error, message):
    with pytest.raises(error, match=message):
        loss_of(*example(), **options)
    with pytest.raises(error, match=message):
        MaximinPairLoss(OFFSETS, **options)


@pytest.mark.parametrize(
    ("prediction", "labels", "error", "message"),
    [
        (torch.ones(1, 2, 3, 3), torch.ones(1, 3, 3), DtypeError, "`labels` must hold integer ids"),
        (torch.ones(1, 2, 3, 3), torch.ones(1, 1, 3, 3).long(), ShapeError, "`labels` must have the batch and spatial shape"),
        (torch.full((1, 2, 3, 3), torch.inf), torch.ones(1, 3, 3).long(), ArgumentError, r"`prediction` must be finite, got inf at \(0, 0, 1, 0\)"),
        (torch.full((1, 2, 3, 3), 2.0), torch.ones(1, 3, 3).long(), ArgumentError, "`prediction` must be in 0..1, got 2.0"),
        (torch.ones(1, 2, 3, 3), -torch.ones(1, 3, 3).long(), ArgumentError, "`labels` must not be negative"),
    ],
)  # fmt: skip
def test_bad_input_is_named(prediction, labels, error, message):
    with pytest.raises(error, match=message):
        loss_of(prediction, labels)


def test_the_loss_is_on_the_face():
    assert objectwise.maximin_pair_loss is maximin_pair_loss
    assert objectwise.MaximinPairLoss is MaximinPairLoss


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_loss_and_gradient_on_a_gpu_equal_those_on_the_cpu():
    prediction, labels = example(13, batch=2, dtype=torch.float32)
    results = []
    for device in ("cpu", "cuda"):
        moved = prediction.detach().to(device).requires_grad_()
        loss = loss_of(moved, labels.to(device))
        loss.backward()
        results.append((loss.detach().cpu(), moved.grad.cpu()))
    torch.testing.assert_close(results[0], results[1])
