"""An HDF5 file stays whole: through kills, on a full disk, beside other programs."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import h5py
import numpy as np
import pytest

from objectwise.data import read_volume, volume_exists, write_volume
from objectwise.data.formats import hdf5_file, hdf5_pages
from objectwise.errors import VolumeError, VolumeWriteError
from tests.disks import small_disk

OLD = np.random.default_rng(0).integers(0, 2**64, (5, 40, 50), dtype=np.uint64)
NEW = np.random.default_rng(1).integers(0, 2**64, (40, 30, 30), dtype=np.uint64)


KINDS = ["plain", "latest", "user block", "rest behind the end"]


def make(kind: str, folder: Path) -> Path:
    """Write a file with groups, attributes and a data set."""
    options = {"latest": {"libver": "latest"}, "user block": {"userblock_size": 1024}}
    path = folder / "a.h5"
    with h5py.File(path, "w", **options.get(kind, {})) as file:
        file["volumes/raw"] = OLD
        file["volumes"].attrs["comment"] = "of the group"
        file["volumes/raw"].attrs["comment"] = "of the data set"
        file.attrs["comment"] = "of the file"
    if kind == "user block":
        with path.open("r+b") as content:
            content.write(b"a block of my own")
    if kind == "rest behind the end":  # as a killed write leaves it
        with path.open("ab") as content:
            content.write(bytes(100_000))
    return path


@pytest.fixture(params=KINDS)
def file(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A file of each kind."""
    return make(request.param, tmp_path)


def check_old(file: Path) -> None:
    with h5py.File(file) as opened:
        np.testing.assert_array_equal(opened["volumes/raw"][...], OLD)
        kept = [item.attrs["comment"] for item in (opened, opened["volumes"], opened["volumes/raw"])]
        assert kept == ["of the file", "of the group", "of the data set"]


def stated(file: Path) -> bytes:
    """Return the content that the file says it has."""
    with file.open("rb", buffering=0) as disk:
        return hdf5_pages.read_at(disk, 0, hdf5_pages.stated_end(disk))


