"""Compiled code is kept by the text of all kernels: in new processes, on a copy of the package."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import objectwise
from objectwise.kernels.compiling import TEXT, _Files

CODE = """
import numpy as np
from objectwise.kernels.components import numbered
print(numbered(np.array([~2, 0, ~1], np.{dtype})).tolist())
"""
"""Calls `find`, which stands in another file: voxel 1 lies under voxel 0."""
RESULT = "[1, 1, 0]"


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A copy of the package, without anything compiled."""
    copy = tmp_path / "site" / "objectwise"
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(Path(objectwise.__file__).parent, copy, ignore=ignored)
    return copy


def run(package: Path, dtype="int32", **environment: str) -> str:
    """Number the sets of three voxels in a new process, whose home is beside the package."""
    variables = {name: value for name, value in os.environ.items() if not name.startswith(("NUMBA", "XDG"))}
    variables |= {"PYTHONPATH": str(package.parent), "HOME": str(package.parents[1] / "home"), **environment}
    done = subprocess.run(
        [sys.executable, "-c", CODE.format(dtype=dtype)],
        env=variables, capture_output=True, text=True, check=False, cwd=package.parent,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def kept(folder: Path) -> dict[str, float]:
    """When each file of compiled code was written."""
    return {str(path): path.stat().st_mtime for path in folder.rglob("*.nbc")}


def test_a_change_in_an_inlined_file_is_seen(package: Path):
    assert run(package) == RESULT
    before = kept(package)
    assert run(package) == RESULT
    assert kept(package) == before != {}  # taken from the disk
    inlined = package / "kernels" / "union_find.py"
    text = inlined.read_text()
    assert text.count("return parent\n") == 1
    inlined.write_text(text.replace("return parent\n", "return node\n"))
    assert run(package) == "[1, 0, 0]"
    assert not set(kept(package)) & set(before)  # no code of a text that is no more


def test_code_is_kept_in_the_users_cache_where_the_package_cannot_be_written_to(package: Path):
    (package / "kernels" / "__pycache__").write_text("no folder")
    assert run(package) == RESULT
    assert not kept(package)
    before = kept(package.parents[1] / "home")
    assert run(package) == RESULT
    assert kept(package.parents[1] / "home") == before != {}


def test_code_is_compiled_anew_where_nothing_can_be_written(package: Path):
    (package / "kernels" / "__pycache__").write_text("no folder")
    (package.parents[1] / "home").write_text("no folder")
    assert run(package) == RESULT


def test_loops_run_as_python_where_numba_is_told_not_to_compile(package: Path):
    assert run(package, NUMBA_DISABLE_JIT="1") == RESULT
    assert not kept(package)


def test_processes_that_compile_at_once_share_what_they_keep(package: Path):
    dtypes = ["int32", "int64"] * 2
    with ThreadPoolExecutor(len(dtypes)) as pool:
        assert set(pool.map(lambda dtype: run(package, dtype), dtypes)) == {RESULT}
    before = kept(package)
    assert [run(package, dtype) for dtype in dtypes[:2]] == [RESULT] * 2
    assert kept(package) == before


def test_every_loop_is_compiled_in_one_way():
    kernels = Path(objectwise.__file__).parent / "kernels"
    others = [path for path in kernels.glob("*.py") if path.name != "compiling.py"]
    assert others
    assert not [path.name for path in others if "jit" in path.read_text()]


def test_what_is_saved_is_loaded_under_its_key_only(tmp_path: Path):
    cache = _Files(str(tmp_path), "module.function-1.py311")
    cache.save(("int64", "cpu"), b"code")
    cache.save(("float32", "cpu"), b"other")
    assert cache.load(("int64", "cpu")) == b"code"
    assert cache.load(("float32", "cpu")) == b"other"
    assert cache.load(("int32", "cpu")) is None
    cache.flush()
    assert cache.load(("int64", "cpu")) is None
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("cut", [0, 10, 40, -1])
def test_code_of_which_a_part_is_lost_is_not_loaded(tmp_path: Path, cut: int):
    cache = _Files(str(tmp_path), "module.function-1.py311")
    cache.save("key", np.arange(9).tobytes())
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:cut])
    assert cache.load("key") is None
    cache.save("key", b"whole")
    assert cache.load("key") == b"whole"


def test_code_of_another_text_goes_when_new_code_is_saved_and_other_files_stay(tmp_path: Path):
    old = tmp_path / f"module.function-1.py311.{'0' * 16}-{'1' * 16}.nbc"
    others = [
        tmp_path / "module.function-1.py311.1.nbc",
        tmp_path / f"module.other-9.py311.{TEXT}-{'2' * 16}.nbc",
    ]
    for path in (old, *others):
        path.write_bytes(b"")
    _Files(str(tmp_path), "module.function-1.py311").save("key", b"code")
    assert not old.exists()
    assert all(path.exists() for path in others)


def test_a_disk_that_takes_nothing_is_no_error(tmp_path: Path):
    (tmp_path / "file").write_text("")
    _Files(str(tmp_path / "file" / "folder"), "module.function-1.py311").save("key", b"code")
