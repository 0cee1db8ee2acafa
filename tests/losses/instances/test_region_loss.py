"""Blob loss, CC-Dice and region Dice: against loops over masks, and what each option does."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from monai.losses import DiceLoss

from objectwise.errors import ArgumentError, DtypeError, ShapeError
from objectwise.losses import BlobLoss, CCDiceLoss, RegionDice, SegmentLoss
from objectwise.losses.instances.inputs import foreground
from objectwise.losses.instances.regions import region_partition
from objectwise.maps import connected_components, voronoi_regions
from tests.losses.instances.problems import KINDS, gradients_of, problems, scene, values_of
from tests.oracles import instances as oracle

RIVALS = (BlobLoss, CCDiceLoss, RegionDice)


def regions_of(target):
    """Voronoi regions of a bool target (n, c, *spatial); a volume without objects is one region."""
    volumes = [voronoi_regions(connected_components(one)) for one in target.flatten(0, 1).numpy()]
    regions = np.stack([one if one.any() else np.ones_like(one) for one in volumes])
    return regions.reshape(target.shape)


def assert_equal_terms(terms, truth, prediction):
    np.testing.assert_allclose(values_of(terms), values_of(truth), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(
        gradients_of(terms, prediction), gradients_of(truth, prediction), rtol=1e-7, atol=1e-9
    )


def whole(kind):
    return lambda p, y: oracle.segment_loss(kind, p, y, torch.ones_like(y))


@pytest.mark.parametrize("kind", KINDS)
@given(problem=problems())
@settings(max_examples=20)
def test_blob_loss_is_that_of_a_loop_over_objects(kind, problem):
    prediction, target = problem
    prediction.requires_grad_()
    terms = BlobLoss(activation="none", pixel_loss=kind, instance_loss=kind).terms(prediction, target)
    truth = (
        oracle.over_volumes(whole(kind), prediction, target),
        oracle.over_volumes(lambda p, y: oracle.blob_loss(p, y, loss=kind), prediction, target),
    )
    assert_equal_terms(terms, truth, prediction)


@pytest.mark.parametrize("loss", [CCDiceLoss, RegionDice])
@pytest.mark.parametrize("kind", KINDS)
@given(problem=problems())
@settings(max_examples=20)
def test_region_losses_are_those_of_a_loop_over_regions(kind, loss, problem):
    prediction, target = problem
    prediction.requires_grad_()
    terms = loss(activation="none", pixel_loss=kind, instance_loss=kind).terms(prediction, target)
    truth = (
        oracle.over_volumes(whole(kind), prediction, target),
        oracle.over_volumes(
            lambda p, y, r: oracle.region_loss(p, y, r, loss=kind), prediction, target, regions_of(target)
        ),
    )
    assert_equal_terms(terms, truth, prediction)


@pytest.mark.parametrize("loss", RIVALS)
@given(problem=problems(max_side=4))
@settings(max_examples=10)
def test_functions_through_crops_agree_with_sums(loss, problem):
    prediction, target = problem
    prediction.requires_grad_()
    by_sums = loss(activation="none").terms(prediction, target)
    dice = DiceLoss()
    by_crops = loss(activation="none", pixel_loss=dice, instance_loss=dice).terms(prediction, target)
    assert_equal_terms(by_crops, by_sums, prediction)


@pytest.mark.parametrize("loss", RIVALS)
def test_gradient_through_logits_passes_gradcheck(loss):
    logits, target = scene()
    function = loss(instance_loss="dice_cross_entropy")
    assert torch.autograd.gradcheck(lambda x: function(x, target), logits.requires_grad_())


OPTIONS = {
    "activation": "softmax",
    "pixel_loss": "cross_entropy",
    "instance_loss": "jaccard",
    "connectivity": 4,
    "minimum_size": 7,
    "over": "instance",
    "reduction": "sum",
    "weights": {"pixel": 0.5},
    "spacing": (5.0, 1.0),
    "empty_loss": "tversky",
}


def busy():
    """Two channels of two volumes with corners that touch, objects of many sizes and an empty channel."""
    rng = np.random.default_rng(3)
    target = torch.from_numpy(rng.random((2, 2, 14, 14)) < 0.2)
    target[1, 0] = False
    return torch.from_numpy(rng.normal(0, 2, target.shape)), target


CASES = [(loss, option) for loss in RIVALS for option in OPTIONS]
CASES = [case for case in CASES if case not in ((BlobLoss, "spacing"), (BlobLoss, "empty_loss"))]


@pytest.mark.parametrize(("loss", "option"), CASES)
def test_each_option_turned_alone_matters(loss, option):
    logits, target = busy()
    plain = loss(weights={"pixel": 1.0})(logits, target)
    options = {"weights": {"pixel": 1.0}} | {option: OPTIONS[option]}
    assert not torch.isclose(plain, loss(**options)(logits, target), rtol=1e-6)


def test_background_channel_counts_on_request():
    logits, target = busy()
    without, with_it = (
        CCDiceLoss(activation="softmax", include_background=choice)(logits, target)
        for choice in (False, True)
    )
    assert not torch.isclose(without, with_it)


@pytest.mark.parametrize("loss", RIVALS)
def test_connectivity_has_no_effect_beside_instances_and_is_refused(loss):
    logits, target = scene()
    with pytest.raises(
        ArgumentError, match="`connectivity` has no effect where `instances` are given, got 4"
    ):
        loss(connectivity=4)(logits, target, instances=target.long())


@pytest.mark.parametrize("loss", RIVALS)
def test_instances_that_touch_stay_apart(loss):
    logits, target = scene()
    ids = torch.zeros(target.shape, dtype=torch.int64)
    ids[target] = 2**40
    ids[..., :2][target[..., :2]] = 7
    assert not torch.isclose(loss()(logits, target, instances=ids), loss()(logits, target))


def test_precomputed_regions_are_the_voronoi_regions():
    logits, target = busy()
    regions = torch.from_numpy(regions_of(target)).long() * 2**33
    torch.testing.assert_close(CCDiceLoss()(logits, target, regions=regions), CCDiceLoss()(logits, target))
    for options, more in (({"spacing": (1, 1)}, {}), ({"connectivity": 4}, {}), ({}, {"instances": regions})):
        (name,) = {**options, **more}
        with pytest.raises(ArgumentError, match=f"`{name}` has no effect where `regions` are given"):
            CCDiceLoss(**options)(logits, target, regions=regions, **more)
    with pytest.raises(DtypeError, match="`regions` must be a tensor of integer ids"):
        CCDiceLoss()(logits, target, regions=regions.double())
    with pytest.raises(ArgumentError, match="`regions` must not be negative"):
        CCDiceLoss()(logits, target, regions=-regions)
    with pytest.raises(ShapeError, match="`regions` must have the shape of `prediction`"):
        CCDiceLoss()(logits, target, regions=regions[:1])


def test_voxels_outside_all_regions_count_in_the_pixel_term_only():
    logits, target = scene()
    regions = torch.from_numpy(regions_of(target))
    regions[..., 10:] = 0
    logits.requires_grad_()
    terms = CCDiceLoss().terms(logits, target, regions=regions)
    pixel, instances = gradients_of(terms, logits)
    assert pixel[..., 10:].all()
    assert not instances[..., 10:].any()


def test_region_dice_is_the_region_term_of_cc_dice():
    logits, target = scene()
    torch.testing.assert_close(RegionDice()(logits, target), CCDiceLoss().terms(logits, target).instances)


def test_blob_loss_weighs_its_terms_as_published():
    logits, target = scene()
    terms = BlobLoss().terms(logits, target)
    torch.testing.assert_close(BlobLoss()(logits, target), 2 * terms.pixel + terms.instances)


@pytest.mark.parametrize("loss", RIVALS)
def test_volumes_without_objects_have_finite_values_and_gradients(loss):
    for truth in (False, True):
        logits = torch.zeros(2, 1, 4, 4, requires_grad=True)
        value = loss()(logits, torch.full(logits.shape, truth))
        value.backward()
        assert torch.isfinite(value)
        assert torch.isfinite(logits.grad).all()


def test_an_empty_volume_is_pushed_down_by_the_region_term():
    logits = torch.full((1, 1, 4, 4), 3.0, requires_grad=True)
    CCDiceLoss().terms(logits, torch.zeros(1, 1, 4, 4)).instances.backward()
    assert (logits.grad > 0.01).all()


@pytest.mark.parametrize("loss", RIVALS)
def test_half_precision_is_widened(loss):
    logits, target = scene(torch.float32)
    half = logits.to(torch.bfloat16)
    value = loss()(half, target)
    assert value.dtype == torch.float32
    torch.testing.assert_close(value, loss()(half.float(), target))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"activation": "relu"}, "`activation` must be one of"),
        ({"include_background": True}, "`include_background` has no effect with activation 'sigmoid'"),
        ({"instance_loss": "iou"}, "`instance_loss` must be one of"),
        ({"pixel_loss": SegmentLoss("dice", alpha=0.5)}, "`alpha` has no effect with `pixel_loss` 'dice'"),
        ({"minimum_size": 1.5}, "`minimum_size` must be a whole number"),
        ({"over": "volume"}, "`over` must be one of"),
        ({"connectivity": 7}, "`connectivity` must be one of 4, 8, 6, 18, 26, got 7"),
        ({"connectivity": True}, "`connectivity` must be one of 4, 8, 6, 18, 26, got True"),
        ({"include_background": "False"}, "`include_background` must be True or False, got 'False'"),
        ({"weights": [1, 2]}, "`weights` must be a mapping of names of terms"),
        ({"weights": {"pixels": 1}}, "`weights` must be one of"),
        ({"weights": {"pixel": 0, "instances": 0}}, "`weights` must leave at least one term"),
    ],
)
@pytest.mark.parametrize("loss", RIVALS)
def test_options_that_make_no_sense_are_refused(loss, options, message):
    with pytest.raises(ArgumentError, match=message):
        loss(**options)


def test_partition_counts_no_ignored_voxels():
    logits, target = scene()
    ignore = torch.zeros_like(target)
    ignore[..., :3] = True
    inputs = foreground(logits, target, ignore, activation="sigmoid")
    partition = region_partition(inputs, None, None, connectivity=None, spacing=None)
    assert partition.voxels.sum() == (~ignore).sum()
    assert (partition.cells.reshape(target.shape)[ignore] == -1).all()


def test_repr_shows_the_options():
    assert "over='data'" in repr(CCDiceLoss())
    assert "empty_loss='tversky'" in repr(CCDiceLoss(empty_loss="tversky"))
    assert "spacing=(2.0, 1.0)" in repr(CCDiceLoss(spacing=(2, 1)))