def run(script: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", textwrap.dedent(script), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)


@pytest.mark.parametrize("name", ["new", "volumes/new", "volumes/labels/new"])
def test_new_data_set_is_appended_and_nothing_is_copied(
    file: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = file.stat().st_ino
    monkeypatch.setattr(shutil, "copyfile", None)
    write_volume(f"{file}:{name}", NEW, voxel_size=(3, 2, 1))
    check_old(file)
    volume = read_volume(f"{file}:{name}")
    np.testing.assert_array_equal(volume.array, NEW)
    assert volume.voxel_size == (3.0, 2.0, 1.0)
    assert file.stat().st_ino == before
    assert [item.name for item in file.parent.iterdir()] == ["a.h5"]


def test_block_of_the_user_stays(file: Path) -> None:
    start = file.read_bytes()[:17]
    for name in ("new", "newer"):
        write_volume(f"{file}:{name}", NEW)
    if start != b"\x89HDF\r\n\x1a\n":
        assert file.read_bytes()[:17] == start
    check_old(file)


def test_rights_stay(file: Path) -> None:
    file.chmod(0o640)
    owner = (1234, 2345) if os.geteuid() == 0 else (os.geteuid(), os.getegid())
    os.chown(file, *owner)
    try:
        os.setxattr(file, "user.comment", b"kept")
        attributes = {"user.comment": b"kept"}
    except OSError:  # a disk without
        attributes = {}
    for overwrite in (False, True):
        write_volume(f"{file}:new", NEW, overwrite=overwrite)
        status = file.stat()
        assert (status.st_mode & 0o777, status.st_uid, status.st_gid) == (0o640, *owner)
        assert {name: os.getxattr(file, name) for name in attributes} == attributes
    check_old(file)


def test_data_set_is_replaced_in_a_copy(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_volume(f"{file}:new", NEW)
    with h5py.File(file) as reader:
        write_volume(f"{file}:new", NEW[:3], overwrite=True)
        np.testing.assert_array_equal(reader["new"][...], NEW)
    np.testing.assert_array_equal(read_volume(f"{file}:new").array, NEW[:3])
    check_old(file)


def test_file_that_someone_reads_does_not_change_under_him(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hdf5_file, "_PATIENCE", 0.0)
    with h5py.File(file) as reader:
        write_volume(f"{file}:new", NEW)
        assert "new" not in reader
        np.testing.assert_array_equal(reader["volumes/raw"][...], OLD)
    np.testing.assert_array_equal(read_volume(f"{file}:new").array, NEW)
    check_old(file)


def test_file_that_another_program_writes_is_refused(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hdf5_file, "_PATIENCE", 0.0)
    message = r"a\.h5 must not be open for writing in another program, got one that has it open; close it"
    with file.open("r+b") as other:
        fcntl.flock(other, fcntl.LOCK_EX)  # as HDF5 does in another process
        for doing in (volume_exists, read_volume, lambda place: write_volume(place, NEW)):
            with pytest.raises(VolumeError, match=message):
                doing(f"{file}:new")


def test_file_that_takes_up_free_space_inside_is_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with h5py.File(tmp_path / "a.h5", "w", fs_strategy="fsm", fs_persist=True) as file:
        file["old"] = np.zeros(10**6, np.uint8)
        file["kept"] = OLD
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        del file["old"]
    monkeypatch.setattr(hdf5_pages, "_MOST_HELD", 2**16)
    write_volume(tmp_path / "a.h5:new", NEW)
    np.testing.assert_array_equal(read_volume(tmp_path / "a.h5:new").array, NEW)
    np.testing.assert_array_equal(read_volume(tmp_path / "a.h5:kept").array, OLD)


def test_link_to_another_file_is_not_followed_for_writing(tmp_path: Path) -> None:
    write_volume(tmp_path / "b.h5:raw", OLD)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["other"] = h5py.ExternalLink("b.h5", "/")
    np.testing.assert_array_equal(read_volume(tmp_path / "a.h5:other/raw").array, OLD)
    with pytest.raises(VolumeError, match="must lie in the file, got the link 'other' to another one"):
        write_volume(tmp_path / "a.h5:other/new", NEW)


WRITERS = """
    import sys
    import numpy as np
    from objectwise.data import write_volume
    from objectwise.errors import VolumeError
    file, own, groups = sys.argv[1:]
    lost = 0
    for number in range(8):
        write_volume(f"{file}:{groups}{own}/{number}", np.full((2, 3, 4), number, np.uint8))
        try:
            write_volume(f"{file}:{groups}both/{number}", np.full((2, 3, 4), number, np.uint8))
        except VolumeError as error:
            assert "must not exist yet" in str(error), error
            lost += 1
    print(lost)
"""


@pytest.mark.parametrize("name", ["a.h5", "a.zarr"])
def test_processes_that_write_into_one_file_lose_nothing(name: str, tmp_path: Path) -> None:
    place = tmp_path / name
    command = [sys.executable, "-c", textwrap.dedent(WRITERS), str(place)]
    processes = [
        subprocess.Popen([*command, own, "volumes/"], stdout=subprocess.PIPE, text=True) for own in "ab"
    ]
    outputs = [process.communicate(timeout=300)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert sum(int(output) for output in outputs) == 8
    for number in range(8):
        for group in ("a", "b", "both"):
            assert (read_volume(f"{place}:volumes/{group}/{number}").array == number).all()
    assert [item.name for item in tmp_path.iterdir()] == [name]


KILLS = """
    import os, shutil, sys
    import h5py, numpy as np
    from objectwise.data import write_volume
    from objectwise.data.formats import hdf5_file, hdf5_pages
    original, folder, name = sys.argv[1:]
    new = np.random.default_rng(1).integers(0, 2**64, (40, 30, 30), dtype=np.uint64)
    write, count, kill_at, code = hdf5_pages.write_at, 0, 0, None

    def write_at(disk, at, data):
        global count
        if count == kill_at:
            write(disk, at, data[: len(data) // 2])
            os.kill(os.getpid(), 9)
        count += 1
        write(disk, at, data)

    hdf5_pages.write_at = hdf5_file.write_at = write_at
    while code != 0:
        os.mkdir(f"{folder}/{kill_at}")
        file = shutil.copy(original, f"{folder}/{kill_at}/a.h5")
        if os.fork() == 0:
            write_volume(f"{file}:{name}", new, overwrite=True)
            os._exit(0)
        code = os.waitstatus_to_exitcode(os.wait()[1])
        assert code in (0, -9), code
        kill_at += 1
"""


@pytest.mark.parametrize("name", ["volumes/new", "volumes/raw"])
def test_kill_at_any_write_leaves_the_file_as_it_was_or_done(name: str, tmp_path: Path) -> None:
    original, runs = tmp_path / "original.h5", tmp_path / "runs"
    write_volume(f"{original}:volumes/raw", OLD)
    runs.mkdir()
    done = run(KILLS, original, runs, name)
    assert done.returncode == 0, done.stderr
    seen = []
    for file in sorted(runs.glob("*/a.h5"), key=lambda file: int(file.parent.name)):
        seen.append(is_done := volume_exists(f"{file}:volumes/new") or len(read_old(file)) == len(NEW))
        if name == "volumes/new":
            np.testing.assert_array_equal(read_old(file), OLD)
        if not is_done:  # it can be done again
            write_volume(f"{file}:{name}", NEW, overwrite=True)
        np.testing.assert_array_equal(read_volume(f"{file}:{name}").array, NEW)
        assert not list(file.parent.glob(".*.journal"))
    assert len(seen) > 5
    assert seen == sorted(seen)
    # A journal was completed at least once, and at last nothing was killed.
    assert sum(seen) > (name == "volumes/new")


def read_old(file: Path) -> np.ndarray:
    return read_volume(f"{file}:volumes/raw").array


def test_journal_that_does_not_fit_is_not_applied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "a.h5"
    write_volume(f"{place}:raw", OLD)
    monkeypatch.setattr(hdf5_file, "_complete", lambda *_: None)  # as if killed before
    write_volume(f"{place}:new", NEW)
    monkeypatch.undo()
    with h5py.File(place, "r+") as file:
        file["stranger"] = 3
    with pytest.raises(VolumeError, match=r"must be as a killed write left it, .*delete \.a\.h5\.journal"):
        read_volume(f"{place}:raw")
    (tmp_path / ".a.h5.journal").unlink()
    np.testing.assert_array_equal(read_volume(f"{place}:raw").array, OLD)


def test_interrupt_waits_until_hdf5_is_not_at_work(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = stated(file)
    original = hdf5_pages.write_at

    def write_at(*what: object) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        original(*what)

    monkeypatch.setattr(hdf5_pages, "write_at", write_at)
    for name in ("new", "volumes/raw"):
        with pytest.raises(KeyboardInterrupt):
            write_volume(f"{file}:{name}", NEW, overwrite=True)
        assert stated(file) == before
        assert [item.name for item in file.parent.iterdir()] == ["a.h5"]


FULL = """
    import errno, sys
    import numpy as np
    from objectwise.data import read_volume, volume_exists, write_volume
    from objectwise.data.formats import hdf5_file, hdf5_pages
    from objectwise.errors import VolumeWriteError
    once, *files = sys.argv[1:]
    write, count, full_at = hdf5_pages.write_at, 0, -1

    def write_at(disk, at, data):
        global count
        count += 1
        if count == full_at or (once != "once" and 0 < full_at < count):
            raise OSError(errno.ENOSPC, "No space left on device")
        write(disk, at, data)

    hdf5_pages.write_at = hdf5_file.write_at = write_at
    for place in [f"{file}:volumes/new" for file in files for _ in range(2)]:
        old, was_there = read_volume(place.replace("new", "raw")).array, volume_exists(place)
        new = np.random.default_rng(was_there).integers(0, 2**64, (40, 30, 30), dtype=np.uint64)
        for full_at in range(1, 100):
            count = 0
            try:
                write_volume(place, new, overwrite=True)
            except VolumeWriteError as error:
                assert "No space left on device" in str(error), error
                failed, full_at = full_at, -1
                assert (read_volume(place.replace("new", "raw")).array == old).all()
                assert once != "once" or volume_exists(place) == was_there
            else:
                break
        assert failed > 5, failed
        assert (read_volume(place).array == new).all()
"""


@pytest.mark.parametrize("once", ["once", "from then on"])
def test_disk_that_is_full_at_any_write_is_a_sentence_and_no_crash(once: str, tmp_path: Path) -> None:
    files = []
    for kind in KINDS:
        (tmp_path / kind).mkdir()
        files.append(make(kind, tmp_path / kind))
    done = run(FULL, once, *files)
    assert (done.returncode, done.stderr) == (0, "")
    for file in files:
        check_old(file)


def test_file_without_rights_to_write_is_refused(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(VolumeError, match="must be in a file that may be written"):
        write_volume(f"{file}:new", NEW)


@pytest.mark.parametrize(
    "name", ["a.h5:raw", "a.h5:labels/raw", "b.h5:raw", "b.zarr:raw", "b.tif", "b.nii", "b"]
)
def test_full_disk_is_a_sentence_in_every_format(name: str, tmp_path: Path) -> None:
    with small_disk(tmp_path / "small", kilobytes=100) as disk:
        check_full_disk(disk, name)


def check_full_disk(disk: Path, name: str) -> None:
    write_volume(disk / "a.h5:raw", OLD[:2])
    before = {path.name: path.read_bytes() for path in disk.iterdir()}
    script = """
        import sys
        import numpy as np
        from objectwise.data import write_volume
        from objectwise.errors import VolumeWriteError
        dtype = np.uint16 if sys.argv[1].endswith("/b") else np.uint64
        noise = np.random.default_rng(0).integers(0, 2**16, (40, 64, 64)).astype(dtype)
        try:
            write_volume(sys.argv[1], noise * noise, overwrite=True)
        except VolumeWriteError as error:
            print(error)
    """
    done = run(script, disk / name)
    assert (done.returncode, done.stderr) == (0, "")
    assert re.search("No space left on device|requested and .* written", done.stdout)
    assert {path.name: path.read_bytes() for path in disk.iterdir()} == before


def test_failure_of_the_disk_while_the_journal_is_written_changes_nothing(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    before = stated(file)
    monkeypatch.setattr(hdf5_file, "write_json", full)
    with pytest.raises(VolumeWriteError, match="No space left"):
        write_volume(f"{file}:new", NEW)
    assert stated(file) == before
