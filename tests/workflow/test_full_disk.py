"""A run that fills the disk says so, exits with 1, and ends with the same bytes once there is space."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.disks import make_larger, small_disk
from tests.workflow.tiny import write_tiny
from tests.workflow.whole_runs import finish, results, start


@pytest.mark.slow
def test_run_on_a_full_disk_goes_on_when_there_is_space(tmp_path: Path):
    config = write_tiny(tmp_path / "inputs")
    finish(config, tmp_path / "whole")
    with small_disk(tmp_path / "small", kilobytes=64) as disk:
        # In the training, while the affinities are written, while the page is.
        for kilobytes, step in ((64, "train"), (200, "predict"), (600, "report")):
            make_larger(disk, kilobytes=kilobytes)
            process = start(config, disk / "run")
            _, messages = process.communicate(timeout=300)
            assert process.returncode == 1, messages
            assert "No space left on device" in messages.splitlines()[-1]
            assert f"{step}: " in messages.splitlines()[-2]
            assert "Traceback" not in messages
        make_larger(disk, kilobytes=10_000)
        assert "evaluate: complete, skipped" in finish(config, disk / "run")
        assert results(disk / "run") == results(tmp_path / "whole")
        for volume in ("train", "test"):
            affinities = Path("predict") / f"{volume}.h5"
            assert (disk / "run" / affinities).read_bytes() == (tmp_path / "whole" / affinities).read_bytes()
        assert not list(disk.rglob(".*.partial-*"))
