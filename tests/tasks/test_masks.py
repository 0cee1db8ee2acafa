"""The task of masks: targets, losses by name, what is refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from objectwise.config.losses import TermConfig
from objectwise.errors import ArgumentError
from objectwise.tasks.masks import PLACES, MaskTask

CLASSES = np.array([[[0, 1, 1, 0, 2, 2]]])
IDS = np.array([[[0, 7, 7, 0, 3, 4]]])


def three():
    return MaskTask(classes=["background", "nucleus", "vessel"])


def test_class_labels_become_masks_that_add_up_to_one():
    target = three().target({"classes": CLASSES})["target"]
    np.testing.assert_array_equal(target[:, 0], [[1, 0, 0, 1, 0, 0], [0, 1, 1, 0, 0, 0], [0, 0, 0, 0, 1, 1]])


def test_ids_and_classes_together_keep_objects_that_touch_apart():
    target = three().target({"classes": CLASSES, "labels": IDS})
    np.testing.assert_array_equal(
        target["instances"][:, 0], [[0] * 6, [0, 7, 7, 0, 0, 0], [0, 0, 0, 0, 3, 4]]
    )


def test_ids_alone_are_the_foreground_of_a_single_structure():
    task = MaskTask(structures=["nucleus"])
    target = task.target({"labels": IDS})
    np.testing.assert_array_equal(target["target"], IDS != 0)
    np.testing.assert_array_equal(target["instances"], IDS)


def test_structures_may_overlap_and_have_a_mask_each():
    task = MaskTask(structures=["cell", "nucleus"])
    masks = np.array([[[1, 1, 1]], [[0, 1, 0]]])
    task.check({"classes": masks}, name="v")
    np.testing.assert_array_equal(task.target({"classes": masks})["target"], masks)


def test_objects_that_touch_may_be_learnt_apart():
    task = MaskTask(structures=["nucleus"], separate=True)
    ids = np.array([[[1, 1, 1, 2, 2, 0, 2]]])
    target = task.target({"labels": ids})
    np.testing.assert_array_equal(target["target"][0, 0], [1, 1, 0, 0, 1, 0, 1])
    np.testing.assert_array_equal(target["instances"][0, 0], [1, 1, 0, 0, 2, 0, 2])
    np.testing.assert_array_equal(task.truth({"labels": ids}, dimensions=2).ids, ids[0])
    with pytest.raises(ArgumentError, match=r"must have labels .ids. to be separated"):
        task.check({"classes": ids}, name="v")


def test_what_is_ignored_is_so_in_every_channel():
    ignore = np.array([[[0, 0, 1, 0, 0, 0]]])
    target = three().target({"classes": CLASSES, "ignore": ignore})
    assert target["ignore"].shape == (3, 1, 6)
    assert target["ignore"].dtype == bool
    assert set(target) == set(three().target_names(["classes", "ignore"]))


def test_probabilities_add_up_for_classes_only():
    logits = torch.randn(2, 3, 4, 5)
    assert torch.allclose(three().probabilities(logits).sum(1), torch.ones(2, 4, 5))
    assert torch.equal(MaskTask(structures=list("abc")).probabilities(logits), logits.sigmoid())


@pytest.mark.parametrize("name", PLACES)
@pytest.mark.parametrize("kind", ["classes", "structures"])
def test_every_loss_trains_from_a_batch_of_the_task(name, kind):
    task = MaskTask(**{kind: ["background", "nucleus"]})
    classes = np.zeros((1, 8, 9), np.uint8)
    classes[0, 2:5, 3:7] = 1
    arrays = {"classes": classes if kind == "classes" else np.concatenate([1 - classes, classes])}
    batch = {key: torch.from_numpy(value[None]) for key, value in task.target(arrays).items()}
    objective = task.objective([TermConfig(name=name)], arrays=["classes"], spacing=(2.0, 1.0))
    logits = torch.randn(1, 2, 8, 9, requires_grad=True)
    terms = objective(logits, batch, 0)
    assert list(terms) == ["loss", name]
    terms["loss"].backward()
    assert torch.isfinite(logits.grad).all()
    assert logits.grad.abs().sum() > 0


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({}, "must have classes or labels"),
        ({"classes": CLASSES + 1}, "must be in 0..2 .nucleus, vessel., got 3"),
        ({"classes": np.repeat(CLASSES, 3, 0)}, "one location, or one for each"),
        ({"labels": IDS}, "ids do not say which class"),
        ({"classes": CLASSES, "labels": IDS * (IDS != 3)}, "must have an id wherever"),
    ],
)
def test_labels_that_do_not_fit_the_classes_are_refused(arrays, words):
    with pytest.raises(ArgumentError, match=words):
        three().check(arrays, name="v")


def test_a_mask_where_ids_are_needed_is_refused():
    with pytest.raises(ArgumentError, match="one id in several pieces"):
        MaskTask(structures=["nucleus"]).check({"labels": np.array([[[1, 0, 1]]])}, name="v")


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"classes": ["a", "b"], "structures": ["c"]},
        {"classes": ["only"]},
        {"structures": []},
        {"classes": ["a", "a"]},
    ],
)
def test_names_that_make_no_task_are_refused(options):
    with pytest.raises(ArgumentError):
        MaskTask(**options)


@pytest.mark.parametrize(
    ("term", "words"),
    [
        (TermConfig(name="malis"), "must be one of dice"),
        (TermConfig(name="dice", options={"smoth": 1}), "must be options of 'dice'"),
        (TermConfig(name="dice", options={"sigmoid": True}), "which the task decides"),
        (
            TermConfig(name="instance", options={"pixel_loss": {"kind": "dice", "alpha": 2}}),
            "`alpha` has no effect",
        ),
        (TermConfig(name="instance", options={"pixel_loss": {"gama": 2}}), "an inner loss must be"),
        (TermConfig(python="nowhere:Loss"), "must name a module that imports"),
        (TermConfig(python="torch.nn:Losss"), "must name something in torch.nn"),
        (TermConfig(python="torch.nn"), "must read package.module:Name"),
    ],
)
def test_terms_that_do_not_fit_are_refused(term, words):
    with pytest.raises(ArgumentError, match=words):
        three().objective([term], arrays=["classes"])


def test_an_inner_loss_may_come_with_its_numbers():
    options = {"instance_loss": {"kind": "tversky", "alpha": 0.2, "beta": 0.8}}
    objective = three().objective([TermConfig(name="blob", options=options)], arrays=["classes"])
    assert objective.losses[0].instance_loss.alpha == 0.2


def test_a_mask_of_the_data_must_reach_every_loss():
    class Blind(torch.nn.Module):
        def forward(self, prediction, target):
            return prediction.sum() * 0

    globals()["Blind"] = Blind
    with pytest.raises(ArgumentError, match="whose forward has no `ignore`"):
        three().objective([TermConfig(python=f"{__name__}:Blind")], arrays=["classes", "ignore"])


def test_a_mask_may_have_255_for_1_as_images_have_it():
    task = MaskTask(classes=["background", "cell"])
    white = np.array([[[0, 255], [1, 0]]], dtype=np.uint8)
    task.check({"classes": white}, name="a")
    assert task.target({"classes": white})["target"][1].tolist() == [[0, 1], [1, 0]]
    with pytest.raises(ArgumentError, match=r"must be in 0\.\.1 \(cell\), got 7"):
        task.check({"classes": np.minimum(white, 7)}, name="a")
    several = MaskTask(classes=["background", "cell", "wall"])
    several.check({"classes": np.concatenate([white, white * 0])}, name="a")
    with pytest.raises(ArgumentError, match=r"must be in 0\.\.2 \(cell, wall\), got 255"):
        several.check({"classes": white}, name="a")
