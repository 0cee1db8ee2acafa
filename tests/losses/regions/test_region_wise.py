"""The losses that multiply probabilities by a map: value, gradient, options, errors."""

from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given, settings

from objectwise import maps
from objectwise.errors import ArgumentError, DeviceError, DtypeError, ShapeError
from objectwise.losses import (
    ActiveContourLoss,
    BoundaryLoss,
    ClassChannels,
    RegionWiseLoss,
    region_wise_loss,
)
from tests.conftest import golden_cases
from tests.oracles import region_wise as oracle

NAMES = ("rectified", "region_wise", "signed_distance", "active_contour", "class_weight")


def example(n_classes=3, shape=(6, 7), n=2, dtype=torch.float64, seed=0):
    """Logits that want a gradient, and labels with a channel axis."""
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(n, n_classes, *shape, generator=generator, dtype=dtype, requires_grad=True)
    return logits, torch.randint(0, n_classes, (n, 1, *shape), generator=generator)


@given(st.integers(0, 10**6), st.sampled_from(NAMES), st.sampled_from([(5, 6), (3, 4, 5)]))
@settings(max_examples=40)
def test_gradient_is_p_times_map_less_its_mean_under_p(seed, name, shape):
    logits, labels = example(shape=shape, seed=seed)
    loss = RegionWiseLoss(name)
    loss(logits, labels).backward()
    p, phi = logits.detach().softmax(1), loss.weight_map(labels, 3).double()
    identity = p * (phi - (phi * p).sum(1, keepdim=True)) / p.numel()
    torch.testing.assert_close(logits.grad, identity, rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize("name", NAMES)
def test_gradcheck(name):
    logits, labels = example(shape=(3, 4))
    assert torch.autograd.gradcheck(lambda z: RegionWiseLoss(name)(z, labels), logits)


def test_loss_is_the_mean_of_probability_times_map():
    logits, labels = example(shape=(3, 5, 4))
    p = logits.detach().softmax(1).numpy()
    masks = oracle.masks_of(labels[:, 0].numpy(), 3)
    for loss, inside, outside in (
        (RegionWiseLoss(spacing=(3, 1, 1)), "normalized", "constant"),
        (BoundaryLoss(spacing=(3, 1, 1)), "distance", "distance"),
        (ActiveContourLoss(), "constant", "constant"),
    ):
        phi = oracle.region_wise_map(masks, inside, outside, (3, 1, 1))
        assert loss(logits, labels).item() == pytest.approx((p * phi).mean(), rel=1e-6)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("ignore_label", [None, 9])
@pytest.mark.parametrize("include_background", [True, False])
def test_a_map_made_before_gives_the_loss_to_the_bit(name, ignore_label, include_background):
    logits, labels = example(dtype=torch.float32)
    if ignore_label is not None:
        labels[:, :, 2:4] = ignore_label
    loss = RegionWiseLoss(name, ignore_label=ignore_label, include_background=include_background)
    made = loss.weight_map(labels, 3)
    on_the_fly = loss(logits, labels)
    assert torch.equal(loss(logits, labels, weight_map=made), on_the_fly)
    if not include_background:
        assert torch.equal(loss(logits, labels, weight_map=made[:, 1:]), on_the_fly)
    if ignore_label is None:
        assert torch.equal(loss(logits, weight_map=made), on_the_fly)


def test_one_step_of_gradient_descent_raises_the_right_class_where_the_map_is_rectified():
    logits = torch.zeros(1, 3, 4, 5, requires_grad=True)
    labels = torch.randint(0, 3, (1, 1, 4, 5), generator=torch.Generator().manual_seed(0))
    RegionWiseLoss()(logits, labels).backward()
    raised = -logits.grad > 0
    assert torch.equal(raised.long().argmax(1, keepdim=True), labels)
    assert (raised.sum(1) == 1).all()


@pytest.mark.parametrize("ignore_label", [200, -1])
def test_an_ignored_voxel_has_no_gradient_and_its_label_no_say(ignore_label):
    logits, labels = example()
    labels[0, 0, 1:3] = ignore_label
    loss = RegionWiseLoss("rectified", ignore_label=ignore_label)
    loss(logits, labels).backward()
    assert not logits.grad[0, :, 1:3].any()
    assert logits.grad[0, :, 3:].all()


@pytest.mark.parametrize("batch", [True, False])
@pytest.mark.parametrize("loss", [RegionWiseLoss, BoundaryLoss, ActiveContourLoss])
def test_an_all_ignored_sample_contributes_nothing(loss, batch):
    logits, labels = example(n=3)
    labels[1] = 255
    module = loss(ignore_label=255, batch=batch)
    value = module(logits, labels)
    without = module(logits[[0, 2]], labels[[0, 2]])
    torch.testing.assert_close(value, without)
    value.backward()
    assert not logits.grad[1].any()
    labels[:] = 255
    assert module(logits, labels).item() == 0


def test_means_are_over_known_voxels_of_a_sample_or_of_the_batch():
    logits = torch.zeros(2, 2, 2, 2)
    labels = torch.tensor([[[0, 0], [9, 9]], [[1, 9], [9, 9]]])[:, None]
    ones = torch.ones(2, 2, 2, 2)
    ones[1] = 4
    options = {"ignore_label": 9, "map": "active_contour"}
    assert RegionWiseLoss(**options)(logits, labels, weight_map=ones).item() == (0.5 + 2) / 2
    assert RegionWiseLoss(**options, batch=True)(logits, labels, weight_map=ones).item() == pytest.approx(1)


def test_reductions_agree():
    logits, labels = example()
    none = RegionWiseLoss(reduction="none")(logits, labels)
    assert none.shape == (2, 3, 1, 1)
    torch.testing.assert_close(RegionWiseLoss(reduction="sum")(logits, labels), none.sum())
    torch.testing.assert_close(RegionWiseLoss()(logits, labels), none.mean())
    merged = RegionWiseLoss(reduction="none", batch=True)(logits, labels)
    torch.testing.assert_close(merged, none.mean(0, keepdim=True))


def test_activations():
    logits, labels = example()
    phi = maps.rectified_region_wise_map(labels, 3)
    for options, p in (
        ({"sigmoid": True}, logits.sigmoid()),
        ({"other_act": torch.tanh}, logits.tanh()),
        ({"softmax": False}, logits),
        ({"softmax": True}, logits.softmax(1)),
    ):
        torch.testing.assert_close(RegionWiseLoss(**options)(logits, labels), (p * phi).mean())


def test_background_is_left_out_after_the_softmax():
    logits, labels = example()
    phi = maps.rectified_region_wise_map(labels, 3)
    value = RegionWiseLoss(include_background=False)(logits, labels)
    torch.testing.assert_close(value, (logits.softmax(1) * phi)[:, 1:].mean())


def test_one_hot_indices_with_and_without_channel_and_a_single_mask():
    logits, labels = example()
    value = RegionWiseLoss()(logits, labels)
    assert torch.equal(RegionWiseLoss()(logits, labels[:, 0]), value)
    one_hot = torch.nn.functional.one_hot(labels[:, 0], 3).movedim(-1, 1)
    for dtype in (torch.bool, torch.uint8, torch.bfloat16, torch.float32):
        assert torch.equal(RegionWiseLoss(to_onehot_y=False)(logits, one_hot.to(dtype)), value)
    mask = labels == 1
    single = BoundaryLoss(sigmoid=True)(logits[:, :1], mask)
    phi = maps.signed_distance_map(mask, 1)
    torch.testing.assert_close(single, (logits[:, :1].sigmoid() * phi).mean())
    assert torch.equal(BoundaryLoss(sigmoid=True)(logits[:, :1], mask[:, 0].long()), single)


def test_a_map_can_be_a_function():
    logits, labels = example()

    def constant(target, n_classes, value=2.0):
        return torch.full((len(target), n_classes, *target.shape[2:]), value)

    assert RegionWiseLoss(constant)(logits, labels).item() == pytest.approx(2 / 3)
    assert RegionWiseLoss(constant, map_options={"value": 3.0})(logits, labels).item() == pytest.approx(1)


def test_map_options_reach_the_map():
    logits, labels = example()
    weights = [1.0, 2.0, 3.0]
    value = RegionWiseLoss("class_weight", map_options={"weights": weights})(logits, labels)
    phi = maps.class_weight_map(labels, 3, weights=weights)
    torch.testing.assert_close(value, (logits.softmax(1) * phi).mean())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_half_precision_gives_a_float32_loss_also_under_autocast(dtype):
    logits, labels = example(dtype=torch.float32)
    narrow = logits.detach().to(dtype).requires_grad_()
    expected = BoundaryLoss()(narrow.float(), labels)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = BoundaryLoss()(narrow, labels)
    assert loss.dtype == torch.float32
    assert torch.equal(loss, expected)
    loss.backward()
    assert narrow.grad.dtype == dtype


def test_the_dtype_of_the_loss_is_that_of_the_prediction_whatever_the_map():
    for prediction in (torch.float32, torch.float64):
        logits, labels = example(dtype=prediction)
        made = maps.rectified_region_wise_map(labels, 3)
        for dtype in (torch.float16, torch.float32, torch.float64):
            loss = RegionWiseLoss()(logits, weight_map=made.to(dtype))
            assert loss.dtype == prediction
            torch.testing.assert_close(loss, RegionWiseLoss()(logits, labels), rtol=1e-3, atol=1e-4)


def test_length_term_is_the_mean_length_of_the_gradient():
    p = torch.zeros(1, 1, 4, 6, dtype=torch.float64)
    p[..., 3:] = 1  # a straight border of 4 voxels
    mask = p.long()
    region = ActiveContourLoss(softmax=False)(p, mask)
    assert region.item() == -0.5
    with_length = ActiveContourLoss(softmax=False, length_weight=3)(p, mask)
    assert with_length.item() == pytest.approx(-0.5 + 3 * 4 / 24, abs=1e-3)
    logits, labels = example(shape=(3, 4))
    labels[0, 0, 0] = 7
    loss = ActiveContourLoss(length_weight=0.1, ignore_label=7)
    assert torch.autograd.gradcheck(lambda z: loss(z, labels), logits)
    flat = torch.zeros(1, 2, 3, 3, requires_grad=True)
    ActiveContourLoss(length_weight=1)(flat, torch.zeros(1, 1, 3, 3).long()).backward()
    assert flat.grad.isfinite().all()


def test_the_length_term_takes_no_step_into_an_ignored_voxel():
    logits, labels = example(shape=(5, 5))
    labels[:, :, 2, 2] = 9
    loss = ActiveContourLoss(length_weight=1.0, ignore_label=9)
    value = loss(logits, labels)
    value.backward()
    assert not logits.grad[:, :, 2, 2].any()
    changed = logits.detach().clone()
    changed[:, :, 2, 2] += 5
    assert torch.equal(loss(changed, labels), value)


@pytest.mark.parametrize("path", golden_cases("region_04"), ids=lambda path: path.stem)
def test_an_absent_class_does_not_get_the_map_of_the_class_before(path, load_golden):
    golden = load_golden(path)
    logits, labels = torch.tensor(golden["logits"]), torch.tensor(golden["labels"])
    p, masks = logits.softmax(1).numpy(), oracle.masks_of(golden["labels"][:, 0], 3)
    assert not masks[:, 2].any()
    faulty = oracle.published_boundary_map(masks)
    assert (p * faulty).mean() == pytest.approx(golden["BoundaryLoss"].item(), rel=1e-6)
    faulty[:, 2] = 0  # what the class has here
    assert BoundaryLoss()(logits, labels).item() == pytest.approx((p * faulty).mean(), rel=1e-6)


def test_module_shows_its_options():
    shown = repr(BoundaryLoss(spacing=(1, 2), ignore_label=3))
    assert "map='signed_distance'" in shown
    assert "spacing=(1, 2)" in shown
    assert "ignore_label=3" in shown


LOGITS, LABELS = torch.zeros(2, 3, 4, 5), torch.zeros(2, 1, 4, 5, dtype=torch.long)
MAP = torch.zeros(2, 3, 4, 5)
BAD_INPUTS = [
    (LOGITS.numpy(), LABELS, {}, DtypeError, "`prediction` must be a torch.Tensor, got ndarray"),
    (LOGITS.long(), LABELS, {}, DtypeError, "`prediction` must be floating point"),
    (LOGITS[0], LABELS, {}, ShapeError, r"`prediction` must have shape .* got \(3, 4, 5\)"),
    (LOGITS[:, :1], LABELS, {}, ShapeError, "`prediction` must have 2 or more channels for a softmax"),
    (LOGITS, None, {}, ArgumentError, "`target` must be given"),
    (LOGITS, LABELS.float(), {}, DtypeError, "`target` must hold integer classes, got torch.float32"),
    (LOGITS, LABELS.bool(), {}, DtypeError, "`target` must hold integer classes, got torch.bool"),
    (LOGITS, LABELS.numpy(), {}, DtypeError, "`target` must be a torch.Tensor, got ndarray"),
    (
        LOGITS,
        LABELS[:1],
        {},
        ShapeError,
        r"`target` must have shape \(2, 1, 4, 5\) or \(2, 4, 5\) .* \(1, 1, 4, 5\)",
    ),
    (LOGITS, LABELS[..., 1:], {}, ShapeError, r"got \(2, 1, 4, 4\)"),
    (LOGITS, LABELS + 3, {}, ArgumentError, r"`target` must hold classes in 0..2, got 3 at \(0, 0, 0, 0\)"),
    (LOGITS, LABELS - 1, {}, ArgumentError, "`target` must hold classes in 0..2, got -1"),
    (
        LOGITS,
        LABELS,
        {"weight_map": MAP[..., 1:]},
        ShapeError,
        r"`weight_map` .* got \(2, 3, 4, 4\); was it made",
    ),
    (LOGITS, LABELS, {"weight_map": MAP[:, 1:]}, ShapeError, r"`weight_map` .* got \(2, 2, 4, 5\)"),
    (LOGITS, LABELS, {"weight_map": MAP.long()}, DtypeError, "`weight_map` must be a floating point tensor"),
    (LOGITS, LABELS, {"weight_map": MAP.numpy()}, DtypeError, "`weight_map` must be .* got ndarray"),
    (LOGITS, LABELS, {"weight_map": MAP.to("meta")}, DeviceError, "`weight_map` must be on the device"),
    (LOGITS, LABELS.to("meta"), {}, DeviceError, "`target` must be on the device"),
]


@pytest.mark.parametrize(("prediction", "target", "options", "error", "message"), BAD_INPUTS)
def test_bad_inputs_are_named(prediction, target, options, error, message):
    with pytest.raises(error, match=message):
        RegionWiseLoss()(prediction, target, **options)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"map": "euclid"}, ArgumentError, "`map` must be one of 'rectified'"),
        ({"map": "active_contour", "spacing": (1, 1)}, ArgumentError, "`spacing` must be None for the map"),
        ({"map_options": {"inside": "distance"}}, ArgumentError, r"`map_options` must be .* got 'inside'"),
        (
            {"map": "region_wise", "map_options": {"spacing": (1, 1)}},
            ArgumentError,
            "`map_options` .*'spacing'",
        ),
        (
            {"map_options": {"include_background": False}},
            ArgumentError,
            "`map_options` .*'include_background'",
        ),
        ({"map_options": [1]}, ArgumentError, r"`map_options` must be a mapping, got \[1\]"),
        ({"reduction": "max"}, ArgumentError, "`reduction` must be one of"),
        ({"sigmoid": True, "softmax": True}, ArgumentError, "`sigmoid` must be the only activation"),
        ({"softmax": True, "other_act": torch.tanh}, ArgumentError, "`softmax` must be the only activation"),
        ({"other_act": 3}, ArgumentError, "`other_act` must be callable, got 3"),
        ({"to_onehot_y": False, "ignore_label": 1}, ArgumentError, "`ignore_label` must be None for one-hot"),
    ],
)
def test_bad_options_are_named(options, error, message):
    with pytest.raises(error, match=message):
        RegionWiseLoss(**options)


