"""Training of networks other than the U-Net: valid convolutions, other people's, and their files."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from objectwise.data import LabelledVolume, PatchSampler
from objectwise.errors import ArgumentError, CheckpointError
from objectwise.networks import load_network
from objectwise.tasks import AffinityTask
from objectwise.training import build_sampler, covered_by, network_of, train
from objectwise.training.patches import NumberedPatches
from tests.training.toys import toy_config, two_objects

VALID = {
    "name": "plain_unet",
    "options": {"depth": 2, "width_factor": 2, "padding": False, "batch_norm": True},
}
DROPPING = {"python": "tests.networks.anyones:Dropping"}
MASKS = {"name": "masks", "options": {"structures": ["first", "second"]}}


def config(network, **training):
    return toy_config(top={"network": network}, **{"patch_shape": [24, 24], **training})


def volume():
    return two_objects((4, 48, 48))


def test_truth_is_the_middle_that_the_output_covers():
    settings = config(VALID)
    assert covered_by(settings, (24, 24), name="patch") == (8, 8)
    sampler = build_sampler(settings, [volume()])
    whole = PatchSampler(
        [volume()],
        (24, 24),
        seed=settings.seed,
        augmentation=sampler._augmentation,
        normalisation=sampler.normalisation,
    )
    task = AffinityTask(settings.neighborhood)
    patches, uncut = NumberedPatches(sampler, task), NumberedPatches(whole, task)
    same = [index for index in range(20) if sampler.position(index) == whole.position(index)]
    assert same
    for index in same:
        patch = patches[index]
        assert patch["raw"].shape == (1, 24, 24)
        np.testing.assert_array_equal(patch["labels"], uncut[index]["labels"][8:16, 8:16])


@pytest.mark.parametrize("network", [VALID, DROPPING], ids=["valid", "dropping"])
def test_networks_train_alike_twice_and_come_back(tmp_path, network):
    made = []
    for name in ("one", "two"):
        torch.manual_seed(len(made))  # the state of the caller decides nothing
        path = train(config(network), [volume()], tmp_path / name)
        made.append(load_network(path, python=network.get("python")))
    first, second = (one.state_dict() for one in made)
    assert all(torch.equal(first[name], second[name]) for name in first)
    start = network_of(config(network)).state_dict()
    assert not any(torch.equal(first[name], start[name]) for name in first if name.endswith("weight"))
    assert made[0].record.window_shape == (24, 24)


def test_offsets_must_fit_into_what_is_covered(tmp_path):
    settings = toy_config(
        top={"network": VALID, "offsets": [[-1, 0], [0, -12]]}, patch_shape=[24, 24], loss={"name": "bce"}
    )
    with pytest.raises(ArgumentError, match=r"must be shorter than the volume \(8, 8\)"):
        train(settings, [volume()], tmp_path / "train")
    assert not (tmp_path / "train").exists()


def test_foreground_and_objects_are_asked_of_what_is_covered():
    labels = np.zeros((1, 24, 60), np.int64)
    labels[:, 8:16, 20:28], labels[:, :8], labels[:, :, :8] = 3, 5, 5
    one = LabelledVolume("one", np.zeros(labels.shape, np.uint8), labels)
    sampler = PatchSampler([one], (24, 24), covered=(8, 8), seed=0, minimum_foreground=0.6)
    assert {sampler.position(index).corner[2] for index in range(30)} <= set(range(9, 16))


def test_initial_weights_of_another_task_are_refused(tmp_path):
    start = train(toy_config(), [two_objects()], tmp_path / "start")
    settings = toy_config(top={"task": MASKS}, initial_weights=str(start), loss=[{"name": "cross_entropy"}])
    volume = two_objects()
    masks = LabelledVolume(
        "toy", volume.raw, classes=np.stack([volume.labels == 5, volume.labels > 5]).astype(int)
    )
    with pytest.raises(CheckpointError, match=r"must have the task of this run \(masks\), got affinities"):
        train(settings, [masks], tmp_path / "train")
