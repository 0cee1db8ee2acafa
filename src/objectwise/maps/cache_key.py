"""How a map function and its options are known on disk, so that no two of them share a map.

A name says little: `functools.wraps` copies it, and a closure, a default argument or an object behind a
method changes what a function does without changing its text. So a function is known by its own code and the
plain data it depends on (its defaults, and what `objectwise.maps.constants` finds), and one that depends on
other objects is refused.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import sys
from collections.abc import Mapping
from functools import partial
from types import CodeType, FunctionType
from typing import Any

import numpy as np

from objectwise.errors import ArgumentError
from objectwise.maps.constants import constants

FORMAT = 2  # of what a file promises: raise it when a map's definition changes


def without_partial(function: object, options: Mapping[str, Any]) -> tuple[object, dict[str, Any]]:
    """Return the function of a partial, and its keyword arguments among the options."""
    options = dict(options)
    if isinstance(function, partial):
        if function.args:
            raise ArgumentError(
                f"`function` must take labels first, got a partial with {function.args} before them; bind "
                "keyword arguments, or pass them as options"
            )
        return function.func, {**function.keywords, **options}
    return function, options


def check_function(function: object) -> FunctionType:
    """Require a function of a module, which depends on nothing but its arguments and its module."""
    rule = f"`function` must be defined by name in a module, got {function!r}"
    if not isinstance(function, FunctionType):
        raise ArgumentError(
            f"{rule}; what an object holds is in no file name: pass a function, and what it depends on as "
            "options"
        )
    code = function.__code__
    if code.co_name == "<lambda>" or code.co_flags & inspect.CO_NESTED or function.__closure__:
        raise ArgumentError(
            f"{rule}; a lambda, a decorated or a nested function may depend on what was around it: pass a "
            "function of a module that does the whole, and what it depends on as options"
        )
    return function


def made_by(function: FunctionType, options: Mapping[str, Any]) -> str:
    """Return what tells maps of this function and these options from all others."""
    # Not `__module__` and `__qualname__`, which a decorator sets.
    module, name = function.__globals__.get("__name__", ""), function.__code__.co_qualname
    known = f"{FORMAT} {module}.{name} {_text(options, 'options')}"
    if module.startswith("objectwise.") and getattr(sys.modules.get(module), name, None) is function:
        return known  # ours: by name and `FORMAT`
    return f"{known} {_own_facts(function, options)}"


def _own_facts(function: FunctionType, options: Mapping[str, Any]) -> str:
    """Return the digest of a user's function: its text and code, its defaults, the constants it reads."""
    code = function.__code__
    try:
        # Of the code: that of the function would be the text of what it wraps.
        text = inspect.getsource(code)
    except (OSError, TypeError) as error:
        raise ArgumentError(f"`function` must have its source in a file, got {function!r}") from error
    facts = [text, _instructions(code), _text(_defaults(function, options), "function")]
    facts.append(constants(code, function.__globals__))
    return hashlib.sha256("\0".join(facts).encode()).hexdigest()


def _defaults(function: FunctionType, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the default arguments that are in use."""
    parameters = inspect.signature(function, follow_wrapped=False).parameters.values()
    return {p.name: p.default for p in parameters if p.default is not p.empty and p.name not in options}


def _instructions(code: CodeType) -> str:
    """Return what runs: the text is that of the file now, perhaps edited since the function was read."""
    constants = [_instructions(c) if isinstance(c, CodeType) else _shown(c) for c in code.co_consts]
    return f"{code.co_code.hex()} {code.co_names} {code.co_varnames} {constants}"


def _shown(constant: object) -> str:
    # The order of a set changes from process to process.
    return str(sorted(map(repr, constant))) if isinstance(constant, frozenset) else repr(constant)


def _text(data: Mapping[str, Any], name: str) -> str:
    """Return plain data as text, or say what is none."""
    for key, value in data.items():
        try:
            _plain(value)
        except TypeError as error:
            what = "be plain data" if name == "options" else "have plain data as defaults"
            raise ArgumentError(
                f"`{name}` must {what} (numbers, words, lists, arrays), got {key}={value!r}; "
                "what depends on it would be in no file name"
            ) from error
    return json.dumps(_plain(data), sort_keys=True)


def _plain(value: object) -> Any:
    """Return data as JSON has it."""
    if isinstance(value, np.ndarray | np.generic) and not isinstance(value, np.ma.MaskedArray):
        value = value.tolist()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return {key: _plain(item) for key, item in value.items()}
    raise TypeError(type(value).__name__)
