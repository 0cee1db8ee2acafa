"""How the loops of this folder are compiled, and where what was compiled is kept.

Numba knows kept code by the text of the file that its function stands in. The loops here call functions of
other files, which become part of their code: with Numba's own cache a changed `join` would change nothing
until the cache is cleared. So the text of the whole folder is part of a file's name, and each signature has a
file of its own, complete or not there: processes that compile at once write the same files with the same
content, where in Numba's numbered ones a signature may find the code of another.
"""

from __future__ import annotations

import hashlib
import pickle
import re
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar

import numba
from numba.core.caching import FunctionCache
from numba.core.serialize import dumps

from objectwise.atomic import replaced_file

Function = TypeVar("Function")


def compiled(function: Function) -> Function:
    """Compile a loop on its first call; it runs without the interpreter's lock."""
    return _kept(numba.njit(nogil=True)(function))


def inlined(function: Function) -> Function:
    """Compile a function into each loop that calls it."""
    return _kept(numba.njit(nogil=True, inline="always")(function))


def _kept(dispatcher: Any) -> Any:
    """Keep the code of a function on disk, if there is a place: beside its source, or in a user's cache."""
    if numba.config.DISABLE_JIT:  # type: ignore[attr-defined]  # for debuggers: the function as it is
        return dispatcher
    try:
        dispatcher._cache = _Cache(dispatcher.py_func)
    except RuntimeError as error:
        if "no locator available" not in str(error):
            raise
    return dispatcher


def _text_of_folder() -> str:
    """Return a digest of the source of all kernels, and of what compiles it."""
    digest = hashlib.sha256(numba.__version__.encode())
    sources = {entry.name: entry for entry in files(__package__).iterdir() if entry.name.endswith(".py")}
    for name in sorted(sources):
        digest.update(hashlib.sha256(name.encode()).digest())
        digest.update(hashlib.sha256(sources[name].read_bytes()).digest())
    return digest.hexdigest()[:16]


TEXT = _text_of_folder()
_NAME = re.compile(r"\.([0-9a-f]{16})-[0-9a-f]{16}\.nbc")


class _Files:
    """The code of one function, a file a signature: a checksum, then the signature and the code."""

    def __init__(self, folder: str, base: str) -> None:
        self.folder, self.base = Path(folder), base

    def load(self, key: Any) -> Any:
        """Return what was saved under a key; None if nothing was, or not all of it is there."""
        try:
            content = self._path(key).read_bytes()
        except OSError:
            return None
        checksum, content = content[:32], content[32:]
        if hashlib.sha256(content).digest() != checksum:
            return None
        saved, data = pickle.loads(content)
        return data if saved == key else None

    def save(self, key: Any, data: Any) -> None:
        """Save; a disk that is full costs the next process its time, and no more."""
        content = dumps((key, data))
        try:
            for path in self.folder.glob("*.nbc"):
                name = _NAME.search(path.name)
                if name is not None and name[1] != TEXT:  # of a text that is no more
                    path.unlink(missing_ok=True)
            with replaced_file(self._path(key)) as partial:
                partial.write_bytes(hashlib.sha256(content).digest() + content)
        except OSError:
            return

    def flush(self) -> None:
        """Forget all signatures."""
        for path in self.folder.glob(f"{self.base}.{TEXT}-*.nbc"):
            path.unlink(missing_ok=True)

    def _path(self, key: Any) -> Path:
        return self.folder / f"{self.base}.{TEXT}-{hashlib.sha256(repr(key).encode()).hexdigest()[:16]}.nbc"


class _Cache(FunctionCache):
    """Numba's cache of a function, with other files."""

    def __init__(self, function: Any) -> None:
        super().__init__(function)
        self._cache_file = _Files(self._cache_path, self._impl.filename_base)
