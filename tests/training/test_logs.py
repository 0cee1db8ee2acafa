from __future__ import annotations

import math
import time
from itertools import islice

import pytest
import torch

from objectwise.curves import read_curves, read_metrics, share_of_waiting
from objectwise.training import train
from objectwise.training.logs import MetricsLogger
from objectwise.training.patches import NumberedPatches, WatchedLoader
from tests.training.toys import toy_config, two_objects


def write(path, steps, first_step=0):
    logger = MetricsLogger(path, terms=("bce", "malis"), first_step=first_step)
    for step in steps:
        logger.log_metrics({"loss": step / 3, "bce": step / 3, "learning_rate": 0.1}, step=step)
    logger.finalize("success")


def test_every_step_is_a_row_at_once(tmp_path):
    logger = MetricsLogger(tmp_path / "metrics.csv", terms=("bce", "malis"))
    for step in (1, 2):
        logger.log_metrics({"loss": 0.5, "bce": 0.5, "learning_rate": 0.1}, step=step)
        assert [row["step"] for row in read_metrics(tmp_path / "metrics.csv")] == list(range(1, step + 1))
    logger.finalize("success")


def test_terms_that_were_not_computed_are_nan(tmp_path):
    write(tmp_path / "metrics.csv", [1])
    row = read_metrics(tmp_path / "metrics.csv")[0]
    assert row["bce"] == 0.33333333
    assert math.isnan(row["malis"])


def test_resumed_log_equals_one_that_never_stopped(tmp_path):
    write(tmp_path / "whole.csv", range(1, 9))
    write(tmp_path / "resumed.csv", range(1, 7))
    with (tmp_path / "resumed.csv").open("a") as file:
        file.write("7,0.12")  # a kill cut the row short
    write(tmp_path / "resumed.csv", range(5, 9), first_step=4)
    assert (tmp_path / "resumed.csv").read_text() == (tmp_path / "whole.csv").read_text()


def test_new_run_starts_a_new_log(tmp_path):
    write(tmp_path / "metrics.csv", range(1, 5))
    write(tmp_path / "metrics.csv", [1])
    assert [row["step"] for row in read_metrics(tmp_path / "metrics.csv")] == [1]


def test_missing_log_has_no_rows(tmp_path):
    assert read_metrics(tmp_path / "metrics.csv") == []


def test_row_that_a_kill_cut_short_is_in_no_curve(tmp_path):
    write(tmp_path / "metrics.csv", [1, 2])
    with (tmp_path / "metrics.csv").open("a") as file:
        file.write("3,0.98,0.98,,0.1,4")  # it was to become 45.2 steps a second
    assert [row["step"] for row in read_metrics(tmp_path / "metrics.csv")] == [1, 2]
    assert read_curves(tmp_path / "metrics.csv")["step"].tolist() == [1, 2]


def test_share_of_waiting_follows_the_loader(tmp_path, monkeypatch):
    quick = train(toy_config(accumulate=2), [two_objects()], tmp_path / "quick").parent / "metrics.csv"
    load = NumberedPatches.__getitem__
    monkeypatch.setattr(
        NumberedPatches, "__getitem__", lambda self, index: (time.sleep(0.05), load(self, index))[1]
    )
    slow = train(toy_config(accumulate=2), [two_objects()], tmp_path / "slow").parent / "metrics.csv"
    shares = [[row["waiting"] for row in read_metrics(path)] for path in (quick, slow)]
    assert all(0 <= share <= 1 for share in shares[0] + shares[1])
    assert len(shares[1]) == 7
    assert share_of_waiting(slow) > max(0.5, share_of_waiting(quick))
    assert share_of_waiting(slow) == pytest.approx(sum(shares[1]) / 7)


def test_log_of_before_has_no_share_of_waiting(tmp_path):
    write(tmp_path / "metrics.csv", [1, 2])
    assert share_of_waiting(tmp_path / "metrics.csv") is None
    (tmp_path / "old.csv").write_text("step,loss\n1,0.5\n")
    assert share_of_waiting(tmp_path / "old.csv") is None


def test_watched_loader_yields_the_batches_and_counts_only_its_own_time():
    loader = WatchedLoader(torch.arange(6), batch_size=2)
    for batch, expected in zip(loader, ([0, 1], [2, 3], [4, 5]), strict=True):
        assert batch.tolist() == expected
        time.sleep(0.05)
    assert 0 < loader.waited < 0.05
    assert len(list(islice(loader, 1))) == 1
