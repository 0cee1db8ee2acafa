"""`objectwise predict` on plain files: all it needs beside the raw volume is in network.pt."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from objectwise.cli.main import app
from objectwise.data import write_volume
from objectwise.networks import AffinityUNet


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    write_volume(
        tmp_path / "raw.tif", np.random.default_rng(0).integers(0, 256, (8, 16, 16)).astype(np.uint8)
    )
    return tmp_path / "raw.tif"


def predict(network: Path, raw: Path, *more: object, code: int = 0) -> str:
    """Return what `objectwise predict` said to stderr."""
    place = network.parent / "a.h5"
    arguments = ["predict", "--network", network, "--raw", raw, "--output", place, *more]
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output
    return result.stderr


def test_network_of_the_first_format_is_taken_with_a_sentence(tmp_path: Path, raw: Path):
    network = AffinityUNet(3, 3, features=[4, 8])
    content = {"architecture": network.architecture, "state_dict": network.state_dict()}
    torch.save(content, tmp_path / "old.pt")
    said = predict(tmp_path / "old.pt", raw, "--window-shape", "8,16,16", "--dry-run")
    assert said.startswith(f"warning: {tmp_path / 'old.pt'} is of the first format")
    assert "nearest neighbours" in said


def test_trash_is_misuse_in_one_sentence(tmp_path: Path, raw: Path):
    (tmp_path / "trash.pt").write_bytes(b"trash")
    said = predict(tmp_path / "trash.pt", raw, code=2)
    assert said.startswith(
        f"error: {tmp_path / 'trash.pt'} must be a network file, but it is damaged or something"
    )
    assert said.count("\n") == 1
