"""Tensors that the losses on edges take, refuse, or warn of."""

from __future__ import annotations

import warnings

import pytest
import torch

from objectwise.errors import ArgumentError, DtypeError, ObjectwiseWarning
from objectwise.losses import (
    AffinityBCELoss,
    MalisLoss,
    MaximinPairLoss,
    affinity_bce_loss,
    malis_loss,
    maximin_pair_loss,
)

OFFSETS = [[-1, 0], [0, -1]]
FUNCTIONS = pytest.mark.parametrize("function", [malis_loss, maximin_pair_loss, affinity_bce_loss])
MODULES = pytest.mark.parametrize("make", [MalisLoss, MaximinPairLoss, AffinityBCELoss])
SIGMOID = "`prediction` must be logits, got values that all lie in 0..1, as after a sigmoid"


def example(seed=0):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(2, 2, 4, 5, generator=generator, dtype=torch.float64)
    return logits, torch.randint(0, 3, (2, 4, 5), generator=generator)


@MODULES
def test_a_module_warns_once_of_logits_that_went_through_a_sigmoid(make):
    logits, labels = example()
    loss = make(OFFSETS)
    with pytest.warns(ObjectwiseWarning, match=SIGMOID):
        loss(logits.sigmoid(), labels)
    loss(logits.sigmoid(), labels)  # warnings are errors
    with pytest.warns(ObjectwiseWarning, match=SIGMOID):
        make(OFFSETS)(logits.sigmoid(), labels)


@FUNCTIONS
def test_a_function_warns_of_logits_that_went_through_a_sigmoid(function):
    logits, labels = example()
    with pytest.warns(ObjectwiseWarning, match=SIGMOID):
        function(logits.sigmoid(), labels, OFFSETS)


@FUNCTIONS
def test_python_shows_the_warning_of_a_function_once(function):
    logits, labels = example()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        for _ in range(2):
            function(logits.sigmoid(), labels, OFFSETS)
    assert len(caught) == 1


@pytest.mark.parametrize("make", [MalisLoss, MaximinPairLoss])
def test_affinities_that_are_said_to_be_affinities_are_no_reason_to_warn(make):
    logits, labels = example()
    make(OFFSETS, from_logits=False)(logits.sigmoid(), labels)


@MODULES
@pytest.mark.parametrize("first", [-0.1, 1.1])
def test_one_logit_beyond_0_and_1_is_no_sigmoid(make, first):
    logits, labels = example()
    logits = logits.sigmoid()
    logits[1, 1, 3, 3] = first
    make(OFFSETS)(logits, labels)


@MODULES
def test_a_last_layer_that_begins_with_zeros_is_no_sigmoid_and_settles_nothing(make):
    logits, labels = example()
    loss = make(OFFSETS)
    loss(torch.zeros_like(logits), labels)
    with pytest.warns(ObjectwiseWarning, match=SIGMOID):
        loss(logits.sigmoid(), labels)


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")  # PyTorch's own, in jvp
@MODULES
def test_gradients_of_torch_func_are_those_of_autograd(make):
    logits, labels = example(1)

    def function(values):
        torch.manual_seed(0)  # of the pairs
        return make(OFFSETS)(values, labels)

    values = logits.clone().requires_grad_()
    function(values).backward()
    torch.testing.assert_close(torch.func.grad(function)(logits), values.grad)
    torch.testing.assert_close(torch.func.jacrev(function)(logits), values.grad)
    _, along = torch.func.jvp(function, (logits,), (logits,))
    torch.testing.assert_close(along, (values.grad * logits).sum())


@MODULES
def test_vmap_ends_in_a_sentence(make):
    logits, labels = example()
    with pytest.raises(
        ArgumentError, match=r"`prediction` must have values .* got a tensor of torch.func.vmap"
    ):
        torch.func.vmap(lambda p, t: make(OFFSETS)(p[None], t[None]), randomness="same")(logits, labels)


@FUNCTIONS
@pytest.mark.parametrize("name", ["prediction", "labels", "edge_mask", "unlabelled"])
def test_sparse_tensors_are_refused(function, name):
    logits, labels = example()
    tensors = {
        "prediction": logits, "labels": labels, "edge_mask": logits > 0, "unlabelled": torch.zeros_like(labels) > 0,
    }  # fmt: skip
    tensors[name] = tensors[name].to_sparse()
    prediction, labels = tensors.pop("prediction"), tensors.pop("labels")
    message = f"`{name}` must be a dense tensor, got layout torch.sparse_coo; pass {name}.to_dense()"
    with pytest.raises(DtypeError) as raised:
        function(prediction, labels, OFFSETS, **tensors)
    assert str(raised.value) == message


@pytest.mark.parametrize("name", ["from_logits", "constrained"])
@pytest.mark.parametrize("value", ["no", None, 0])
def test_true_and_false_are_nothing_else_when_a_module_is_made(name, value):
    with pytest.raises(ArgumentError, match=f"`{name}` must be True or False, got {value!r}"):
        MalisLoss(OFFSETS, **{name: value})
    if name == "from_logits":
        with pytest.raises(ArgumentError, match="`from_logits` must be True or False"):
            MaximinPairLoss(OFFSETS, from_logits=value)
