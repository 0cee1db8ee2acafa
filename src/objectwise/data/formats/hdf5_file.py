"""HDF5 files that stay whole: on a full disk, through a kill, beside other programs.

HDF5 has no transactions, and what it cannot write when a file is closed it tries to write again when Python
ends, which then ends in a segmentation fault. So h5py writes through a file object of ours, `Pages`, which
never fails while HDF5 is at work.

A data set that joins a file costs its own size, not a copy of the file:

    1. its voxels go behind the end that the file states, where no reader looks;
    2. the few pages of old bytes that have to change (the group, the end) are held in memory;
    3. they are written to a journal beside the file, then to the file, and the journal is deleted.

A kill before 3 leaves the file as it was, with bytes behind its end that the next writer takes up. A kill in
3 leaves a journal, which whoever opens the file next through this module completes.

A data set that replaces another costs a copy of the file: HDF5 gives space back only within the session that
frees it, so the file would grow by every version, or old voxels would be written over before the new ones are
whole. A file that another program has open for reading is copied as well: it may not change under a reader.
"""

from __future__ import annotations

import base64
import io
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from objectwise.atomic import flush, lock_file, read_json, replaced_file, write_json
from objectwise.data.formats.common import AnyArray
from objectwise.data.formats.hdf5_pages import Pages, TooManyChangesError, read_at, stated_end, write_at
from objectwise.errors import VolumeError

_PATIENCE = 5.0
"""Seconds to wait for others that hold a file for a moment: a journal is written in milliseconds."""


_BYTES_AT_ONCE = 2**26
"""Written between two looks at whether all is well; what cannot be written is held in memory till then."""


@contextmanager
def opened_file(path: Path) -> Iterator[h5py.File]:
    """Open a file for reading; a write that was killed is completed first."""
    recover(path)
    last = time.monotonic() + _PATIENCE
    while True:
        try:
            file = h5py.File(path, "r")
            break
        except BlockingIOError as error:
            if time.monotonic() > last:
                raise _in_use(path) from error
            time.sleep(0.02)
    with file:
        yield file


def write_dataset(
    path: Path, name: str, array: AnyArray, *, attributes: Mapping[str, AnyArray], **storage: Any
) -> None:
    """Write a chunked data set, new or in place of another; the others of the file stay. See the module.

    The caller holds `objectwise.atomic.one_writer`. `storage` holds options of h5py's `create_dataset`.
    """
    path = Path(os.path.realpath(path))

    def fill(pages: Pages, mode: str) -> None:
        with _interrupts_wait(pages), h5py.File(pages, mode) as file:
            if name in file:
                del file[name]  # its space is taken up again within this session
            dataset = file.create_dataset(name, array.shape, array.dtype, **storage)
            for part in _parts(dataset):
                pages.check()
                dataset[part] = array[part]
            for key, value in attributes.items():
                dataset.attrs[key] = value
        pages.check()

    if not path.exists():
        with replaced_file(path) as partial, partial.open("x+b", buffering=0) as disk:
            fill(Pages(disk), "w")
        return
    with opened_file(path) as file:
        is_new = name not in file
    if not (is_new and _append(path, fill)):
        with path.open("rb", buffering=0) as old, _shared(path, old), replaced_file(path) as partial:
            shutil.copyfile(path, partial)
            with partial.open("r+b", buffering=0) as disk:
                fill(Pages(disk), "r+")


