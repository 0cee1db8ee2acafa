"""Maps of the losses are made by the processes that load patches, and are those the losses would make."""

from __future__ import annotations

import os

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, default_collate

from objectwise.config.losses import TermConfig
from objectwise.data import LabelledVolume, PatchSampler
from objectwise.losses.regions.region_wise import WITHOUT_SPACING, MapChoice
from objectwise.tasks import MaskTask
from objectwise.tasks.masks import MAPPED, WITHOUT_DISTANCES
from objectwise.training import read_metrics, train
from objectwise.training.memory import estimate_training
from objectwise.training.patches import NumberedPatches
from tests.training.test_train import assert_same_weights, weights
from tests.training.toys import toy_config

CLASSES = MaskTask(classes=["background", "left", "right"])
STRUCTURES = MaskTask(structures=["left", "right"])
OPTIONS = [
    *((name, {}) for name in MAPPED),
    *(
        ("region_wise", {"map": name})
        for name in ("region_wise", "signed_distance", "active_contour", "class_weight")
    ),
    (
        "region_wise",
        {"map": "region_wise", "map_options": {"inside": "distance"}, "include_background": False},
    ),
    ("region_wise", {"spacing": [3.0, 1.0], "batch": True}),
    ("active_contour", {"length_weight": 0.5}),
    ("hausdorff", {"alpha": 1.0, "both_sides": False}),
]


def volume(*, ignore=False, overlap=False):
    """Two classes in 2 of 3 sections, or a mask for each, and a corner that is unknown."""
    left, right = np.zeros((2, 3, 16, 16), np.uint8)
    left[:2, :, :6], right[1:, 4:12, 10:] = 1, 1
    classes = np.stack([left, right]) if overlap else left + 2 * (right & (1 - left))
    unknown = np.zeros((3, 16, 16), bool)
    unknown[:, :5, 4:12] = True
    raw = (left * 90 + right * 120 + np.random.default_rng(0).integers(0, 40, left.shape)).astype(np.uint8)
    return LabelledVolume("v", raw, None, classes, unknown if ignore else None, voxel_size=(4.0, 2.0, 2.0))


def patches_and_objective(task, terms, **known):
    made = volume(overlap=task is STRUCTURES, **known)
    objective = task.objective(terms, arrays=list(made.truth()), spacing=(2.0, 2.0))
    sampler = PatchSampler([made], (12, 12), seed=3)
    return NumberedPatches(sampler, task, objective.maps, patches_per_step=2), objective


@pytest.mark.parametrize("ignore", [False, True], ids=["known", "unknown"])
@pytest.mark.parametrize("task", [CLASSES, STRUCTURES], ids=["classes", "structures"])
@pytest.mark.parametrize(("name", "options"), OPTIONS, ids=str)
def test_the_loss_is_the_same_whoever_makes_its_map(name, options, task, ignore):
    patches, objective = patches_and_objective(task, [TermConfig(name=name, options=options)], ignore=ignore)
    batch = default_collate([patches[index] for index in range(4)])
    key = f"map of {name}"
    assert batch[key].shape == (4, len(task.channels), 12, 12)
    assert batch[key].dtype == torch.float32
    logits = torch.randn(batch[key].shape, generator=torch.Generator().manual_seed(0))
    without = {other: array for other, array in batch.items() if other != key}
    found, expected = (objective(logits, given, 0)["loss"] for given in (batch, without))
    assert torch.equal(found, expected)
    changed = objective(logits, {**batch, key: batch[key] + 1.0}, 0)["loss"]
    assert not torch.equal(changed, expected), "the map of the batch is the one that counts"


def test_several_terms_have_a_map_each_and_only_while_they_count():
    terms = [
        TermConfig(name="dice"),
        TermConfig(name="boundary", from_step=2),
        TermConfig(name="boundary", until_step=1, options={"spacing": [1.0, 9.0]}),
    ]
    patches, objective = patches_and_objective(CLASSES, terms)
    maps = [{key for key in patches[index] if key.startswith("map of ")} for index in range(6)]
    assert maps == [{"map of boundary_2"}] * 2 + [set()] * 2 + [{"map of boundary"}] * 2
    assert [make.key for make in objective.maps] == ["map of boundary", "map of boundary_2"]


def test_maps_without_distances_are_those_that_refuse_a_voxel_size():
    assert WITHOUT_DISTANCES == WITHOUT_SPACING


def test_a_loss_of_your_own_has_no_map_made():
    own = TermConfig(
        python="objectwise.losses:RegionWiseLoss", name="region_wise", options={"to_onehot_y": False}
    )
    _, objective = patches_and_objective(CLASSES, [own])
    assert objective.maps == []


@pytest.fixture
def no_map_here(monkeypatch):
    """Refuse maps of the process of the test."""
    here, make = os.getpid(), MapChoice.of

    def elsewhere(self, *arguments):
        assert os.getpid() != here, "a map was made in the training process"
        return make(self, *arguments)

    monkeypatch.setattr(MapChoice, "of", elsewhere)


def masks_config(**options):
    return toy_config(
        top={"task": {"name": "masks", "options": {"classes": ["background", "left", "right"]}}},
        **{"steps": 4, "minimum_foreground": 0.0, "loss": [{"name": "region_wise"}], **options},
    )


def test_maps_come_from_the_processes_that_load(no_map_here):
    patches, _ = patches_and_objective(CLASSES, [TermConfig(name="region_wise")])
    loaded = next(iter(DataLoader(patches, batch_size=2, sampler=[0, 1], num_workers=1)))
    assert "map of region_wise" in loaded
    with pytest.raises(AssertionError, match="in the training process"):
        patches[0]


def test_training_step_makes_no_map_of_its_own(tmp_path, no_map_here):
    train(masks_config(workers=1), [volume()], tmp_path)
    assert len(read_metrics(tmp_path / "metrics.csv")) == 4


def test_training_is_the_same_with_and_without_processes_that_load(tmp_path):
    terms = [{"name": "dice"}, {"name": "boundary", "from_step": 1}, {"name": "hausdorff", "until_step": 3}]
    trained = [
        weights(
            train(
                masks_config(loss=terms, workers=workers, accumulate=2), [volume()], tmp_path / str(workers)
            )
        )
        for workers in (0, 1)
    ]
    assert_same_weights(*trained)


def test_memory_has_the_maps():
    def estimate(name):
        config = masks_config(loss=[{"name": name}], patch_shape=[64, 64])
        return estimate_training(config, [((9, 99, 99), 9)]).host

    assert estimate("boundary") - estimate("dice") == 2 * 2 * 64 * 64 * 4 * 3
