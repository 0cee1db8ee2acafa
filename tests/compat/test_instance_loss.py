"""The published instance losses: against what they returned, against masks and loops, and by hand."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from monai.losses import DiceLoss

from objectwise.compat.instance_loss import ICILoss, InstanceCenterLoss, InstanceLoss, dICILoss
from tests.compat.instances import DICE, HAND, LOSSES, CalledDice
from tests.conftest import golden_cases
from tests.losses.instances.problems import gradients_of, problems, rows, scene, values_of
from tests.oracles.published_instances import published_terms

SHORT = {
    "segmentation_threshold": "threshold",
    "instance_wise_loss_no_tp": "no_tp",
    "max_cc_out": "most",
    "mul_too_many": "too_many",
    "rate_instead_number": "rates",
    "instance_wise_reduce": "over",
    "reduce_segmentation": "reduce",
    "centroid_offset": "offset",
    "min_instance_size": "small",
    "weighted_instance_wise": "weighted",
}


def square(p, y):
    """A loss that depends on every voxel it is shown, and is no function of sums over instances."""
    return ((p - y) ** 2).mean() + (p.sqrt() * (y + 0.5)).mean()


def by_the_oracle(outputs, labels, losses, options, **more):
    short = {SHORT.get(name, name): value for name, value in options.items()}
    return published_terms(outputs, labels, losses, **short, **more)


def assert_equal_terms(terms, truth, outputs):
    truth = [truth[name] for name in terms._fields]
    np.testing.assert_allclose(values_of(terms), values_of(truth), rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(
        gradients_of(terms, outputs), gradients_of(truth, outputs), rtol=1e-6, atol=1e-9
    )


@pytest.mark.parametrize("dice", [DiceLoss, CalledDice])
@pytest.mark.parametrize("path", golden_cases("instance_*"), ids=lambda path: path.stem)
@pytest.mark.parametrize(
    ("loss", "key"), [(InstanceLoss, "instance"), (InstanceCenterLoss, "instance_center")]
)
def test_terms_and_gradients_are_the_published_ones(path, loss, key, dice, load_golden):
    case = load_golden(path)
    options = {"spatial_dims": int(case["spatial_dims"]), **json.loads(str(case["options"]))}
    outputs = torch.from_numpy(case["probabilities"]).requires_grad_()
    terms = loss(dice(), dice(), dice(), activation="none", **options)(
        outputs, torch.from_numpy(case["labels"])
    )
    np.testing.assert_allclose(values_of(terms), case[f"{key}_terms"], rtol=1e-12, atol=1e-12)
    gradients = [torch.autograd.grad(term, outputs, retain_graph=True)[0].numpy() for term in terms]
    np.testing.assert_allclose(np.stack(gradients), case[f"{key}_grads"], rtol=1e-9, atol=1e-14)


@pytest.mark.parametrize("path", golden_cases("instance_*"), ids=lambda path: path.stem)
def test_the_oracle_returns_the_published_terms(path, load_golden):
    case = load_golden(path)
    outputs, labels = torch.from_numpy(case["probabilities"]), torch.from_numpy(case["labels"])
    truth = by_the_oracle(outputs, labels, DICE, json.loads(str(case["options"])))
    del truth["fdr"]
    np.testing.assert_array_equal(values_of(truth.values()), case["instance_terms"])


options = st.fixed_dictionaries(
    {},
    optional={
        "reduce_segmentation": st.just("sum"),
        "instance_wise_reduce": st.just("data"),
        "segmentation_threshold": st.just(0.7),
        "max_cc_out": st.sampled_from([0, 1, 2]),
        "mul_too_many": st.sampled_from([1, 0.5]),
        "min_instance_size": st.sampled_from([1, 2, 3]),
        "centroid_offset": st.sampled_from([0, 1.5]),
        "smoother": st.just(0.25),
        "instance_wise_loss_no_tp": st.just(False),
        "rate_instead_number": st.just(True),
        "weighted_instance_wise": st.just(True),
        "weighted_fdr": st.just(True),
    },
)


@pytest.mark.parametrize("inner", [DiceLoss(), square])
@given(problem=problems(max_side=7), options=options, activation=st.sampled_from(["none", "sigmoid"]))
@settings(max_examples=25)
def test_terms_and_gradients_are_those_of_masks_and_loops(inner, problem, options, activation):
    outputs, labels = (tensor[:, :1] for tensor in problem)
    if activation == "sigmoid":
        outputs = torch.logit(outputs)
    outputs.requires_grad_()
    losses = (DiceLoss(sigmoid=True), inner, DiceLoss())
    for loss in LOSSES:
        terms = loss(*losses, activation=activation, spatial_dims=outputs.ndim - 2, **options)(
            outputs, labels
        )
        truth = by_the_oracle(outputs, labels, losses, options, activation=activation)
        assert_equal_terms(terms, truth, outputs)


@given(problem=problems(), options=options, data=st.data())
@settings(max_examples=20)
def test_ids_of_the_labels_make_the_instances(problem, options, data):
    outputs, labels = (tensor[:, :1] for tensor in problem)
    values = data.draw(st.lists(st.sampled_from([0, 3, 4, 2**24 + 1]), min_size=1, max_size=4))
    ids = torch.tensor(values)[torch.arange(labels.numel()) % len(values)].reshape(labels.shape) * labels
    outputs.requires_grad_()
    for kind in (torch.int64, torch.float64):
        terms = dICILoss(*DICE, "none", spatial_dims=outputs.ndim - 2, **options)(
            outputs, labels, ids.to(kind)
        )
        assert_equal_terms(terms, by_the_oracle(outputs, labels, DICE, options, ids=ids), outputs)


@pytest.mark.parametrize("channel", [0, 1, 2])
def test_softmax_shows_all_losses_zeros_and_ones(channel):
    rng = np.random.default_rng(0)
    outputs = torch.from_numpy(rng.normal(0, 1, (2, 3, 9, 8))).requires_grad_()
    labels = torch.from_numpy(rng.random((2, 3, 9, 8)) < 0.3)
    loss = InstanceLoss(*DICE, "softmax", num_out_chn=3, object_chn=channel, spatial_dims=2)
    terms = loss(outputs, labels[:, channel : channel + 1])
    truth = by_the_oracle(
        outputs, labels[:, channel : channel + 1], DICE, {}, activation="softmax", channel=channel
    )
    assert_equal_terms(terms, truth, outputs)
    assert not gradients_of(terms, outputs).any()
    assert values_of(loss(outputs, labels)).tolist() == values_of(terms).tolist()


def test_of_several_channels_that_of_the_objects_counts():
    logits, target = scene()
    outputs, labels = torch.cat([-logits, logits], 1), torch.cat([~target, target], 1)
    one = InstanceLoss(*DICE, spatial_dims=2)(logits, target)
    for number, object_chn in ((2, 1), (1, 0), (1, 1)):
        chosen = slice(2 - number, 2)
        loss = InstanceLoss(*DICE, spatial_dims=2, num_out_chn=number, object_chn=object_chn)
        assert values_of(loss(outputs[:, chosen], labels[:, chosen])).tolist() == values_of(one).tolist()


# By hand: what the golden files do not show.


def hand_dice(overlap, predicted, true):
    return 1 - (2 * overlap + 1e-5) / (predicted + true + 1e-5)


def test_instances_of_the_minimum_size_are_left_out():
    """With 1, single voxels are: the outputs at 0 and 6 count as false, the label at 0 as missed."""
    for loss in LOSSES:
        terms = loss(*DICE, "none", spatial_dims=2, min_instance_size=1)(*HAND.values())
        assert (terms.false, terms.missed) == (2, 1)
    terms = dICILoss(*DICE, "none", spatial_dims=2)(*HAND.values())
    assert (terms.false, terms.missed) == (1, 0)
    terms = dICILoss(*DICE, "none", spatial_dims=2, min_instance_size=1)(*HAND.values())
    assert terms.output_instances.item() == pytest.approx(hand_dice(1.6, 1.6, 2))
    # The label is compared with output number 0, since the output that meets it is row 0: it sees nothing.
    assert terms.label_instances.item() == pytest.approx(hand_dice(0, 0, 2))


def test_with_sigmoid_outputs_are_set_to_zeros_and_ones_and_the_pixel_loss_sees_logits():
    seen = []
    outputs = torch.logit(HAND["outputs"]).requires_grad_()
    pixel = lambda p, y: seen.append((p, y)) or p.sum()  # noqa: E731
    terms = dICILoss(pixel, DiceLoss(), DiceLoss(), spatial_dims=2)(outputs, HAND["labels"])
    assert torch.equal(seen[0][0], outputs)
    assert terms.label_instances.item() == terms.output_instances.item() - hand_dice(0, 1, 0) / 3 == 0
    assert terms.fdr.item() == pytest.approx(1 - 3 / 4)
    gradients = gradients_of(terms, outputs)
    assert (gradients[0] == 1).all()
    assert not gradients[1:].any()


def test_an_instance_loss_is_shown_the_whole_sample_with_zeros_outside():
    shown = []

    def loss(p, y):
        shown.append((p.tolist()[0][0][0], y.tolist()[0][0][0]))
        return p.sum()

    dICILoss(DiceLoss(), loss, DiceLoss(), "none", spatial_dims=2)(*HAND.values())
    assert shown == [
        ([0.8, 0, 0, 0, 0, 0, 0], [1, 0, 0, 0, 0, 0, 0]),
        ([0, 0, 0.9, 0.7, 0, 0, 0], [0, 0, 1, 1, 0, 0, 0]),
        ([0.8, 0, 0, 0, 0, 0, 0], [1, 0, 0, 0, 0, 0, 0]),
        ([0, 0, 0.9, 0.7, 0, 0, 0], [0, 0, 1, 1, 0, 0, 0]),
        ([0, 0, 0, 0, 0, 0, 0.6], [0] * 7),
    ]


def test_false_positives_count_their_squares():
    """Two labels under one output: what lies on the other label is left out, what lies on none counts p * p."""
    outputs, labels = torch.tensor([[[[0.9, 0.8, 0.6, 0.7]]]], dtype=torch.float64), rows([[1, 0, 0, 1]])
    outputs.requires_grad_()
    terms = ICILoss(*DICE, "none", spatial_dims=2)(outputs, labels)
    losses = [hand_dice(p, p + 0.8**2 + 0.6**2, 1) for p in (0.9, 0.7)]
    assert terms.label_instances.item() == pytest.approx(np.mean(losses))
    with_others = ICILoss(*DICE, "none", spatial_dims=2, instance_wise_loss_no_tp=False)(outputs, labels)
    assert with_others.label_instances.item() == pytest.approx(
        np.mean([hand_dice(p, 3, 1) for p in (0.9, 0.7)])
    )


def test_pixelwise_false_discovery():
    outputs, labels = HAND.values()
    terms = ICILoss(*DICE, "none", spatial_dims=2, weighted_fdr=True)(outputs, labels)
    assert terms.fdr.item() == pytest.approx(2 * (1 - 2.4 / 3.3))  # one false instance, and one


def test_where_the_published_code_crashes_there_is_a_value():
    outputs, labels = HAND.values()
    for loss in LOSSES:
        terms = loss(*DICE, "none", spatial_dims=2, min_instance_size=9)(outputs, labels)
        assert terms.label_instances.item() == pytest.approx(hand_dice(2.4, 3.3, 3))
    single = torch.full((1, 1, 1, 4, 4), 0.1)  # an axis of one voxel, and no output
    assert np.isfinite(values_of(InstanceLoss(*DICE, "none")(single, torch.ones_like(single)))).all()


def test_an_instance_at_the_origin_and_one_longer_than_the_iterations_are_found():
    snake = torch.zeros(1, 1, 9, 9)
    snake[0, 0, ::2] = 1
    snake[0, 0, 1::4, -1] = snake[0, 0, 3::4, 0] = 1
    outputs = snake * 0.8
    for labels in (snake, rows([[1.0, 0.0]])):
        terms = ICILoss(*DICE, "none", spatial_dims=2, num_iterations=1)(labels * 0.8, labels)
        assert (terms.false, terms.missed) == (0, 0)
    assert ICILoss(*DICE, "none", spatial_dims=2)(0 * outputs, snake).missed == 1


def test_only_dice_that_takes_its_inputs_as_they_are_is_computed_from_sums():
    logits, target = scene()
    for inner in (DiceLoss(jaccard=True), DiceLoss(squared_pred=True), DiceLoss(smooth_nr=1.0), CalledDice()):
        calls = []
        handle = inner.register_forward_hook(lambda *_, calls=calls: calls.append(1))
        InstanceCenterLoss(DiceLoss(), inner, DiceLoss(), "none", spatial_dims=2)(logits.sigmoid(), target)
        handle.remove()
        assert len(calls) == 5