def _parts(dataset: h5py.Dataset) -> Iterator[tuple[slice, ...]]:
    """Cut a data set into rows of chunks, several where they are small, or into single chunks."""
    axis = next((at for at, size in enumerate(dataset.chunks) if size < dataset.shape[at]), 0)
    thickness, length = dataset.chunks[axis], dataset.shape[axis]
    step = thickness * (_BYTES_AT_ONCE * length // (dataset.nbytes * thickness))
    if step == 0:
        yield from dataset.iter_chunks()
        return
    for first in range(0, length, step):
        yield (slice(None),) * axis + (slice(first, min(first + step, length)),)


def recover(path: Path) -> None:
    """Complete what a killed write has left to do; most often there is nothing."""
    path = Path(os.path.realpath(path))
    if not _journal(path).exists():
        return
    try:
        disk = path.open("r+b", buffering=0)
    except PermissionError as error:
        raise VolumeError(
            f"{path} must be completed by a user who may write it, got {_journal(path).name} beside it, "
            "of a write that was killed"
        ) from error
    with disk:
        if not lock_file(disk.fileno(), patience=_PATIENCE):
            raise _in_use(path)
        content = read_json(_journal(path))
        if content is not None:  # None: its writer lived, and was done while we waited
            pages = ((at, base64.b64decode(old), base64.b64decode(new)) for at, old, new in content["pages"])
            _complete(path, disk, {at: (old, new) for at, old, new in pages})


def _append(path: Path, fill: Callable[[Pages, str], None]) -> bool:
    """Write behind the end of a file and commit; say whether that could be done."""
    with path.open("r+b", buffering=0) as disk, _shared(path, disk):
        size = os.fstat(disk.fileno()).st_size
        pages = Pages(disk, kept=min(size, stated_end(disk)))
        try:
            fill(pages, "r+")
            os.fsync(disk.fileno())
        except BaseException as error:
            disk.truncate(size)
            if isinstance(error, TooManyChangesError):
                return False
            raise
        changes = pages.changes()
        # Nothing is held for a moment between the locks: another program may have been here.
        if not lock_file(disk.fileno(), patience=_PATIENCE) or any(
            read_at(disk, at, len(old)) != old for at, (old, _) in changes.items()
        ):
            return False
        try:
            write_json(_journal(path), {"pages": [[at, *map(_text, page)] for at, page in changes.items()]})
        except BaseException:
            if not _journal(path).exists():
                disk.truncate(size)
            raise
        try:
            _complete(path, disk, changes)
        except OSError:  # some disks need space to write over what is there
            with suppress(OSError):
                _write_pages(disk, {at: old for at, (old, _) in changes.items()})
                _forget(path)
                disk.truncate(size)
            raise
        return True


def _complete(path: Path, disk: io.FileIO, changes: Mapping[int, tuple[bytes, bytes]]) -> None:
    """Write what a journal holds, whatever part of it has been written, and delete the journal."""
    for at, (old, new) in changes.items():
        now = np.frombuffer(read_at(disk, at, len(new)), np.uint8)
        before, after = np.frombuffer(old, np.uint8), np.frombuffer(new, np.uint8)
        if now.shape != after.shape or not ((now == before) | (now == after)).all():
            raise VolumeError(
                f"{path} must be as a killed write left it, got changes by another program; "
                f"delete {_journal(path).name} beside it to keep those and lose that write"
            )
    _write_pages(disk, {at: new for at, (_, new) in changes.items()})
    _forget(path)


def _write_pages(disk: io.FileIO, pages: Mapping[int, bytes]) -> None:
    for at, page in pages.items():
        write_at(disk, at, memoryview(page))
    os.fsync(disk.fileno())


def _forget(path: Path) -> None:
    _journal(path).unlink()
    flush(path.parent)


def _journal(path: Path) -> Path:
    return path.with_name(f".{path.name}.journal")


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode()


@contextmanager
def _interrupts_wait(pages: Pages) -> Iterator[None]:
    """Let Ctrl-C fail the writing between two chunks: an exception inside HDF5 is as bad as a full disk."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, lambda *_: pages.fail(KeyboardInterrupt()))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _shared(path: Path, disk: io.FileIO) -> Iterator[None]:
    """Keep programs that write HDF5 away from a file, as HDF5 itself does."""
    if not lock_file(disk.fileno(), shared=True, patience=_PATIENCE):
        raise _in_use(path)
    yield


def _in_use(path: Path) -> VolumeError:
    return VolumeError(
        f"{path} must not be open for writing in another program, got one that has it open; close it there"
    )
