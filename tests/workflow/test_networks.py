"""Runs of other networks than the U-Net, from files to scores."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from objectwise.cli.main import app
from objectwise.data import write_volume
from objectwise.errors import ConfigError, ObjectwiseWarning
from objectwise.networks import load_network
from objectwise.pipeline import read_prediction
from objectwise.workflow import run
from tests.workflow.tiny import cells, tiny_config, write_tiny

OWN = "tests.networks.anyones:"
MALA = "network={name: mala, options: {features: 2, growth: 2, factors: [[1, 2, 2]]}}"
UNET = "network={name: monai.UNet, options: {channels: [4, 8], strides: [2], dropout: 0.1}}"


def run_by_command(folder: Path, *settings: str) -> Path:
    """Run `objectwise run` on larger volumes than the usual ones; return the run's folder."""
    file = write_tiny(folder)
    raw, labels = cells((16, 40, 40), seed=0)
    for place, array in (("raw", raw), ("labels/neuron_ids", labels)):
        write_volume(f"{folder}/train.h5:volumes/{place}", array, voxel_size=(30, 6, 6), overwrite=True)
    overrides = [part for setting in settings for part in ("--set", setting)]
    done = CliRunner().invoke(app, ["run", str(file), "--output", str(folder / "run"), *overrides])
    assert done.exit_code == 0, done.output
    return folder / "run"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("network", "patch"),
    [(MALA, [14, 24, 24]), (UNET, [8, 16, 16]), (f"network={{python: '{OWN}Own'}}", [8, 16, 16])],
    ids=["mala", "monai", "own"],
)
def test_run_trains_predicts_and_scores(tmp_path: Path, network: str, patch: list[int]):
    folder = run_by_command(
        tmp_path, network, f"training.patch_shape={patch}", "training.steps=4", "training.loss.warmup_steps=2"
    )
    made = load_network(folder / "train" / "network.pt", python=OWN + "Own")
    assert made.record.window_shape == tuple(patch)
    prediction = read_prediction(f"{folder}/predict/test.h5:volumes/predictions/affinities")
    assert prediction.array.shape == (3, 8, 32, 24)
    assert np.isfinite(prediction.array).all()
    assert json.loads((folder / "evaluate" / "scores.json").read_text())["volumes"]["test"]


@pytest.mark.parametrize(
    ("network", "words"),
    [
        ("vnet", "network: `network` must be one of unet, mala, .* got 'vnet'"),
        ("{name: plain_unet}", "network: the network 'plain_unet' must have dimensions: 2, got 3"),
        ("{name: mala, options: {depth: 3}}", r"network: `network.options` must be among .* got 'depth'"),
        (
            "mala",
            r"network: `training.patch_shape` must have spatial lengths that valid .* got \(8, 16, 16\)",
        ),
        ("{python: 'nowhere:Net'}", "network: `network` must name a class that imports, got 'nowhere:Net'"),
        (f"{{python: '{OWN}OneMore'}}", "network: the network .*OneMore must return 3 channels, .* got 4"),
        (f"{{python: '{OWN}Halved'}}", r"network: the network .*Halved must return the resolution"),
        (
            f"{{python: '{OWN}Several'}}",
            r"network: a network must return \(n, k, \*spatial\) in training too",
        ),
        (
            "{name: monai.UNet, options: {channels: [2, 4, 8], strides: [2, 8]}}",
            r"`training.patch_shape` must fit the network, got .*; nearest that fit: \(32, 32, 32\)",
        ),
    ],
)
def test_networks_that_do_not_fit_are_found_before_anything_is_written(
    tmp_path: Path, calls: list[str], network: str, words: str
):
    config = tiny_config(tmp_path, f"network={network}")
    with pytest.raises(ConfigError, match=words) as raised:
        run(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()
    assert not calls
    assert "Traceback" not in str(raised.value)


def test_a_network_without_an_estimate_of_its_memory_is_said(tmp_path: Path, calls: list[str]):
    config = tiny_config(tmp_path, f"network={{python: '{OWN}Looks'}}")
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", ObjectwiseWarning)
        run(config, tmp_path / "run")
    for what in ("a step of the training", "the prediction of data.evaluate.0"):
        sentence = f"the memory of {what} cannot be told before it begins: its network does not run without"
        assert any(str(one.message).startswith(sentence) for one in said)
