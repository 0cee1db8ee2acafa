"""Fixtures and settings that every test shares."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import hypothesis
import numpy as np
import pytest

CHECKOUT = Path(__file__).resolve().parents[1]

# The same examples on every machine: a red test is a bug to mend, not a draw to repeat.
hypothesis.settings.register_profile("objectwise", derandomize=True, deadline=None, max_examples=100)
hypothesis.settings.load_profile("objectwise")


def shared_folder() -> Path:
    """Return the folder of golden results and real data, whether or not it exists."""
    return Path(os.environ.get("OBJECTWISE_SHARED", CHECKOUT.parent / "shared"))


def golden_cases(pattern: str) -> list[Path]:
    """Return the golden files that match, for parametrizing; one missing path where there are none."""
    folder = shared_folder() / "golden"
    return sorted(folder.glob(f"{pattern}.npz")) or [folder / f"{pattern}.npz"]


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder of golden results and real data; skips where it is absent."""
    folder = shared_folder()
    if not folder.is_dir():
        pytest.skip(f"no shared data at {folder}; set OBJECTWISE_SHARED")
    return folder


@pytest.fixture
def load_golden(shared: Path) -> Callable[[Path], dict[str, np.ndarray]]:
    """Load one golden file as a dictionary of arrays."""

    def load(path: Path) -> dict[str, np.ndarray]:
        with np.load(path, allow_pickle=False) as archive:
            return {key: archive[key] for key in archive.files}

    return load
