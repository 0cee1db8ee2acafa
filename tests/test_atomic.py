"""Files and folders appear whole or not at all."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
import torch

from objectwise.atomic import clear_partials, lock_file, one_writer, replaced_file, replaced_folder
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


@pytest.fixture
def flushed(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Path, set[str]]]:
    """What was flushed to the disk, and what lay in it then if it is a folder."""
    if not Path("/proc/self/fd").is_dir():
        pytest.skip("needs /proc to see which file a number stands for")
    seen: list[tuple[Path, set[str]]] = []

    def fsync(number: int) -> None:
        path = Path(f"/proc/self/fd/{number}").readlink()
        seen.append((path, {inner.name for inner in path.iterdir()} if path.is_dir() else set()))

    monkeypatch.setattr(os, "fsync", fsync)
    return seen


def test_name_of_a_file_survives_a_loss_of_power(tmp_path: Path, flushed: list[tuple[Path, set[str]]]):
    with replaced_file(tmp_path / "new" / "deep" / "a.txt") as partial:
        partial.write_text("one")
    # First the content, then the name, then the folders that were made for it.
    assert flushed[0][0].name.endswith("partial-a.txt")
    assert flushed[1:] == [
        (tmp_path / "new" / "deep", {"a.txt"}),
        (tmp_path / "new", {"deep"}),
        (tmp_path, {"new"}),
    ]


def test_folder_survives_a_loss_of_power_with_all_that_is_in_it(
    tmp_path: Path, flushed: list[tuple[Path, set[str]]]
):
    with replaced_folder(tmp_path / "a") as partial:
        (partial / "inner").mkdir(parents=True)
        (partial / "inner" / "file").write_text("one")
    names = [path.name for path, _ in flushed]
    assert names.index("file") < names.index("inner") < len(names) - 1
    assert flushed[-1][0] == tmp_path
    assert "a" in flushed[-1][1]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows opens no folders")
def test_disk_that_cannot_flush_folders_is_good_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    import errno
    import stat

    def fsync(number: int) -> None:
        if stat.S_ISDIR(os.fstat(number).st_mode):
            raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(os, "fsync", fsync)
    with replaced_file(tmp_path / "a.txt") as partial:
        partial.write_text("one")
    assert (tmp_path / "a.txt").read_text() == "one"


def test_only_what_a_kill_left_is_cleared(tmp_path: Path):
    kept = [".mine.partial-volume.h5", "a.h5", ".lock"]
    for name in kept:
        (tmp_path / name).write_text("kept")
    with replaced_file(tmp_path / "x" / "b.h5") as partial:
        rest = partial.with_name(partial.name)
        rest.write_text("half")
        (tmp_path / "x" / partial.name.replace("b.h5", "b.zarr")).mkdir()
        clear_partials(tmp_path)
        assert not list((tmp_path / "x").iterdir())
        rest.write_text("whole")
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        ".lock",
        ".mine.partial-volume.h5",
        "a.h5",
        "x",
    ]


def test_equal_networks_are_equal_files(tmp_path: Path):
    torch.manual_seed(0)
    network = AffinityUNet(2, 2, features=(4, 8))
    save_network(tmp_path / "a.pt", network)
    save_network(tmp_path / "b.pt", network)
    assert (tmp_path / "a.pt").read_bytes() == (tmp_path / "b.pt").read_bytes()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such locks")
def test_a_lock_that_goes_while_it_is_taken_is_taken_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    lock, taken = tmp_path / ".a.txt.lock", []

    def taken_late(number: int, *, patience: float) -> bool:
        taken.append(number)
        if len(taken) == 1:
            lock.unlink()  # by who held it before
        return lock_file(number, patience=patience)

    monkeypatch.setattr("objectwise.atomic.lock_file", taken_late)
    monkeypatch.setattr(Path, "exists", lambda path: True)  # it was, a moment ago
    with one_writer(tmp_path / "a.txt"):
        assert lock.stat().st_ino == os.fstat(taken[-1]).st_ino
    monkeypatch.undo()
    assert len(taken) == 2
    assert not lock.exists()
