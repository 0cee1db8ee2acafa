"""Setting up by make, with stubs for Python and pip: what is done when, and what counts as ready."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import CHECKOUT

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")

# `python -m venv` makes .venv/bin/python a copy of the stub; whatever else is asked goes into a log.
STUB = """\
#!/bin/sh
case "$1 $2" in
  "-c "*) exec {python} -c "import sys; sys.version_info = {version}; exec(sys.argv[1])" "$2" ;;
  "-m venv") echo venv >> log; for last; do :; done; rm -rf $last; mkdir -p $last/bin; cp "$0" $last/bin/python ;;
  "-m pip") echo pip >> log; test ! -e pip-fails ;;
  *) echo run >> log ;;
esac
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name in ("Makefile", "pyproject.toml", "requirements.lock"):
        shutil.copy(CHECKOUT / name, tmp_path)
    return tmp_path


def make_test(project: Path, *, version: tuple[int, ...] = (3, 11)) -> tuple[int, list[str], str]:
    """Return the exit code of `make test`, what it did and what it said on stderr."""
    stub = project / "python-stub"
    stub.write_text(STUB.format(python=sys.executable, version=version))
    stub.chmod(0o755)
    (project / "log").write_text("")
    ended = subprocess.run(
        ["make", "test", f"PYTHON={stub}"], cwd=project, capture_output=True, text=True, check=False,
        env={**os.environ, "MAKEFLAGS": "", "MAKELEVEL": ""},
    )  # fmt: skip
    return ended.returncode, (project / "log").read_text().split(), ended.stderr


def test_second_time_installs_nothing(project: Path):
    assert make_test(project)[:2] == (0, ["venv", "pip", "pip", "run"])
    assert make_test(project)[:2] == (0, ["run"])


def test_changed_lock_installs_into_the_environment_there_is(project: Path):
    make_test(project)
    os.utime(project / ".venv" / ".ready", (0, 0))
    assert make_test(project)[:2] == (0, ["pip", "pip", "run"])


@pytest.mark.parametrize("had_one", [False, True])
def test_interrupted_install_is_not_ready_and_begins_anew(project: Path, had_one: bool):
    if had_one:
        make_test(project)
        os.utime(project / ".venv" / ".ready", (0, 0))
    (project / "pip-fails").touch()
    assert make_test(project)[0] != 0
    (project / "pip-fails").unlink()
    assert make_test(project)[:2] == (0, ["venv", "pip", "pip", "run"])


def test_stress_prints_what_repeats_it(project: Path):
    make_test(project)
    ended = subprocess.run(
        ["make", "stress", f"PYTHON={project / 'python-stub'}"], cwd=project, capture_output=True, text=True, check=True,
        env={**os.environ, "MAKEFLAGS": "", "MAKELEVEL": "", "OBJECTWISE_KILL_SEED": "7"},
    )  # fmt: skip
    assert "OBJECTWISE_KILLS=100 OBJECTWISE_KILL_SEED=7 make stress" in ended.stdout


def test_old_python_is_refused_in_one_sentence_before_anything_is_made(project: Path):
    code, done, said = make_test(project, version=(3, 10))
    assert (code, done) == (2, [])
    assert said.splitlines()[0] == (
        "error: objectwise needs Python 3.11 or later, got 3.10; run make PYTHON=python3.11"
    )
    assert not (project / ".venv").exists()
