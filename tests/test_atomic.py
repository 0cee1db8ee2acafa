"""Files and folders appear whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from objectwise.atomic import replaced_file, replaced_folder
from objectwise.networks import AffinityUNet, save_network


def test_file_appears_when_the_block_ends_well(tmp_path: Path):
    with replaced_file(tmp_path / "new" / "a.txt") as partial:
        partial.write_text("one")
        assert partial.suffix == ".txt"
        assert not (tmp_path / "new" / "a.txt").exists()
    assert (tmp_path / "new" / "a.txt").read_text() == "one"
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a.txt"]


def test_stopped_block_leaves_the_old_file_and_no_rest(tmp_path: Path):
    (tmp_path / "a.txt").write_text("old")

    def stopped() -> None:
        with replaced_file(tmp_path / "a.txt") as partial:
            partial.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()
    assert (tmp_path / "a.txt").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_link_stays_and_its_target_is_replaced(tmp_path: Path):
    (tmp_path / "target.txt").write_text("old")
    (tmp_path / "link.txt").symlink_to(tmp_path / "target.txt")
    with replaced_file(tmp_path / "link.txt") as partial:
        partial.write_text("new")
    assert (tmp_path / "link.txt").is_symlink()
    assert (tmp_path / "target.txt").read_text() == "new"


def test_folder_is_replaced_as_a_whole(tmp_path: Path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "old").write_text("")
    with replaced_folder(tmp_path / "a") as partial:
        partial.mkdir()
        (partial / "new").write_text("")
    assert [str(path.relative_to(tmp_path)) for path in sorted(tmp_path.rglob("*"))] == ["a", "a/new"]


def test_equal_networks_are_equal_files(tmp_path: Path):
    torch.manual_seed(0)
    network = AffinityUNet(2, 2, features=(4, 8))
    save_network(tmp_path / "a.pt", network)
    save_network(tmp_path / "b.pt", network)
    assert (tmp_path / "a.pt").read_bytes() == (tmp_path / "b.pt").read_bytes()
