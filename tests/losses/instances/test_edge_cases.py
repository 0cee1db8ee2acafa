"""Empty volumes, one voxel objects, huge ids, half precision, what is ignored: the edges of the instance losses."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from monai.losses import DiceLoss

from objectwise.errors import ArgumentError, DtypeError
from objectwise.losses import BlobLoss, CCDiceLoss, InstanceCenterLoss, InstanceLoss, RegionDice, SegmentLoss
from tests.losses.instances.problems import busy, gradients_of, problems, rows, scene, values_of
from tests.oracles import instances as oracle

LOSSES = (InstanceLoss, InstanceCenterLoss, BlobLoss, CCDiceLoss, RegionDice)


@pytest.mark.parametrize("level", [-5.0, 5.0])
@pytest.mark.parametrize("truth", [False, True])
def test_empty_predictions_and_truths_have_finite_terms_and_gradients(level, truth):
    logits = torch.full((1, 1, 4, 5, 3), level, requires_grad=True)
    terms = InstanceLoss().terms(logits, torch.full(logits.shape, truth))
    sum(terms).backward()
    assert np.isfinite(values_of(terms)).all()
    assert torch.isfinite(logits.grad).all()


def test_terms_without_objects_are_zero_on_their_side():
    off, on = torch.full((1, 1, 4, 5), -5.0), torch.full((1, 1, 4, 5), 5.0)
    nothing = InstanceLoss().terms(off, torch.zeros(1, 1, 4, 5))
    assert values_of(nothing)[1:].tolist() == [0.0] * 6
    false_only = InstanceLoss().terms(on, torch.zeros(1, 1, 4, 5))
    assert false_only.label_instances == false_only.missed == 0
    assert false_only.output_instances > 4  # cross-entropy of 5 against nothing
    assert false_only.false == pytest.approx(1 / (1 + np.exp(-5)))
    missed_only = InstanceLoss().terms(off, torch.ones(1, 1, 4, 5))
    assert missed_only.output_instances == missed_only.false == 0
    assert missed_only.missed == pytest.approx(1 / (1 + np.exp(-5)))


@pytest.mark.parametrize("place", [(0, 0), (0, 4), (3, 4), (3, 0), (1, 2)])
def test_one_voxel_objects_anywhere_are_found(place):
    target = torch.zeros(1, 1, 4, 5)
    target[0, 0][place] = 1
    logits = torch.where(target > 0, 20.0, -20.0)
    terms = InstanceLoss().terms(logits, target)
    np.testing.assert_allclose(values_of(terms), 0, atol=1e-4)
    missed = InstanceLoss().terms(-20 * torch.ones_like(logits), target)
    assert missed.missed == pytest.approx(1)


@given(problem=problems(max_side=4))
@settings(max_examples=20)
def test_flipping_axes_changes_nothing(problem):
    prediction, target = problem
    # Ties between two voxels nearest to a centre of mass, or between two nearest objects, go by the order.
    loss = InstanceCenterLoss(activation="none", center_offset=99)
    axes = tuple(range(2, prediction.ndim))
    flipped = loss.terms(prediction.flip(axes), target.flip(axes))
    np.testing.assert_allclose(
        values_of(flipped), values_of(loss.terms(prediction, target)), rtol=1e-9, atol=1e-12
    )


@pytest.mark.parametrize("dtype", [torch.int32, torch.int64, torch.uint8])
@pytest.mark.parametrize("scale", [1, 2**24, 2**40])
def test_ids_of_any_size_change_nothing(dtype, scale):
    if scale > torch.iinfo(dtype).max // 8:
        scale = 1
    logits, target = scene()
    ids = torch.zeros(target.shape, dtype=torch.int64)
    for number, mask in enumerate(oracle.components(target[0, 0])):
        ids[0, 0][mask] = 3 - number
    ids = (ids * scale + (ids > 0)).to(dtype)
    torch.testing.assert_close(InstanceLoss()(logits, target, instances=ids), InstanceLoss()(logits, target))


def test_instances_that_touch_stay_apart():
    target = rows([[0.0, 1.0, 1.0, 1.0, 1.0, 0.0]])
    ids = rows([[0, 2**33, 2**33, 5, 5, 0]])
    logits = rows([[-4.0, 4.0, 4.0, -4.0, -4.0, -4.0]])
    assert InstanceLoss().terms(logits, target).missed == 0
    terms = InstanceLoss().terms(logits, target, instances=ids)
    assert terms.missed == pytest.approx(0.5, abs=0.02)  # one of two


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_widened(dtype):
    logits, target = scene(torch.float32)
    half = logits.to(dtype).requires_grad_()
    value = InstanceLoss()(half, target)
    value.backward()
    assert value.dtype == torch.float32
    assert half.grad.dtype == dtype
    torch.testing.assert_close(value, InstanceLoss()(half.detach().float(), target))


def test_loss_is_the_same_under_autocast():
    logits, target = scene(torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = InstanceLoss()(logits, target)
    assert torch.equal(inside, InstanceLoss()(logits, target))


def test_each_channel_and_sample_has_its_own_objects():
    logits, target = busy()
    together = InstanceLoss(over="data").terms(logits, target)
    alone = [
        InstanceLoss().terms(logits[n : n + 1, c : c + 1], target[n : n + 1, c : c + 1])
        for n in (0, 1)
        for c in (0, 1)
    ]
    np.testing.assert_allclose(values_of(together), np.mean([values_of(terms) for terms in alone], axis=0))


@given(problem=problems(max_side=5))
@settings(max_examples=20)
def test_ignored_padding_changes_nothing(problem):
    prediction, target = problem
    pad = (2, 2) * (prediction.ndim - 2)
    padded = torch.nn.functional.pad(prediction, pad, value=0.1)
    truth = torch.nn.functional.pad(target, pad)
    ignore = torch.nn.functional.pad(torch.zeros_like(target), pad, value=True)
    loss = InstanceLoss(activation="none", center_offset=1, instance_loss="dice_cross_entropy")
    np.testing.assert_allclose(
        values_of(loss.terms(padded, truth, ignore=ignore)),
        values_of(loss.terms(prediction, target)),
        rtol=1e-9,
        atol=1e-12,
    )


def with_unknown(logits, target):
    """The same batch between samples of which nothing is known, and what is unknown of it."""
    parts = [torch.cat([one, one, one]) for one in (logits, target)]
    ignore = torch.ones_like(parts[1])
    ignore[len(target) : 2 * len(target)] = False
    return *parts, ignore


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("inner", ["dice_cross_entropy", DiceLoss()])
@pytest.mark.parametrize(
    "over", [("instance", "mean"), ("instance", "sum"), ("data", "mean"), ("data", "sum")]
)
def test_a_sample_of_which_nothing_is_known_is_as_if_it_were_not_in_the_batch(loss, inner, over):
    logits, target = busy()
    function = loss(pixel_loss=inner, instance_loss=inner, over=over[0], reduction=over[1])
    more, truth, ignore = with_unknown(logits, target)
    logits.requires_grad_()
    more.requires_grad_()
    alone = function.terms(logits, target)
    terms = function.terms(more, truth, ignore=ignore)
    np.testing.assert_allclose(values_of(terms), values_of(alone), rtol=1e-12)
    gradients = gradients_of(terms, more)
    assert not gradients[:, ignore].any()
    middle = gradients[:, len(target) : 2 * len(target)]
    np.testing.assert_allclose(middle, gradients_of(alone, logits), rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize("loss", LOSSES)
def test_a_batch_of_which_nothing_is_known_costs_nothing_and_pulls_nowhere(loss):
    logits, target = busy()
    logits.requires_grad_()
    for inner in ("dice", "cross_entropy", DiceLoss()):
        function = loss(pixel_loss=inner, instance_loss=inner)
        value = function(logits, target, ignore=torch.ones_like(target))
        assert value == 0
        (gradient,) = torch.autograd.grad(value, logits)
        assert not gradient.any()


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("with_ids", [False, True])
@pytest.mark.parametrize("fill", [3.0, float("nan"), float("-inf")])
def test_what_ignored_voxels_hold_has_no_effect(loss, with_ids, fill):
    logits, target = busy()
    ignore = torch.zeros_like(target)
    ignore[..., 5:9] = True
    unknown = torch.where(ignore, 255, target.long())
    instances = [mask.long() if with_ids else None for mask in (target, ~target & ignore | target & ~ignore)]
    changed = torch.where(ignore, fill, logits)
    logits.requires_grad_()
    changed.requires_grad_()
    terms = loss().terms(logits, target, ignore=ignore, instances=instances[0])
    assert gradients_of(terms, logits)[:, ~ignore].any()
    others = loss().terms(changed, unknown, ignore=ignore, instances=instances[1])
    np.testing.assert_allclose(values_of(terms), values_of(others), rtol=1e-12)
    np.testing.assert_array_equal(gradients_of(others, changed)[:, ignore], 0)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("fill", [7.0, float("nan")])
def test_what_stands_at_ignored_voxels_is_no_probability_either(loss, fill):
    logits, target = busy()
    p, ignore = logits.sigmoid(), torch.zeros_like(target)
    ignore[..., :4] = True
    function = loss(activation="none")
    changed = torch.where(ignore, fill, p).requires_grad_()
    terms = function.terms(changed, target, ignore=ignore)
    assert values_of(terms).tolist() == values_of(function.terms(p, target, ignore=ignore)).tolist()
    np.testing.assert_array_equal(gradients_of(terms, changed)[:, ignore], 0)


@pytest.mark.parametrize("loss", LOSSES)
def test_a_softmax_reads_a_voxel_where_one_of_its_objects_is_known(loss):
    rng = np.random.default_rng(0)
    logits = torch.from_numpy(rng.normal(0, 2, (1, 3, 9, 9)))
    target = torch.from_numpy(rng.random(logits.shape) < 0.2)
    ignore = torch.zeros_like(target)
    ignore[:, 1:, :, :2] = True  # whatever is said of the background, which has no objects
    ignore[:, 1, :, :4] = True
    function = loss(activation="softmax")
    changed = torch.where(torch.arange(9) < 2, float("nan"), logits).requires_grad_()
    terms = function.terms(changed, target, ignore=ignore)
    assert values_of(terms).tolist() == values_of(function.terms(logits, target, ignore=ignore)).tolist()
    assert np.isfinite(gradients_of(terms, changed)).all()
    logits[0, 0, 0, 3] = float("nan")
    with pytest.raises(ArgumentError, match=r"`prediction` must be finite, got nan at \(0, 0, 0, 3\)"):
        function(logits, target, ignore=ignore)


def test_a_missed_object_where_nothing_is_known_is_not_missed():
    logits, target = scene()
    ignore = torch.zeros_like(target)
    ignore[..., :6] = True
    assert InstanceLoss().terms(logits, target, ignore=ignore).missed == 0


def test_non_contiguous_inputs_are_read_as_they_are():
    logits, target = scene()
    turned = logits.transpose(2, 3).contiguous().transpose(2, 3)
    assert not turned.is_contiguous()
    torch.testing.assert_close(InstanceLoss()(turned, target), InstanceLoss()(logits, target))


# PyTorch asks every tensor for a gradient when it goes on after a graph break, and hides its own warning.
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")
@pytest.mark.parametrize("loss", LOSSES)
def test_a_compiled_step_with_the_loss_inside_equals_the_plain_one(loss):
    logits, target = scene(torch.float32)
    function = loss()

    def step(prediction):
        return function(2 * prediction, target) + prediction.mean()

    answers = []
    for one in (step, torch.compile(step, backend="eager")):
        prediction = logits.clone().requires_grad_()
        value = one(prediction)
        answers.append((value, *torch.autograd.grad(value, prediction)))
    torch.testing.assert_close(*answers)


@pytest.mark.parametrize("loss", LOSSES)
def test_gradients_may_be_asked_for_with_a_graph_but_have_no_second_derivative(loss):
    logits, target = scene()
    logits.requires_grad_()
    value = loss()(logits, target)
    (plain,) = torch.autograd.grad(value, logits, retain_graph=True)
    (gradient,) = torch.autograd.grad(value, logits, create_graph=True)
    torch.testing.assert_close(gradient, plain)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.norm().backward()


SPARSE = (torch.Tensor.to_sparse, torch.Tensor.to_mkldnn)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("thin", SPARSE)
def test_sparse_tensors_are_refused(loss, thin):
    logits, target = (tensor.float() for tensor in scene())
    with pytest.raises(DtypeError, match=r"`prediction` must be a dense tensor, got layout .*to_dense\(\)"):
        loss()(thin(logits), target)
    with pytest.raises(DtypeError, match="`target` must be a dense tensor, got layout"):
        loss()(logits, thin(target))
    for name, mask in (("ignore", target > 2), ("instances", target.long())):
        with pytest.raises(DtypeError, match=f"`{name}` must be a dense tensor, got layout torch.sparse"):
            loss()(logits, target, **{name: mask.to_sparse()})


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("transform", [torch.func.grad, torch.func.vmap])
def test_transforms_of_functions_are_refused_in_one_sentence(loss, transform):
    logits, target = scene()
    with pytest.raises(DtypeError, match=r"inside torch.func .*: use torch.autograd.grad"):
        transform(lambda prediction: loss()(prediction, target))(logits)


def test_repr_shows_the_options():
    options = {"connectivity": 4, "max_components": 7, "keep": "largest"}
    shown = repr(InstanceLoss(rates=False, weights={"false": 0.5}, **options))
    for name, value in {**options, "pixel_loss": SegmentLoss(), "threshold": 0.5}.items():
        assert f"{name}={value!r}" in shown
    assert "rates=False" in shown
    assert "'false': 0.5" in shown


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("loss", LOSSES)
def test_terms_and_gradients_on_a_gpu_are_those_on_the_cpu(loss):
    logits, target = busy()
    answers = []
    for device in ("cpu", "cuda"):
        prediction = logits.to(device).requires_grad_()
        terms = loss().terms(prediction, target.to(device))
        answers.append(
            (torch.stack(tuple(terms)).cpu(), torch.autograd.grad(sum(terms), prediction)[0].cpu())
        )
    torch.testing.assert_close(*answers)
