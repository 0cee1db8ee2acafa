"""Each key of the training, in trainings of a second: what it does, and that a kill changes nothing."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from lightning.pytorch import Callback

from objectwise.config.models import RunConfig
from objectwise.data import LabelledVolume, PatchAugmentation
from objectwise.data.augmentation import Magnitudes
from objectwise.data.balance import Balance
from objectwise.data.defects import Defects
from objectwise.errors import ArgumentError, CheckpointError
from objectwise.training import build_sampler, read_metrics, train
from objectwise.training.memory import estimate_training
from tests.training.test_train import InterruptAt, assert_same_weights, weights
from tests.training.toys import toy_config, two_objects

BCE = {"name": "bce"}
STILL = dict.fromkeys(("flip", "rotate", "elastic", "intensity"), 0.0)
PLAIN = {"loss": BCE, "augmentation": STILL, "schedule": {"name": "constant"}}

RESUMED = {
    "averaged": {"average_weights": 0.6},
    "accumulated": {"accumulate": 3, "batch_size": 1},
    "random pairs": {
        "accumulate": 2,
        "loss": [{"name": "maximin_pairs", "options": {"n_pairs": 8}}],
    },
    "sgd": {
        "optimiser": {"name": "sgd", "momentum": 0.8, "nesterov": True},
        "schedule": {"name": "poly", "power": 2.0, "warmup_steps": 2},
        "clip_gradient": 0.1,
    },
    "adam": {"optimiser": {"name": "adam", "betas": [0.5, 0.9]}, "schedule": {"name": "cosine"}},
    "all": {
        "average_weights": 0.5,
        "accumulate": 2,
        "optimiser": {"name": "sgd"},
        "clip_gradient": 1.0,
        "balance": {"around": "objects", "minimum_objects": 2},
        "augmentation": {
            "elastic": 1.0,
            "magnitudes": {"elastic_spacing": 9, "noise": 0.2},
            "defects": {"blurred": 0.5, "artefact": 0.5},
        },
        "workers": 1,
    },
}


class Watch(Callback):
    """Keep the weights after each step."""

    def __init__(self):
        self.weights = []

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        if pl_module.ends_step(batch_idx):
            self.weights.append({k: v.clone() for k, v in pl_module.network.state_dict().items()})


@pytest.mark.parametrize("options", RESUMED.values(), ids=RESUMED)
def test_killed_and_resumed_training_ends_with_the_same_bytes(tmp_path, options):
    config = toy_config(**options)
    whole = train(config, [two_objects()], tmp_path / "whole")
    for step in (4, 6):
        with pytest.raises(KeyboardInterrupt):
            train(config, [two_objects()], tmp_path / "killed", callbacks=[InterruptAt(step)])
    killed = train(config, [two_objects()], tmp_path / "killed")
    assert killed.read_bytes() == whole.read_bytes()
    checkpoints = [weights(path.parent / "checkpoints" / "last.ckpt") for path in (killed, whole)]
    assert_same_weights(*checkpoints)


@pytest.mark.parametrize(
    "change",
    [
        {"average_weights": 0.9},
        {"accumulate": 2},
        {"clip_gradient": 0.01},
        {"optimiser": {"name": "adam"}},
        {"optimiser": {"betas": [0.5, 0.9]}},
        {"schedule": {"name": "constant"}},
        {"schedule": {"warmup_steps": 2}},
        {"balance": {"around": "objects", "share": 1.0}},
        {"augmentation": {"intensity": 1.0, "magnitudes": {"noise": 0.5}}},
        {"augmentation": {"defects": {"low_contrast": 1.0}}},
    ],
)
def test_each_key_changes_what_is_trained(tmp_path, change):
    trained = [
        weights(train(toy_config(steps=3, loss=BCE, **options), [two_objects()], tmp_path / name))
        for name, options in (("with", change), ("without", {}))
    ]
    assert any(not torch.equal(trained[0][name], trained[1][name]) for name in trained[0])


def test_network_holds_the_mean_of_the_weights_and_checkpoints_hold_both(tmp_path):
    watch = Watch()
    path = train(toy_config(average_weights=0.6), [two_objects()], tmp_path, callbacks=[watch])
    mean, *others = watch.weights
    for step in others:
        mean = {name: 0.6 * mean[name] + 0.4 * step[name] for name in mean}
    torch.testing.assert_close(weights(path), mean)
    kept = weights(tmp_path / "checkpoints" / "last.ckpt")
    for name, tensor in weights(path).items():
        assert torch.equal(kept[f"average.module.{name}"], tensor)
        assert torch.equal(kept[f"network.{name}"], watch.weights[-1][name])
    # As one killed before the network was written completes it.
    before = path.read_bytes()
    path.unlink()
    train(toy_config(average_weights=0.6), [two_objects()], tmp_path)
    assert path.read_bytes() == before


def test_accumulated_batches_are_one_large_batch(tmp_path):
    sgd = {"optimiser": {"name": "sgd"}, "learning_rate": 0.1, **PLAIN}
    one = train(toy_config(batch_size=4, **sgd), [two_objects()], tmp_path / "one")
    two = train(toy_config(batch_size=2, accumulate=2, **sgd), [two_objects()], tmp_path / "two")
    torch.testing.assert_close(weights(one), weights(two), rtol=1e-4, atol=1e-6)
    rows = [read_metrics(path.parent / "metrics.csv") for path in (one, two)]
    for name in ("step", "loss", "bce", "learning_rate"):
        np.testing.assert_allclose(*[[row[name] for row in table] for table in rows], rtol=1e-5)


def test_clipped_gradient_is_no_longer_than_asked_for(tmp_path):
    plain = {"optimiser": {"name": "sgd", "momentum": 0.0}, "learning_rate": 1.0, "weight_decay": 0.0}
    moved = []
    for clip in (None, 1e-3):
        watch = Watch()
        config = toy_config(steps=2, clip_gradient=clip, **plain, **PLAIN)
        train(config, [two_objects()], tmp_path / str(clip), callbacks=[watch])
        first, second = watch.weights
        steps = [(second[name] - first[name]).double().square().sum() for name in first]
        moved.append(float(sum(steps)) ** 0.5)
    assert moved[0] > 0.01
    assert moved[1] == pytest.approx(1e-3, rel=0.01)


def test_another_accumulation_is_another_training(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        train(toy_config(), [two_objects()], tmp_path, callbacks=[InterruptAt(5)])
    for change in ({"accumulate": 2}, {"average_weights": 0.9}):
        with pytest.raises(CheckpointError, match=next(iter(change))):
            train(toy_config(**change), [two_objects()], tmp_path)


def test_patches_follow_the_balance_of_the_configuration():
    labels = np.zeros((1, 40, 50), np.int64)
    labels[:, :, :30], labels[0, 20, 45] = 2, 7
    volume = LabelledVolume("v", labels.astype(np.uint8), labels)
    rare = []
    for balance in ({"around": "objects", "share": 1.0}, {}):
        config = toy_config(balance=balance, minimum_foreground=0.0, augmentation=STILL)
        sampler = build_sampler(config, [volume])
        rare.append(sum((sampler[i].raw * 255 > 6).any() for i in range(60)))
    assert rare[0] > 15 > rare[1]
    config = toy_config(balance={"minimum_objects": 2, "minimum_object_size": 3}, augmentation=STILL)
    assert build_sampler(config, [two_objects()]).balance == Balance(minimum_objects=2, minimum_object_size=3)


def test_objects_cannot_be_counted_without_ids():
    classes = np.ones((1, 16, 16), np.uint8)
    volume = LabelledVolume("v", classes, None, classes)
    with pytest.raises(ArgumentError, match=r"`minimum_objects` needs labels .* got none of v"):
        build_sampler(toy_config(balance={"minimum_objects": 2}), [volume])


@pytest.mark.parametrize(
    ("section", "twin"),
    [("balance", Balance), ("augmentation.magnitudes", Magnitudes), ("augmentation.defects", Defects)],
)
def test_defaults_of_the_configuration_are_those_of_the_library(section, twin):
    config = toy_config().training
    for part in section.split("."):
        config = getattr(config, part)
    assert config.model_dump() == vars(twin())


def test_augmentation_at_its_defaults_is_that_of_before():
    config = toy_config()
    sampler = build_sampler(config, [two_objects()])
    before = PatchAugmentation(2, flip=0.5, rotate=0.5, elastic=0.2, intensity=0.5)
    patch = build_sampler(toy_config(augmentation=STILL), [two_objects()])[3]
    np.testing.assert_array_equal(before(patch, 11).raw, sampler._augmentation(patch, 11).raw)


def test_keys_at_their_defaults_change_no_run():
    tree = toy_config().tree_of_results()["training"]
    new = {
        "clip_gradient", "accumulate", "average_weights", "optimiser", "schedule", "balance",
    }  # fmt: skip
    assert not new & set(tree)
    assert "augmentation" not in tree
    named = toy_config(optimiser={"name": "adamw"}, balance={"around": "anywhere"}, accumulate=1)
    assert named.tree_of_results() == toy_config().tree_of_results()
    changed = toy_config(optimiser={"name": "sgd"}, augmentation={"defects": {"blurred": 0.1}})
    tree = changed.tree_of_results()["training"]
    assert tree["optimiser"] == {"name": "sgd"}
    assert tree["augmentation"] == {"defects": {"blurred": 0.1}}
    assert RunConfig.model_validate_json(changed.model_dump_json(by_alias=True)) == changed


def test_memory_has_the_mean_of_the_weights_and_the_places_of_objects():
    def estimate(**options):
        return estimate_training(toy_config(minimum_foreground=0.0, **options), [((9, 99, 99), 9)])

    assert estimate(average_weights=0.9).device > estimate().device
    assert estimate(balance={"around": "objects"}).host >= estimate().host + 4 * 9 * 99 * 99
