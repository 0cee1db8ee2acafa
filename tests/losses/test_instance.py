"""The instance losses: against the published values, against masks and loops, and what each option does."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings

from objectwise.losses import InstanceCenterLoss, InstanceLoss
from tests.conftest import golden_cases
from tests.losses.instance_problems import KINDS, gradients_of, problems, values_of
from tests.oracles import instances as oracle

NAMES = {
    "segmentation_threshold": "threshold",
    "instance_wise_loss_no_tp": "exclude_true_positives",
    "max_cc_out": "max_components",
    "mul_too_many": "too_many",
    "rate_instead_number": "rates",
    "instance_wise_reduce": "over",
    "reduce_segmentation": "reduction",
    "centroid_offset": "center_offset",
    "min_instance_size": "minimum_size",
}


@pytest.mark.parametrize("path", golden_cases("instance_*"), ids=lambda path: path.stem)
@pytest.mark.parametrize(
    ("loss", "key"), [(InstanceLoss, "instance"), (InstanceCenterLoss, "instance_center")]
)
def test_original_terms_and_gradients_are_the_published_ones(path, loss, key, load_golden):
    case = load_golden(path)
    options = {NAMES[name]: value for name, value in json.loads(str(case["options"])).items()}
    prediction = torch.from_numpy(case["probabilities"]).requires_grad_()
    labels = torch.from_numpy(case["labels"])
    terms = loss(semantics="original", activation="none", **options).terms(prediction, labels)
    np.testing.assert_allclose(values_of(terms), case[f"{key}_terms"], rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(gradients_of(terms, prediction), case[f"{key}_grads"], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("exclude", [True, False])
@pytest.mark.parametrize("kind", KINDS)
@given(problem=problems())
@settings(max_examples=20)
def test_corrected_terms_and_gradients_are_those_of_masks_and_loops(kind, exclude, problem):
    prediction, target = problem
    prediction.requires_grad_()
    losses = dict.fromkeys(("pixel_loss", "instance_loss", "center_loss"), kind)
    loss = InstanceLoss(activation="none", exclude_true_positives=exclude, center_offset=1, **losses)
    terms = loss.terms(prediction, target)
    truth = oracle.corrected_terms(prediction, target, loss=kind, exclude=exclude, offset=1.0)
    np.testing.assert_allclose(values_of(terms), values_of(truth), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(
        gradients_of(terms, prediction), gradients_of(truth, prediction), rtol=1e-7, atol=1e-9
    )