def test_an_activation_that_changes_the_shape_is_named():
    with pytest.raises(
        ShapeError, match=r"`other_act` must keep the shape \(2, 3, 4, 5\), got \(2, 1, 4, 5\)"
    ):
        RegionWiseLoss(other_act=lambda logits: logits[:, :1])(LOGITS, LABELS)
    with pytest.raises(DtypeError, match=r"`other_act` must return a floating point tensor, got torch\.bool"):
        RegionWiseLoss(other_act=lambda logits: logits > 0)(LOGITS, LABELS)


def test_options_that_need_more_channels_are_named():
    single, mask = LOGITS[:, :1], LABELS
    with pytest.raises(ArgumentError, match="`include_background` must be True for a single channel"):
        RegionWiseLoss(sigmoid=True, include_background=False)(single, mask)
    with pytest.raises(ArgumentError, match="`ignore_label` must be None for a prediction of one channel"):
        RegionWiseLoss(sigmoid=True, ignore_label=2)(single, mask)
    with pytest.raises(ArgumentError, match="`length_weight` must be finite and not negative"):
        ActiveContourLoss(length_weight=-1)
    with pytest.raises(ArgumentError, match="`target` must be given"):
        RegionWiseLoss(ignore_label=2)(LOGITS, weight_map=MAP)
    with pytest.raises(ShapeError, match=r"`spacing` must have one number per spatial axis \(2\)"):
        BoundaryLoss(spacing=(1, 1, 1))(LOGITS, LABELS)


