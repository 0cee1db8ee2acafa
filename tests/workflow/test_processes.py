"""A training on several devices is done by several processes, and the rest of the run by one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from objectwise.data import write_volume
from objectwise.errors import ObjectwiseError
from objectwise.networks import load_network
from objectwise.training import read_metrics
from objectwise.workflow import run
from objectwise.workflow.layout import RunDirectory
from objectwise.workflow.processes import device_count, train_on_devices
from tests.workflow.tiny import cells, tiny_config, write_tiny

TWO = ["--set", "training.devices=2", "--set", "training.accelerator=cpu"]


def start(config: Path, directory: Path, *options: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "objectwise", "run", str(config), "--output", str(directory)]
    return subprocess.Popen(
        [*command, *TWO, *options],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + 120
    while not path.exists():
        assert time.monotonic() < deadline, f"no {path}"
        time.sleep(0.01)


@pytest.mark.slow
def test_two_devices_make_one_run(tmp_path: Path):
    process = start(write_tiny(tmp_path), tmp_path / "run")
    out, messages = process.communicate(timeout=300)
    assert process.returncode == 0, messages
    for step in ("train", "predict", "segment", "evaluate", "report"):
        assert messages.count(f"{step}: begun") == messages.count(f"{step}: done") == 1
    assert "Warning" not in messages
    assert "lower is better" in out
    rows = read_metrics(tmp_path / "run" / "train" / "metrics.csv")
    assert [row["step"] for row in rows] == list(range(1, 13))
    assert load_network(tmp_path / "run" / "train" / "network.pt").architecture["features"] == [4, 8]


@pytest.mark.slow
def test_loss_that_is_logged_is_the_mean_over_the_devices(tmp_path: Path):
    # A step of two devices has the patches of one device with batches of twice the size.
    setting = ["training.steps=5", "training.accelerator=cpu"]
    for name, more in (("one", "training.batch_size=4"), ("two", "training.devices=2")):
        run(tiny_config(tmp_path, *setting, more), tmp_path / name, only=["train"])
    one, two = (read_metrics(tmp_path / name / "train" / "metrics.csv") for name in ("one", "two"))
    assert two[0]["bce"] == pytest.approx(one[0]["bce"], rel=1e-5)


@pytest.mark.slow
def test_divergence_on_two_devices_is_one_sentence(tmp_path: Path):
    setting = ["training.learning_rate=1e30", "training.accelerator=cpu", "training.devices=2"]
    with pytest.raises(ObjectwiseError, match="it diverged in step") as raised:
        run(tiny_config(tmp_path, *setting), tmp_path / "run", only=["train"])
    assert str(raised.value).count("diverged") == 1
    assert "\n" not in str(raised.value)


@pytest.mark.slow
def test_killed_training_on_two_devices_leaves_no_process_and_goes_on(tmp_path: Path):
    config, train = write_tiny(tmp_path), tmp_path / "run" / "train"
    process = start(config, tmp_path / "run", "--set", "training.steps=60")
    wait_for(train / "checkpoints" / "last.ckpt")
    process.send_signal(signal.SIGKILL)
    process.communicate()
    time.sleep(2)
    size = (train / "metrics.csv").stat().st_size
    time.sleep(2)
    assert (train / "metrics.csv").stat().st_size == size, "the training goes on without its run"
    again = start(config, tmp_path / "run", "--set", "training.steps=60")
    _, messages = again.communicate(timeout=300)
    assert again.returncode == 0, messages
    assert "train: resumed" in messages
    rows = read_metrics(train / "metrics.csv")
    assert [row["step"] for row in rows] == list(range(1, 61))


@pytest.mark.slow
def test_refusal_of_a_rank_is_the_refusal_of_the_run(tmp_path: Path):
    run(tiny_config(tmp_path, "training.steps=5"), tmp_path / "run", only=["train"])
    with pytest.raises(ObjectwiseError, match=r"last\.ckpt must come from a run with this configuration"):
        train_on_devices(RunDirectory(tmp_path / "run"), "another", devices=2)
    write_volume(f"{tmp_path}/train.h5:volumes/raw", cells((10, 32, 32), seed=5)[0], overwrite=True)
    with pytest.raises(
        ObjectwiseError, match=r"data\.train\.0\.raw: .* must stay what the run was begun with"
    ):
        train_on_devices(RunDirectory(tmp_path / "run"), "another", devices=2)


def test_devices_are_counted(tmp_path: Path):
    cpu = "training.accelerator=cpu"
    assert device_count(tiny_config(tmp_path, cpu)) == 1
    assert device_count(tiny_config(tmp_path, cpu, "training.devices=auto")) == 1
    assert device_count(tiny_config(tmp_path, cpu, "training.devices=3")) == 3
