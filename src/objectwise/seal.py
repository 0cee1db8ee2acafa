"""A checksum over every byte of a zip archive, kept in the archive's own comment.

PyTorch and NumPy save zip archives, and load them without a look at most of the checksums inside: of 300
files with one flipped bit each, 226 loaded. The comment at the end of an archive is passed over by every
reader of zip files, so a sealed archive is still one.

    archive, sealed:   | as written, and the comment's length | comment: MARK, SHA-256 of all before |
"""

from __future__ import annotations

import hashlib
import os
from typing import BinaryIO

from objectwise.errors import ArgumentError

MARK = b"objectwise sha256 "
LENGTH = len(MARK) + 64


def seal(file: BinaryIO) -> None:
    """Add the checksum to a whole archive that has no comment, open for reading and writing."""
    file.seek(-2, os.SEEK_END)
    if file.read(2) != b"\0\0":
        raise ArgumentError("`file` must be a zip archive without a comment to be sealed")
    file.seek(-2, os.SEEK_END)
    file.write(LENGTH.to_bytes(2, "little"))
    digest = _digest(file, file.tell())
    file.write(MARK + digest)


def is_intact(file: BinaryIO) -> bool | None:
    """Say whether a sealed archive is as it was written, None where it has no seal; rewinds the file."""
    size = file.seek(0, os.SEEK_END)
    end = max(0, size - LENGTH)
    file.seek(end)
    comment = file.read()
    try:
        return comment[len(MARK) :] == _digest(file, end) if comment.startswith(MARK) else None
    finally:
        file.seek(0)


def _digest(file: BinaryIO, end: int) -> bytes:
    """Return the checksum of the first `end` bytes; the file then stands there."""
    state, left = hashlib.sha256(), end
    file.seek(0)
    while left and (part := file.read(min(left, 1 << 20))):
        state.update(part)
        left -= len(part)
    return state.hexdigest().encode()
