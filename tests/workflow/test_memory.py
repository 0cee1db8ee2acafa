"""What cannot fit into memory is refused before anything is written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from objectwise.config import RunConfig
from objectwise.errors import ConfigError
from objectwise.workflow import run
from tests.workflow.tiny import tiny_config


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        (
            "training.batch_size=1000000000",
            r"training: the training must fit .* take a smaller training\.patch",
        ),
        (
            "network.features=[1000000, 1000000]",
            "training: the training must fit into the memory of the device",
        ),
        ("prediction.batch_size=1000000000", r"prediction: the prediction of data\.evaluate\.0 must fit"),
        (
            "prediction.window_shape=[100000, 100000, 100000]",
            r"prediction: the prediction of data\.evaluate\.0",
        ),
    ],
)
def test_run_that_cannot_fit_is_refused_before_anything_is_written(
    tmp_path: Path, setting: str, message: str
):
    config = tiny_config(tmp_path, setting, "training.accelerator=cpu")
    with pytest.raises(ConfigError, match=message):
        run(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_prediction_of_several_channels_is_looked_at(tmp_path: Path):
    config = tiny_config(tmp_path, "prediction.batch_size=1000000000", "training.accelerator=cpu")
    tree = config.model_dump(mode="json")
    tree["data"]["channels"] = 2
    for volume in (*tree["data"]["train"], *tree["data"]["evaluate"]):
        volume["raw"] = [volume["raw"]] * 2
    with pytest.raises(ConfigError, match=r"prediction: the prediction of data\.evaluate\.0 must fit"):
        run(RunConfig.model_validate_json(json.dumps(tree)), tmp_path / "run")


def test_what_is_done_needs_no_memory_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    config = tiny_config(tmp_path, "training.steps=5", "training.accelerator=cpu")
    run(config, tmp_path / "run", only=["train", "predict"])
    monkeypatch.setattr("objectwise.networks.machine.memory_of", lambda device: 1)
    run(config, tmp_path / "run")
    with pytest.raises(ConfigError, match="the training must fit"):
        run(config, tmp_path / "another")
