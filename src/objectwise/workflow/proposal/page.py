"""A configuration as YAML with comments."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import yaml

WIDTH = 100


def commented(tree: Mapping[str, Any], why: Mapping[str, str], title: Sequence[str]) -> str:
    """Return a tree as YAML: a line or more for each key of a section, with its reason above it.

    Parameters
    ----------
    tree : sections and keys, plain data
    why : reasons by dotted key, like `training.steps`
    title : paragraphs above everything
    """
    lines = [line for paragraph in title for line in _comment(paragraph, "")]
    for key, value in tree.items():
        lines += ["", *_entry(key, value, why, key, "")]
    return "\n".join(lines) + "\n"


def _entry(key: str, value: Any, why: Mapping[str, str], path: str, indent: str) -> Iterator[str]:
    if why.get(path):
        yield from _comment(why[path], indent)
    if isinstance(value, Mapping) and not indent and path != "task":
        yield f"{indent}{key}:"
        for name, inner in value.items():
            yield from _entry(name, inner, why, f"{path}.{name}", indent + "  ")
    elif isinstance(value, list) and value and isinstance(value[0], Mapping):
        yield f"{indent}{key}:"
        for one in value:
            yield from _item(one, indent + "  ")
    elif isinstance(value, Mapping) and len(_flow(value)) > WIDTH:
        yield f"{indent}{key}:"
        yield from (f"{indent}  {name}: {_flow(inner)}" for name, inner in value.items())
    else:
        yield f"{indent}{key}: {_flow(value)}"


def _item(one: Mapping[str, Any], indent: str) -> Iterator[str]:
    """Yield a mapping of a list in a line, or a line a key where that is long."""
    if len(_flow(one)) <= WIDTH:
        yield f"{indent}- {_flow(one)}"
        return
    for at, (name, inner) in enumerate(one.items()):
        yield f"{indent}{'  ' if at else '- '}{name}: {_flow(inner)}"


def _comment(text: str, indent: str) -> Iterator[str]:
    for line in text.splitlines() or [""]:
        wrapped = textwrap.wrap(line, WIDTH - len(indent) - 2, break_long_words=False, break_on_hyphens=False)
        if line.startswith("    "):  # a command, to be copied whole
            wrapped = [line]
        yield from (f"{indent}# {one}".rstrip() for one in wrapped or [""])


def _flow(value: Any) -> str:
    """Return a value in one line; `$` begins an environment variable in a configuration."""
    text = yaml.safe_dump(
        _escaped(value), default_flow_style=True, width=10**6, sort_keys=False, allow_unicode=True
    )
    return text.removesuffix("\n").removesuffix("\n...")


def _escaped(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _escaped(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_escaped(inner) for inner in value]
    return value.replace("$", "$$") if isinstance(value, str) else value
