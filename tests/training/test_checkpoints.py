from __future__ import annotations

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
