"""`objectwise evaluate`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from objectwise.cli.errors import one_sentence
from objectwise.cli.files import FILES_PANEL, Sections, on_files, sections_of
from objectwise.cli.options import DryRun, Json, OptionalTarget, Overwrite, RunOutput, Settings
from objectwise.cli.steps import do_steps
from objectwise.errors import ArgumentError

DETECTION = "detection"
Numbers = dict[str, float]


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
        typer.Option(
            help="cremi (the default) or distinct_pairs: adapted Rand error and VOI; or detection: objects "
            "found, missed and false.",
            show_default=False,
            rich_help_panel=FILES_PANEL,
        ),
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(
            help="Overlap above which --protocol detection takes two objects for one; 0.5 by default.",
            show_default=False,
            rich_help_panel=FILES_PANEL,
        ),
    ] = None,
    overlap: Annotated[
        str | None,
        typer.Option(
            help="Overlap that --protocol detection measures: iou (the default) or dice.",
            show_default=False,
            rich_help_panel=FILES_PANEL,
        ),
    ] = None,
    per_section: Annotated[
        bool, typer.Option("--per-section", help="Print every section too.", rich_help_panel=FILES_PANEL)
    ] = False,
    dry_run: DryRun = False,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    r"""Score a segmentation: adapted Rand error, VOI split and merge (bits), CREMI score; lower is better.

    With --sections, these of the truth are compared with all of the segmentation. With --protocol detection:
    objects found, missed and false, precision, recall, F1, panoptic quality; a mask is one object.

    objectwise evaluate runs/isbi2012
    objectwise evaluate --truth t.h5:volumes/labels/neuron_ids \
        --segmentation s.h5:volumes/labels/segmentation
    objectwise evaluate --truth t.h5:labels --sections 16:20 --segmentation s.tif --dimensions 2 --json
    objectwise evaluate --truth t.tif --segmentation s.tif --protocol detection --threshold 0.7 --overlap dice
    """
    files = {
        "--truth": truth,
        "--segmentation": segmentation,
        "--sections": sections,
        "--dimensions": dimensions,
        "--protocol": protocol,
        "--threshold": threshold,
        "--overlap": overlap,
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
    for name, value in {"--threshold": threshold, "--overlap": overlap}.items():
        if value is not None and protocol != DETECTION:
            raise ArgumentError(f"`{name}` must come with --protocol {DETECTION}, got {value}")
    from objectwise.checks import check_choice
    from objectwise.cli.text import as_json, number_table
    from objectwise.metrics import PROTOCOLS
    from objectwise.pipeline import read_label_stack

    if protocol is not None:
        check_choice(protocol, (*PROTOCOLS, DETECTION), name="--protocol")
    labels = {
        "truth": read_label_stack(truth, sections_of(sections)).array,
        "segmentation": read_label_stack(segmentation).array,
    }
    if protocol == DETECTION:
        rules = {
            "threshold": 0.5 if threshold is None else threshold,
            "overlap": "iou" if overlap is None else overlap,
        }
        overall, each = _detection(labels, dimensions or 3, rules)
    else:
        overall, each = _partition(labels, dimensions or 3, "cremi" if protocol is None else protocol)
    if json:
        print(as_json({"scores": overall, "sections": each}))
        return
    together = "all sections" if protocol == DETECTION else "mean over sections"
    rows = {together if dimensions == 2 else "volume": overall}
    if per_section:
        first = (sections_of(sections) or (0, 0))[0]
        rows |= {f"section {first + z}": one for z, one in enumerate(each)}
    print(number_table(rows, first=""))


def _partition(labels: dict[str, Any], dimensions: int, protocol: str) -> tuple[Numbers, list[Numbers]]:
    """Score the volume and its sections as partitions."""
    from objectwise.cli.text import SCORES
    from objectwise.pipeline import score_stack

    scores = score_stack(**labels, dimensions=dimensions, protocol=protocol)
    overall, *each = (
        {name: getattr(one, name) for name in SCORES} for one in (scores.overall, *scores.sections)
    )
    return overall, each


def _detection(labels: dict[str, Any], dimensions: int, rules: Any) -> tuple[Numbers, list[Numbers]]:
    """Count the objects of the volume and of its sections."""
    from objectwise.metrics import panoptic_of_scores
    from objectwise.pipeline import detect_in_stack

    iou = rules["overlap"] == "iou"
    scores = detect_in_stack(**labels, dimensions=dimensions, **rules)
    overall, *each = (
        one._asdict() | ({"panoptic_quality": panoptic_of_scores(one).panoptic_quality} if iou else {})
        for one in (scores.overall, *scores.sections)
    )
    return overall, each
