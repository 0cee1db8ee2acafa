"""`objectwise predict`."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from objectwise.cli.errors import one_sentence
from objectwise.cli.files import (
    FILES_PANEL,
    FileOutput,
    Offsets,
    Sections,
    in_container,
    neighborhood_of,
    on_files,
    require_format,
    require_new,
    sections_of,
    shape_of,
)
from objectwise.cli.options import DryRun, Json, OptionalTarget, Overwrite, Settings
from objectwise.cli.steps import do_steps
from objectwise.errors import ArgumentError, ObjectwiseWarning

if TYPE_CHECKING:
    from objectwise.config import RunConfig
    from objectwise.data import VolumeInfo
    from objectwise.graph import Neighborhood
    from objectwise.networks import Network
    from objectwise.tasks import Task


@one_sentence
def predict(
    config: OptionalTarget = None,
    *,
    output: FileOutput = None,
    settings: Settings = None,
    network: Annotated[
        Path | None,
        typer.Option(help="Trained network.pt.", show_default=False, rich_help_panel=FILES_PANEL),
    ] = None,
    raw: Annotated[
        str | None,
        typer.Option(
            help="Raw volume, like r.h5:volumes/raw, a TIFF or a folder of PNGs.",
            show_default=False,
            rich_help_panel=FILES_PANEL,
        ),
    ] = None,
    sections: Sections = None,
    channel_axis: Annotated[
        int | None,
        typer.Option(
            help="Axis of the channels in the raw file: -1 for colours, 0 for (channels, z, y, x).",
            show_default=False,
            rich_help_panel=FILES_PANEL,
        ),
    ] = None,
    window_shape: Annotated[
        str | None,
        typer.Option(
            help="Window in voxels, like 16,160,160 (or 160,160 for a 2-D network). "
            "That of its training by default.",
            show_default=False,
            rich_help_panel=FILES_PANEL,
        ),
    ] = None,
    overlap: Annotated[
        float | None,
        typer.Option(
            help="Fraction of the window that neighbours share, 0.25 by default.",
            show_default=False,
            rich_help_panel=FILES_PANEL,
        ),
    ] = None,
    batch_size: Annotated[
        int | None,
        typer.Option(
            help="Windows at once, 4 by default; changes memory and speed only.",
            show_default=False,
            rich_help_panel=FILES_PANEL,
        ),
    ] = None,
    accelerator: Annotated[
        str | None,
        typer.Option(
            help="auto (the default), cpu, gpu, cuda or mps.", show_default=False, rich_help_panel=FILES_PANEL
        ),
    ] = None,
    offsets: Offsets = None,
    python: Annotated[
        str | None,
        typer.Option(
            metavar="PACKAGE.MODULE:CLASS",
            help="Class of the network, where it is one of your own: its module is imported, which runs it.",
            show_default=False,
            rich_help_panel=FILES_PANEL,
        ),
    ] = None,
    dry_run: DryRun = False,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    r"""Predict affinities or masks, for the volumes of a run or for one file.

    Affinities are (k, z, y, x) float32 in 0..1, one channel per offset, higher for "same object", in HDF5.
    Masks are probabilities in the same form, one channel per class or structure.

    objectwise predict runs/isbi2012
    objectwise predict --network runs/isbi2012/train/network.pt \
        --raw new.h5:volumes/raw --output new.h5:volumes/predictions/affinities
    """
    files = {"--network": network, "--raw": raw}
    extra = {
        "--sections": sections,
        "--channel-axis": channel_axis,
        "--window-shape": window_shape,
        "--overlap": overlap,
        "--batch-size": batch_size,
        "--accelerator": accelerator,
        "--offsets": offsets,
        "--python": python,
    }
    if not on_files(
        config,
        files | ({"--output": output} if config is None else {}) | extra,
        needs=("--network", "--raw", "--output"),
        run_only={"--set": settings},
    ):
        assert config is not None
        do_steps(
            config,
            ["predict"],
            output=None if output is None else Path(output),
            settings=settings,
            overwrite=overwrite,
            dry_run=dry_run,
            json=json,
        )
        return
    assert network is not None
    assert raw is not None
    assert output is not None
    _predict_file(
        network,
        raw,
        output,
        sections=sections_of(sections),
        channel_axis=channel_axis,
        window_shape=shape_of(window_shape, name="--window-shape"),
        offsets=offsets,
        python=python,
        options={
            "overlap": 0.25 if overlap is None else overlap,
            "batch_size": 4 if batch_size is None else batch_size,
            "accelerator": "auto" if accelerator is None else accelerator,
        },
        dry_run=dry_run,
        overwrite=overwrite,
        json=json,
    )


def _predict_file(
    network: Path,
    raw: str,
    output: str,
    *,
    sections: tuple[int, int] | None,
    channel_axis: int | None,
    window_shape: tuple[int, ...] | None,
    offsets: str | None,
    python: str | None,
    options: dict[str, Any],
    dry_run: bool,
    overwrite: bool,
    json: bool,
) -> None:
    from objectwise.cli.progress import TerminalReporter
    from objectwise.cli.text import as_json
    from objectwise.networks import load_network
    from objectwise.pipeline import describe_stack, predict_probabilities, read_raw_stack, write_prediction
    from objectwise.pipeline.affinity_files import DEFAULT_DATASET
    from objectwise.pipeline.predict import check_windows, normalisation_of

    example = f"out.h5:{DEFAULT_DATASET}"
    require_format(
        in_container(output, DEFAULT_DATASET), ("HDF5",), what="affinities (k, z, y, x)", example=example
    )
    model = load_network(network, python=python)
    run_config = _run_of(network) if model.record is None else None
    normalisation_of(model)
    task = _task(model, run_config, offsets)
    place = in_container(output, task.dataset)
    require_new(place, overwrite=overwrite, dry_run=dry_run)
    window = _window(model, run_config, window_shape)
    info = describe_stack(raw, sections, channel_axis)
    _require_channels(model, info)
    check_windows(info.shape, window, overlap=options["overlap"], batch_size=options["batch_size"])
    _require_memory(model, info, window, options)
    _compare_voxel_sizes(model, info.voxel_size)
    if not dry_run:
        volume = read_raw_stack(raw, sections, channel_axis)
        with TerminalReporter() as reporter:
            bar = partial(reporter.progress, "predict")
            prediction = predict_probabilities(
                model,
                volume.array,
                activation=task.probabilities,
                window_shape=window,
                name=raw,
                progress=bar,
                **options,
            )
        write_prediction(
            place,
            prediction,
            task.attributes,
            voxel_size=volume.voxel_size,
            offset=volume.offset,
            overwrite=overwrite,
        )
    what = task.dataset.rpartition("/")[2]
    outcome = {
        "raw": raw,
        "shape": list(info.shape),
        "window_shape": list(window),
        **_meaning(task),
        what: place,
    }
    print(as_json(outcome) if json else f"{'would write' if dry_run else f'{what}:'} {place}")


def _meaning(task: Task) -> dict[str, Any]:
    """Return what the channels are, as plain data."""
    from objectwise.tasks.affinities import AffinityTask

    if isinstance(task, AffinityTask):
        return {"offsets": task.neighborhood.offsets}
    return {"channels": list(task.channels)}


def _require_channels(model: Network, info: VolumeInfo) -> None:
    """Require the channels that the network was trained on."""
    needed, found = model.in_channels, info.channels or 1
    if found != needed:
        advice = "; `--channel-axis` says where a file has them" if info.channels is None else ""
        raise ArgumentError(f"`--raw` must have the channels of the network ({needed}), got {found}{advice}")


def _require_memory(
    model: Network, info: VolumeInfo, window: tuple[int, ...], options: dict[str, Any]
) -> None:
    """Refuse what cannot fit, before anything is read."""
    import numpy as np

    from objectwise.pipeline.memory import estimate_prediction_memory, require_prediction_memory
    from objectwise.pipeline.predict import find_device

    device = find_device(options["accelerator"]).type
    needed = estimate_prediction_memory(
        model,
        (info.channels or 1, *info.shape),
        itemsize=np.dtype(info.dtype).itemsize,
        channels=model.out_channels,
        window_shape=window,
        batch_size=options["batch_size"],
        device=device,
    )
    require_prediction_memory(needed, device, what="the prediction")


def _compare_voxel_sizes(model: Network, voxel_size: Sequence[float]) -> None:
    """Warn of a volume whose voxels are not of the size that the network has learnt objects in."""
    from objectwise.workflow.voxel_sizes import voxel_size_warning

    if model.record is None:
        return
    axes = slice(-model.dimensions, None)
    known = model.record.voxel_size[axes]
    sentence = voxel_size_warning(voxel_size[axes], known, of="the training", allowed=True)
    if sentence is not None:
        warnings.warn(sentence, ObjectwiseWarning, stacklevel=2)


def _run_of(network: Path) -> RunConfig | None:
    """Return the configuration of the run that a network lies in, RUN/train/network.pt, if it does."""
    from objectwise.config import load_config

    folder = network.resolve().parent
    # Any folder can hold a config.yaml of something else; a step of a run leaves its mark beside the network.
    of_a_run = folder.name == "train" and any(
        (folder / mark).is_file() for mark in ("complete.json", "started.json")
    )
    config = folder.parent / "config.yaml"
    return load_config(config) if of_a_run and config.is_file() else None


def _task(model: Network, run: RunConfig | None, offsets: str | None) -> Task:
    """Return what the channels mean: as the network says; before it could, as the run or the user says."""
    from objectwise.tasks import AffinityTask, task_of_record

    record = model.record
    if record is None or record.offsets is not None:
        return AffinityTask(_neighborhood(model, run, offsets))
    if offsets is not None:
        raise ArgumentError(
            f"`--offsets` must be left out with a network of the task {record.task_name!r}, got {offsets!r}"
        )
    return task_of_record(record)


def _neighborhood(model: Network, run: RunConfig | None, offsets: str | None) -> Neighborhood:
    from objectwise.graph import Neighborhood

    channels = model.out_channels
    given = neighborhood_of(offsets, dimensions=model.dimensions)
    if model.record is not None and model.record.offsets is not None:
        found = Neighborhood(model.record.offsets)
        if given is not None and given.offsets != found.offsets:
            raise ArgumentError(
                f"`--offsets` must be those of the network, {list(map(list, found.offsets))}, "
                f"got {list(map(list, given.offsets))}; leave them out"
            )
        return found
    known = given or (run.neighborhood if run is not None else None)
    if known is None and channels == model.dimensions:
        known = Neighborhood.nearest(model.dimensions)
        warnings.warn(
            f"the network does not say what its {channels} channels are: assumed are the nearest neighbours, "
            f"{list(map(list, known.offsets))}; give --offsets to say so",
            ObjectwiseWarning,
            stacklevel=2,
        )
    if known is None:
        raise ArgumentError(
            f"`--offsets` must be given for a network of {channels} channels that does not say what they are"
        )
    if len(known) != channels:
        raise ArgumentError(
            f"`--offsets` must have one row per channel of the network ({channels}), got {len(known)}"
        )
    return known


def _window(model: Network, run: RunConfig | None, window: tuple[int, ...] | None) -> tuple[int, ...]:
    if window is None and model.record is not None:
        window = model.record.window_shape
    elif window is None and run is not None:
        window = run.prediction.window_shape or run.training.patch_shape
    if window is None:
        raise ArgumentError(
            "`--window-shape` must be given for a network that does not know its own, like 16,160,160"
        )
    model.check_shape(window, name="--window-shape")
    return window
