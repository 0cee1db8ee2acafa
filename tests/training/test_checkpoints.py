from __future__ import annotations

import random

import pytest
import torch

from objectwise.errors import CheckpointError
from objectwise.training.checkpoints import AtomicCheckpointIO, read_checkpoint

CONTENT = {
    "objectwise_run": "seed 1\nsteps 5",
    "objectwise_step": 3,
    "state_dict": {"w": torch.ones(1000)},
    "loops": {},
}


def test_checkpoint_is_the_old_one_until_the_new_one_is_whole(tmp_path, monkeypatch):
    path = tmp_path / "checkpoints" / "last.ckpt"
    AtomicCheckpointIO().save_checkpoint(CONTENT, path)

    def killed(content, file):
        file.write(b"half")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", killed)
        with pytest.raises(KeyboardInterrupt):
            AtomicCheckpointIO().save_checkpoint({**CONTENT, "objectwise_step": 4}, path)
    assert read_checkpoint(path, run=CONTENT["objectwise_run"])["objectwise_step"] == 3
    # What the kill left behind is in nobody's way.
    AtomicCheckpointIO().save_checkpoint({**CONTENT, "objectwise_step": 5}, path)
    assert read_checkpoint(path, run=CONTENT["objectwise_run"])["objectwise_step"] == 5
    assert [file.name for file in path.parent.iterdir()] == ["last.ckpt"]


def test_progress_of_loops_is_not_restored(tmp_path):
    AtomicCheckpointIO().save_checkpoint(CONTENT, tmp_path / "last.ckpt")
    assert "loops" not in AtomicCheckpointIO().load_checkpoint(tmp_path / "last.ckpt")


def test_damaged_checkpoint_is_named(tmp_path):
    path = tmp_path / "last.ckpt"
    AtomicCheckpointIO().save_checkpoint(CONTENT, path)
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(CheckpointError, match=r"last.ckpt must be a checkpoint .* damaged .* delete it"):
        read_checkpoint(path, run=CONTENT["objectwise_run"])


def test_checkpoint_of_another_configuration_is_refused_by_the_first_difference(tmp_path):
    AtomicCheckpointIO().save_checkpoint(CONTENT, tmp_path / "last.ckpt")
    with pytest.raises(
        CheckpointError, match=r"this configuration, but it has steps 5 where this has steps 6"
    ):
        read_checkpoint(tmp_path / "last.ckpt", run="seed 1\nsteps 6")


def test_every_flipped_bit_is_found(tmp_path):
    path = tmp_path / "last.ckpt"
    AtomicCheckpointIO().save_checkpoint(CONTENT, path)
    whole = path.read_bytes()
    choose = random.Random(0)
    for bit in [choose.randrange(8 * len(whole)) for _ in range(300)]:
        changed = bytearray(whole)
        changed[bit // 8] ^= 1 << (bit % 8)
        path.write_bytes(changed)
        with pytest.raises(CheckpointError, match=r"last.ckpt must be a checkpoint .*; delete it"):
            read_checkpoint(path, run=CONTENT["objectwise_run"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"objectwise_step": -5}, r"must hold the steps done \(0..9\), got -5; delete it"),
        ({"objectwise_step": 10}, r"must hold the steps done \(0..9\), got 10"),
        ({"objectwise_step": "3"}, r"must hold the steps done \(0..9\), got '3'"),
        ({"objectwise_step": True}, r"must hold the steps done \(0..9\), got True"),
        ({"objectwise_step": None}, r"must hold the steps done \(0..9\), got None"),
        ({"objectwise_run": None}, "it does not say of which run"),
        ({"state_dict": None}, "it holds no weights; delete it"),
        ({"state_dict": {}}, "it holds no weights; delete it"),
        ({"state_dict": {"w": torch.tensor([1.0, float("nan")])}}, "its weights 'w' are not finite"),
        ({"state_dict": {"w": torch.tensor([1.0, float("inf")])}}, "its weights 'w' are not finite"),
    ],
)
@pytest.mark.parametrize("sealed", [True, False])
def test_content_that_no_training_left_is_refused_in_a_sentence(tmp_path, change, message, sealed):
    path = tmp_path / "last.ckpt"
    content = CONTENT | change
    if sealed:
        AtomicCheckpointIO().save_checkpoint(content, path)
    else:
        torch.save(content, path)  # as before there were checksums
    with pytest.raises(CheckpointError, match=message) as raised:
        read_checkpoint(path, run=CONTENT["objectwise_run"], steps=9)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("content", [b"trash", b"", b"PK\x03\x04"])
def test_trash_is_no_checkpoint(tmp_path, content):
    (tmp_path / "last.ckpt").write_bytes(content)
    with pytest.raises(CheckpointError, match="damaged or something else; delete it"):
        read_checkpoint(tmp_path / "last.ckpt", run="")
