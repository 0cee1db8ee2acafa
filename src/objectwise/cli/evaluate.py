"""`objectwise evaluate`."""

from __future__ import annotations

from typing import Annotated

import typer

from objectwise.cli.errors import one_sentence
from objectwise.cli.files import FILES_PANEL, Sections, on_files, sections_of
from objectwise.cli.options import DryRun, Json, OptionalTarget, Overwrite, RunOutput, Settings
from objectwise.cli.steps import do_steps
from objectwise.errors import ArgumentError


@one_sentence
def evaluate(
    config: OptionalTarget = None,
    *,
    output: RunOutput = None,
    settings: Settings = None,
    truth: Annotated[
        str | None,
        typer.Option(
            help="True labels, like t.h5:volumes/labels/neuron_ids; 0 = background.",
            show_default=False,
            rich_help_panel=FILES_PANEL,
        ),
    ] = None,
    segmentation: Annotated[
        str | None,
        typer.Option(
            help="Labels to score, like s.h5:volumes/labels/segmentation.",
            show_default=False,
            rich_help_panel=FILES_PANEL,
        ),
    ] = None,
    sections: Sections = None,
    dimensions: Annotated[
        int | None,
        typer.Option(
            help="3 (the default) scores the volume; 2 every section as an image of its own, and their mean.",
            show_default=False,
            rich_help_panel=FILES_PANEL,
        ),
    ] = None,
    protocol: Annotated[
        str | None,
        typer.Option(help="cremi (the default).", show_default=False, rich_help_panel=FILES_PANEL),
    ] = None,
    per_section: Annotated[
        bool, typer.Option("--per-section", help="Print every section too.", rich_help_panel=FILES_PANEL)
    ] = False,
    dry_run: DryRun = False,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    r"""Score a segmentation: adapted Rand error, VOI split and merge (bits), CREMI score; lower is better.

    With --sections, these of the truth are compared with all of the segmentation.

    objectwise evaluate runs/isbi2012
    objectwise evaluate --truth t.h5:volumes/labels/neuron_ids \
        --segmentation s.h5:volumes/labels/segmentation
    objectwise evaluate --truth t.h5:labels --sections 16:20 --segmentation s.tif --dimensions 2 --json
    """
    files = {
        "--truth": truth,
        "--segmentation": segmentation,
        "--sections": sections,
        "--dimensions": dimensions,
        "--protocol": protocol,
        "--per-section": per_section,
    }
    run_only = {"--set": settings, "--output": output, "--dry-run": dry_run, "--overwrite": overwrite}
    if not on_files(config, files, needs=("--truth", "--segmentation"), run_only=run_only):
        assert config is not None
        do_steps(
            config,
            ["evaluate"],
            output=output,
            settings=settings,
            overwrite=overwrite,
            dry_run=dry_run,
            json=json,
        )
        return
    assert truth is not None
    assert segmentation is not None
    if per_section and json:
        raise ArgumentError(
            "`--per-section` must not be given together with --json, which holds every section"
        )
    if dimensions not in (None, 2, 3):
        raise ArgumentError(f"`--dimensions` must be 2 or 3, got {dimensions}")
    from objectwise.cli.text import as_json, score_table
    from objectwise.pipeline import read_label_stack, score_stack

    scores = score_stack(
        truth=read_label_stack(truth, sections_of(sections)).array,
        segmentation=read_label_stack(segmentation).array,
        dimensions=dimensions or 3,
        protocol=protocol or "cremi",
    )
    rows = {"mean over sections" if dimensions == 2 else "volume": scores.overall._asdict()}
    if json:
        content = {"scores": scores.overall._asdict(), "sections": [one._asdict() for one in scores.sections]}
        print(as_json(content))
        return
    if per_section:
        first = (sections_of(sections) or (0, 0))[0]
        rows |= {f"section {first + z}": one._asdict() for z, one in enumerate(scores.sections)}
    print(score_table(rows, first=""))
