"""Make the tables of docs/configuration.md from the models of the configuration.

    python docs/make_configuration.py

The introduction, above the marker, is written by hand and stays as it is. Everything below the marker comes
from `src/objectwise/config/`, so that the page never says another default than the code has.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from objectwise.config import RunConfig
from objectwise.config.models import SPEED_KEYS

PAGE = Path(__file__).with_name("configuration.md")
MARKER = "<!-- From here on made by docs/make_configuration.py: do not edit. -->"

WORDS = {
    "VolumeConfig": "volume",
    "LossConfig": "short form",
    "TermConfig": "term",
    "RampConfig": "ramp",
    "ValidationConfig": "mapping",
}
"""What a section is called where a key may hold one."""

Schema = dict[str, Any]


def page() -> str:
    """Return the whole page: the introduction as it stands, and the tables as the models have them."""
    introduction, marker, _ = PAGE.read_text(encoding="utf-8").partition(MARKER)
    assert marker, f"{PAGE} must hold the marker {MARKER!r}"
    return f"{introduction}{MARKER}\n\n{tables()}"


def tables() -> str:
    """Return a heading, the meaning and a table of the keys for each section, outermost first."""
    schema = RunConfig.model_json_schema()
    intro = [
        "## All keys",
        "",
        "A key without a default must be given. Keys marked * may change when a run is resumed.",
        "",
    ]
    return "\n".join([*intro, *_section("", schema, schema["$defs"], set())]).rstrip() + "\n"


def _section(path: str, section: Schema, sections: Schema, seen: set[str]) -> Iterator[str]:
    """Yield the lines of one section and of those inside it."""
    if path:
        yield f"### `{path}`"
        yield ""
    yield section["description"]
    yield ""
    inner: dict[str, list[str]] = {}
    rows = []
    for name, field in section["properties"].items():
        key = f"{path}.{name}" if path else name
        for reference, place in _references(field, key):
            inner.setdefault(reference, []).append(place)
        if "$ref" not in field:
            rows.append(_row(key, field, is_required=name in section.get("required", ())))
    if rows:
        yield "| key | type | default | meaning |"
        yield "|---|---|---|---|"
        yield from rows
        yield ""
    for name, (first, *others) in inner.items():
        assert name not in seen, f"{name} must stand in one section, got {first} too"
        seen.add(name)
        lines = _section(first, sections[name], sections, seen)
        yield next(lines)
        if others:
            yield ""
            yield f"The same keys hold for {_joined(others, 'and')}."
        yield from lines


def _references(field: Schema, key: str) -> Iterator[tuple[str, str]]:
    """Yield the sections that a field may hold, and where they stand in it."""
    if "$ref" in field:
        yield field["$ref"].split("/")[-1], key
    for choice in (*field.get("anyOf", ()), *field.get("oneOf", ())):
        yield from _references(choice, key)
    if "items" in field:
        yield from _references(field["items"], f"{key}.N")


def _joined(names: list[str], word: str) -> str:
    quoted = [f"`{name}`" for name in names]
    return f" {word} ".join(filter(None, [", ".join(quoted[:-1]), quoted[-1]]))


def _row(key: str, field: Schema, *, is_required: bool) -> str:
    mark = "*" if key in SPEED_KEYS else ""
    default = "" if is_required else f"`{_value(field.get('default', {}))}`"
    meaning = " ".join(field["description"].split())
    return f"| `{key}`{mark} | {_type(field)} | {default} | {meaning} |"


def _value(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _type(field: Schema, plural: str = "") -> str:
    """Say in words which values a field takes.

    >>> _type({"type": "array", "items": {"type": "integer", "minimum": 0}})
    'list of integers ≥ 0'
    >>> _type({"anyOf": [{"type": "number", "exclusiveMinimum": 0, "maximum": 1}, {"const": "auto"}]})
    'number > 0 and ≤ 1, or `auto`'
    """
    match field:
        case {"anyOf": choices} | {"oneOf": choices}:
            text = ", or ".join(_type(choice, plural) for choice in choices if choice.get("type") != "null")
        case {"enum": values}:
            text = _joined([_value(value) for value in values], "or")
        case {"const": value}:
            text = f"`{_value(value)}`"
        case {"$ref": reference}:
            text = f"{WORDS[reference.split('/')[-1]]}{plural}"
        case {"prefixItems": items}:
            text = f"[{', '.join(_type(item) for item in items)}]"
        case {"items": items}:
            at_least = f", at least {field['minItems']}" if "minItems" in field else ""
            text = f"list{plural} of {_type(items, 's')}{at_least}"
        case {"pattern": pattern}:
            text = f"text{plural} like `{pattern}`"
        case {"format": "path"}:
            text = f"path{plural}"
        case {"type": "object"}:
            text = f"mapping{plural}"
        case {"type": kind}:
            word = {"boolean": "true or false", "string": "text"}.get(kind, kind)
            text = f"{word}{plural}{_bounds(field)}"
    return text


def _bounds(field: Schema) -> str:
    signs = {"exclusiveMinimum": ">", "minimum": "≥", "exclusiveMaximum": "<", "maximum": "≤"}
    return " and".join(f" {sign} {field[name]}" for name, sign in signs.items() if name in field)


if __name__ == "__main__":
    text = page()  # first whole, then written: the page is read to be made
    PAGE.write_text(text, encoding="utf-8")
