from __future__ import annotations

import io
import zipfile

import numpy as np
import pytest
import torch

from objectwise.errors import ArgumentError
from objectwise.seal import is_intact, seal


def sealed(save) -> bytes:
    file = io.BytesIO()
    save(file)
    seal(file)
    return file.getvalue()


@pytest.mark.parametrize(
    "save",
    [
        lambda file: torch.save({"w": torch.arange(50.0)}, file),
        lambda file: np.savez(file, w=np.arange(50.0)),
    ],
)
def test_sealed_archive_is_still_an_archive_and_every_flipped_bit_is_found(save):
    content = sealed(save)
    assert is_intact(io.BytesIO(content)) is True
    assert zipfile.ZipFile(io.BytesIO(content)).testzip() is None
    for bit in range(len(content) * 8):
        changed = bytearray(content)
        changed[bit // 8] ^= 1 << (bit % 8)
        assert is_intact(io.BytesIO(bytes(changed))) is not True, bit


def test_sealed_archive_loads_as_before():
    assert torch.load(io.BytesIO(sealed(lambda file: torch.save({"a": 1}, file)))) == {"a": 1}
    assert np.load(io.BytesIO(sealed(lambda file: np.savez(file, a=1))))["a"] == 1


@pytest.mark.parametrize("content", [b"", b"short", b"x" * 500])
def test_file_without_a_seal_is_neither_intact_nor_changed(content):
    assert is_intact(io.BytesIO(content)) is None


def test_seal_is_given_once():
    content = io.BytesIO(sealed(lambda file: torch.save({}, file)))
    with pytest.raises(ArgumentError, match="without a comment"):
        seal(content)
