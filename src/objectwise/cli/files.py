"""What the commands on plain files share: which options belong together, sections, offsets, shapes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from objectwise.errors import ArgumentError, ConfigError

if TYPE_CHECKING:
    from objectwise.graph import Neighborhood

FILES_PANEL = "On plain files"
_OFFSETS_RULE = "'nearest' or a table like [[-1,0,0],[0,-1,0]]"

Offsets = Annotated[
    str | None,
    typer.Option(
        help="Neighborhood in voxels (z, y, x) of the affinity channels: 'nearest', or a table like "
        "[[-1,0,0],[0,-1,0],[0,0,-1]]. Known from the run or the file where there is one.",
        show_default=False,
        rich_help_panel=FILES_PANEL,
    ),
]
Sections = Annotated[
    str | None,
    typer.Option(
        metavar="FIRST:STOP",
        help="Sections along z, e.g. 16:20 for 16 to 19; all by default.",
        show_default=False,
        rich_help_panel=FILES_PANEL,
    ),
]
FileOutput = Annotated[
    str | None,
    typer.Option(
        "--output",
        "-o",
        help="Run directory (runs/<name of CONFIG> by default), or the volume to write, "
        "like out.h5:path/in/file.",
        show_default=False,
    ),
]


def on_files(
    target: Path | None, files: Mapping[str, Any], *, needs: tuple[str, ...], run_only: Mapping[str, Any]
) -> bool:
    """Say whether a command works on plain files (and not on a run), and refuse a mixture of both.

    Parameters
    ----------
    target : the CONFIG argument
    files : options of the form on files, by name; None or False where not given
    needs : those of them that must be given
    run_only : options that mean something for a run only
    """
    given = [name for name, value in files.items() if _is_given(value)]
    if target is not None:
        if given:
            raise ArgumentError(
                f"`{given[0]}` must not be given together with a run, got {target}; "
                "give either a configuration or files"
            )
        return False
    if not given:
        raise ArgumentError(f"a configuration must be given, or files ({', '.join(needs)}), got neither")
    missing = [name for name in needs if not _is_given(files[name])]
    if missing:
        raise ArgumentError(f"`{missing[0]}` must be given to work on files, got only {', '.join(given)}")
    strange = [name for name, value in run_only.items() if _is_given(value)]
    if strange:
        raise ArgumentError(f"`{strange[0]}` must come with a configuration, got files")
    return True


def _is_given(value: Any) -> bool:
    # Not `in (None, False)`: 0 equals False, and is a threshold and a size all the same.
    return not (value is None or value is False or value == [])


def sections_of(text: str | None) -> tuple[int, int] | None:
    """Read `16:20` as the sections 16, 17, 18, 19."""
    if text is None:
        return None
    first, colon, stop = text.partition(":")
    if not (colon and first.isdecimal() and stop.isdecimal() and int(first) < int(stop)):
        raise ArgumentError(
            f"`--sections` must read FIRST:STOP, like 16:20 for the sections 16 to 19, got {text!r}"
        )
    return int(first), int(stop)


def shape_of(text: str | None, *, name: str) -> tuple[int, ...] | None:
    """Read `16,160,160` as a shape."""
    if text is None:
        return None
    parts = text.replace(" ", "").split(",")
    if len(parts) not in (2, 3) or not all(part.isdecimal() and int(part) for part in parts):
        raise ArgumentError(f"`{name}` must be 2 or 3 numbers of voxels, like 16,160,160, got {text!r}")
    return tuple(int(part) for part in parts)


def neighborhood_of(text: str | None, *, dimensions: int) -> Neighborhood | None:
    """Read `nearest`, or a YAML table like `[[-1,0,0],[0,-1,0],[0,0,-1]]`."""
    if text is None:
        return None
    from objectwise.config.load import read_yaml
    from objectwise.graph import Neighborhood

    if text == "nearest":
        return Neighborhood.nearest(dimensions)
    try:
        table = read_yaml(text, "`--offsets`")
    except ConfigError as error:
        raise ArgumentError(f"`--offsets` must be {_OFFSETS_RULE}, got {text[:80]!r} ({error})") from error
    if not isinstance(table, list):
        raise ArgumentError(f"`--offsets` must be {_OFFSETS_RULE}, got {text[:80]!r}")
    return Neighborhood(table)


def in_container(location: str, inner: str) -> str:
    """Add the usual path inside to an HDF5 or Zarr location that names none."""
    from objectwise.data.formats.common import CONTAINERS, parse_location

    place = parse_location(location)
    if place.format in CONTAINERS.values() and not place.inner:
        return f"{place.path}:{inner}"
    return location


def require_format(location: str, formats: tuple[str, ...], *, what: str, example: str) -> None:
    """Refuse an output in a format that can never hold what is to be written; asked before any work."""
    from objectwise.data.formats.common import parse_location

    if parse_location(location).format not in formats:
        *most, last = formats
        listed = f"{', '.join(most)} or {last}" if most else last
        raise ArgumentError(
            f"`--output` must be a volume in {listed} to hold {what}, like {example}, got {location}"
        )


def require_new(location: str, *, overwrite: bool, dry_run: bool) -> None:
    """Refuse an output that is there already, or can never be; asked before any work is done."""
    from objectwise.data import volume_exists
    from objectwise.data.formats.common import parse_location
    from objectwise.errors import VolumeError

    if volume_exists(location) and not overwrite:
        raise VolumeError(f"`--output` must not exist yet, got {location}; pass --overwrite to replace it")
    if not dry_run:
        require_writable(parse_location(location).path.parent)


def require_writable(folder: Path) -> None:
    """Refuse a folder that cannot be made or written, by trying; asked before any work is done."""
    import tempfile

    try:
        there = next(above for above in (folder.absolute(), *folder.absolute().parents) if above.exists())
        Path(tempfile.mkdtemp(prefix=".objectwise-", dir=there)).rmdir()
    except OSError as error:
        raise ArgumentError(
            f"`--output` must be in a folder that can be written, got {folder} ({error.strerror}); "
            "choose another one"
        ) from error
