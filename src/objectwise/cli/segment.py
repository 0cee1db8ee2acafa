"""`objectwise segment`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from objectwise.cli.errors import one_sentence
from objectwise.cli.files import (
    FILES_PANEL,
    FileOutput,
    Offsets,
    in_container,
    neighborhood_of,
    on_files,
    require_format,
    require_new,
)
from objectwise.cli.options import DryRun, Json, OptionalTarget, Overwrite, Settings
from objectwise.cli.steps import do_steps
from objectwise.errors import ArgumentError


@one_sentence
def segment(
    config: OptionalTarget = None,
    *,
    output: FileOutput = None,
    settings: Settings = None,
    affinities: Annotated[
        str | None,
        typer.Option(
            help="Affinities (k, z, y, x) in HDF5, like a.h5:volumes/predictions/affinities.",
            show_default=False,
            rich_help_panel=FILES_PANEL,
        ),
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(
            help="Edges with a greater affinity (0..1) join their voxels.",
            show_default=False,
            rich_help_panel=FILES_PANEL,
        ),
    ] = None,
    method: Annotated[
        str | None,
        typer.Option(
            help="components (the default), watershed or agglomeration.",
            show_default=False,
            rich_help_panel=FILES_PANEL,
        ),
    ] = None,
    minimum_size: Annotated[
        int | None,
        typer.Option(
            help="No object has fewer voxels; any size by default.",
            show_default=False,
            rich_help_panel=FILES_PANEL,
        ),
    ] = None,
    fragment_threshold: Annotated[
        float | None,
        typer.Option(
            help="Where the watershed cuts before agglomeration (0..1); 0.98 by default.",
            show_default=False,
            rich_help_panel=FILES_PANEL,
        ),
    ] = None,
    offsets: Offsets = None,
    dry_run: DryRun = False,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    r"""Segment affinities into objects, for the volumes of a run or for one file.

    Labels are (z, y, x) uint64, 0 = background. A run that chose its threshold takes another as its only
    candidate.

    objectwise segment runs/isbi2012 --set segmentation.minimum_size=50 --overwrite
    objectwise segment runs/isbi2012 --set "segmentation.candidates=[0.9]" --overwrite
    objectwise segment --affinities a.h5:volumes/predictions/affinities --threshold 0.9 \
        --output s.h5:volumes/labels/segmentation
    """
    files = {
        "--affinities": affinities,
        "--threshold": threshold,
        "--method": method,
        "--minimum-size": minimum_size,
        "--fragment-threshold": fragment_threshold,
        "--offsets": offsets,
    }
    if not on_files(
        config,
        files | ({"--output": output} if config is None else {}),
        needs=("--affinities", "--threshold", "--output"),
        run_only={"--set": settings},
    ):
        assert config is not None
        do_steps(
            config,
            ["segment"],
            output=None if output is None else Path(output),
            settings=settings,
            overwrite=overwrite,
            dry_run=dry_run,
            json=json,
        )
        return
    assert affinities is not None
    assert threshold is not None
    assert output is not None
    _segment_file(
        affinities,
        output,
        offsets=offsets,
        options={
            "method": "components" if method is None else method,
            "threshold": threshold,
            "minimum_size": minimum_size or 0,
            "fragment_threshold": fragment_threshold,
        },
        dry_run=dry_run,
        overwrite=overwrite,
        json=json,
    )


def _segment_file(
    affinities: str,
    output: str,
    *,
    offsets: str | None,
    options: dict[str, Any],
    dry_run: bool,
    overwrite: bool,
    json: bool,
) -> None:
    import numpy as np

    from objectwise.checks import check_choice
    from objectwise.cli.text import as_json
    from objectwise.data import write_volume
    from objectwise.pipeline import read_affinities
    from objectwise.segmentation import METHODS
    from objectwise.segmentation import segment as segment_affinities
    from objectwise.segmentation.segment import check_segmentation

    check_choice(options["method"], METHODS, name="--method")
    for name in ("threshold", "fragment_threshold"):
        if options[name] is not None and not 0 <= options[name] <= 1:
            option = "--" + name.replace("_", "-")
            raise ArgumentError(f"`{option}` must lie in 0..1, got {options[name]:g}")
    place = in_container(output, "volumes/labels/segmentation")
    require_new(place, overwrite=overwrite, dry_run=dry_run)
    formats = ("HDF5", "Zarr", "TIFF", "NIfTI")
    require_format(
        place, formats, what="labels (z, y, x) of 64 bits", example="out.h5:volumes/labels/segmentation"
    )
    volume = read_affinities(affinities)
    given = neighborhood_of(offsets, dimensions=3)
    table = volume.offsets if given is None else given.embedded().array
    if table is None:
        raise ArgumentError(
            f"`--offsets` must be given, {affinities} does not state them (attribute 'offsets')"
        )
    check_segmentation(volume.array, table, **options)
    outcome: dict[str, Any] = {"affinities": affinities, **options, "segmentation": place}
    if not dry_run:
        labels = segment_affinities(volume.array, table, **options).astype(np.uint64)
        write_volume(place, labels, voxel_size=volume.voxel_size, offset=volume.offset, overwrite=overwrite)
        outcome["objects"] = int(labels.max())
    done = "would write" if dry_run else f"{outcome['objects']} objects:"
    print(as_json(outcome) if json else f"{done} {place}")