def test_function_equals_module():
    logits, labels = example()
    channels = ClassChannels(reduction="sum", include_background=False)
    value = region_wise_loss(logits, labels, map="signed_distance", spacing=(2, 1), channels=channels)
    module = BoundaryLoss(spacing=(2, 1), reduction="sum", include_background=False)
    assert torch.equal(module(logits, labels), value)


@pytest.mark.filterwarnings("ignore:The .grad attribute")  # that of the compiler's own look at the logits
def test_compiled_equals_eager():
    logits, labels = example(dtype=torch.float32)
    loss = RegionWiseLoss()
    compiled = torch.compile(loss, backend="eager")
    torch.testing.assert_close(compiled(logits, labels), loss(logits, labels))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("name", NAMES)
def test_gpu_equals_cpu(name):
    logits, labels = example(dtype=torch.float32)
    loss = RegionWiseLoss(name)
    there = logits.detach().cuda().requires_grad_()
    value = loss(there, labels.cuda())
    assert value.device.type == "cuda"
    torch.testing.assert_close(value.cpu(), loss(logits, labels))
    value.backward()
    loss(logits, labels).backward()
    torch.testing.assert_close(there.grad.cpu(), logits.grad)


def test_numpy_is_not_needed_to_be_writable():
    array = np.zeros((1, 4, 4), int)
    array.flags.writeable = False
    assert maps.rectified_region_wise_map(array, 2, spatial_dims=2).shape == (2, 4, 4)
