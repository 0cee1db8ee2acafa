"""An HDF5 file as h5py reads and writes it through Python, whose old bytes stay until they may change."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from typing import Any

_PAGE = 4096
_MOST_HELD = 2**26
"""Bytes of old content that may change at once; a file that reuses free space could change all of it."""

_SIGNATURE = b"\x89HDF\r\n\x1a\n"


class TooManyChangesError(Exception):
    """The file takes up free space inside, which only a copy of it may do."""


class Pages:
    """A file as h5py writes it, which holds back what must not reach the disk yet, or cannot.

    Parameters
    ----------
    disk : unbuffered file, for reading and writing
    kept : int
        Bytes up to here stay on the disk as they are; their changes are held in `held`.
    """

    def __init__(self, disk: io.FileIO, kept: int = 0) -> None:
        self.disk, self.kept = disk, kept
        self.held: dict[int, bytearray] = {}
        self.before: dict[int, bytes] = {}
        self.failure: BaseException | None = None
        self.position, self.end = 0, os.fstat(disk.fileno()).st_size

    def check(self) -> None:
        """Raise what went wrong meanwhile; not called while HDF5 is at work."""
        if self.failure is not None:
            raise self.failure

    def fail(self, error: BaseException) -> None:
        """Note why the file cannot be written; from now on everything is held."""
        self.failure, self.kept = self.failure or error, sys.maxsize

    def changes(self) -> dict[int, tuple[bytes, bytes]]:
        """Return what is held: place, old bytes, new bytes."""
        pages = {at: (self.before[at], bytes(page)) for at, page in self.held.items()}
        return {at: (old, new) for at, (old, new) in sorted(pages.items()) if old != new}

    # What h5py asks of a file object.

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move; h5py asks for the end so."""
        self.position = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self.position, os.SEEK_END: self.end}[whence]
        return self.position

    def tell(self) -> int:
        """Return the position."""
        return self.position

    def readinto(self, buffer: Any) -> int:
        """Read what is held where it is, and the disk elsewhere."""
        view = memoryview(buffer).cast("B")
        count = max(0, min(len(view), self.end - self.position))
        view[:count] = self._stored(self.position, count)
        for at, within, part in self._pieces(count):
            if at in self.held:
                page = self.held[at][within]
                view[part][: len(page)] = page
        self.position += count
        return count

    def read(self, size: int) -> bytes:
        """Read that many bytes."""
        buffer = bytearray(size)
        return bytes(buffer[: self.readinto(buffer)])

    def write(self, data: Any) -> int:
        """Write to the disk, or hold what must not or cannot go there."""
        view = memoryview(data).cast("B")
        below = max(0, min(len(view), self.kept - self.position))
        if below < len(view):
            try:
                write_at(self.disk, self.position + below, view[below:])
            except OSError as error:
                self.fail(error)
                below = len(view)
        for at, within, part in self._pieces(below):
            if at not in self.held:
                self.before[at] = self._stored(at, min(_PAGE, self.kept - at))
                self.held[at] = bytearray(self.before[at])
            page = self.held[at]
            page.extend(bytes(max(0, within.stop - len(page))))
            page[within] = view[part]
        if len(self.held) * _PAGE > _MOST_HELD:
            self.fail(TooManyChangesError())
        self.position += len(view)
        self.end = max(self.end, self.position)
        return len(view)

    def truncate(self, size: int) -> int:
        """Give the file its size, which may lie behind the last byte written."""
        if self.failure is None and size >= self.kept:
            try:
                self.disk.truncate(size)
            except OSError as error:
                self.fail(error)
        self.end = size
        return size

    def flush(self) -> None:
        """Nothing is buffered."""

    def _stored(self, at: int, count: int) -> bytes:
        """Read from the disk; what is not there yet is 0."""
        try:
            return read_at(self.disk, at, count).ljust(count, b"\0")
        except OSError as error:
            self.fail(error)
            return bytes(count)

    def _pieces(self, count: int) -> Iterator[tuple[int, slice, slice]]:
        """Cut the next bytes at pages: where each page begins, the part of it, the part of the bytes."""
        at, stop = self.position, self.position + count
        while at < stop:
            page = at - at % _PAGE
            end = min(stop, page + _PAGE)
            yield page, slice(at - page, end - page), slice(at - self.position, end - self.position)
            at = end


def stated_end(disk: io.FileIO) -> int:
    """Return the end of the content that the superblock states; what lies behind it is nothing."""
    start, size = 0, os.fstat(disk.fileno()).st_size
    while start < size:
        block = read_at(disk, start, 64)
        if block.startswith(_SIGNATURE):
            # Signature, version, ..., then addresses: base, one that differs by version, end of file.
            width, first = (block[13], 24 + 4 * block[8]) if block[8] < 2 else (block[9], 12)
            return int.from_bytes(block[first + 2 * width : first + 3 * width], "little")
        start = max(512, 2 * start)  # behind a block of the user's own
    return size


def read_at(disk: io.FileIO, at: int, count: int) -> bytes:
    """Read bytes, fewer where the file ends."""
    disk.seek(at)
    parts = []
    while count > 0 and (part := disk.read(count)):
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


def write_at(disk: io.FileIO, at: int, data: memoryview) -> None:
    """Write all of some bytes."""
    disk.seek(at)
    while data:
        data = data[disk.write(data) :]
