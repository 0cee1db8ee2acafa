"""The training of a run: from volumes to `network.pt`, resumed wherever it was killed."""

from __future__ import annotations

import json
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, Trainer
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.utilities.exceptions import SIGTERMException

from objectwise.config.models import RunConfig
from objectwise.config.training import TrainingConfig
from objectwise.data import LabelledVolume, PatchAugmentation, PatchSampler, fit_normalisation
from objectwise.data.augmentation import Magnitudes
from objectwise.data.balance import Balance
from objectwise.data.defects import Defects
from objectwise.errors import ArgumentError
from objectwise.networks import NetworkRecord, load_network, save_network
from objectwise.networks.machine import torch_threads
from objectwise.networks.storage import copy_weights
from objectwise.tasks import Task, task_of
from objectwise.training.checkpoints import (
    AtomicCheckpointIO,
    StepCheckpoint,
    check_resumable,
    read_checkpoint,
)
from objectwise.training.logs import MetricsLogger, StepLogs, StepProgress, quiet_lightning
from objectwise.training.module import TrainingModule
from objectwise.training.network import covered_by, network_of
from objectwise.training.objective import objective_of
from objectwise.training.patches import PatchDataModule
from objectwise.training.validation import Validation, ValidationSteps, best_in, write_best


def train(
    config: RunConfig,
    volumes: Sequence[LabelledVolume],
    directory: Path,
    *,
    run: str | None = None,
    validate: Validation | None = None,
    progress: bool | None = None,
    callbacks: Sequence[Callback] = (),
) -> Path:
    """Train the network of a configuration and return the path of its weights.

    A directory that holds the checkpoint of an earlier start of the same configuration is resumed, and ends
    with the same weights as if it had never stopped: bit by bit on the CPU of one machine with one number of
    threads; on a GPU up to rounding, because some of its sums come in no fixed order.

    Parameters
    ----------
    config : RunConfig
    volumes : sequence of LabelledVolume
        Raw and labels of `config.data.train`.
    directory : Path
        RUN/train; made where it is missing. Gets `checkpoints/last.ckpt`, `metrics.csv`, TensorBoard events
        and `network.pt`, with a validation `validation.csv` and `best.pt` too.
    run : str, optional
        What the weights depend on, such as a fingerprint: a checkpoint with another one is refused. By
        default the configuration, which does not know what the volumes hold.
    validate : Validation, optional
        How the network is scored every `training.validation.every` steps; must be given where that is.
    progress : bool, optional
        Draw a progress bar on stderr; by default when that is a terminal.
    callbacks : sequence of lightning.pytorch.Callback, optional
        Called beside ours.

    Returns
    -------
    Path
        `directory/network.pt`, see `objectwise.networks.load_network`.

    Raises
    ------
    ShapeError, DtypeError, ArgumentError
        If the volumes, the patch or the network do not fit each other; nothing is written then.
    CheckpointError
        If a checkpoint or the initial weights are damaged, or of another configuration or architecture.
    DivergenceError
        If the loss or the weights are not finite any more; the checkpoint before that is kept.
    KeyboardInterrupt
        If the user stops it; at most `training.checkpoint_every` steps are lost.
    """
    settings = config.training
    if (settings.validation is None) != (validate is None):
        raise ArgumentError(
            "`validate` must be given with training.validation, and only then, got "
            f"{'none' if validate is None else 'one'}"
        )
    network, task = network_of(config), task_of(config)
    sampler = build_sampler(config, volumes)
    task.check_shape(sampler.covered)
    network.record = _record_of(config, task, volumes, sampler)
    run = describe_run(config) if run is None else run
    last = directory / "checkpoints" / "last.ckpt"
    resumed = read_checkpoint(last, run=run, steps=settings.steps) if last.exists() else None
    first_step = 0 if resumed is None else int(resumed["objectwise_step"])
    if resumed is None and settings.initial_weights is not None:
        initial = settings.initial_weights
        start = load_network(initial, python=config.network.python)
        copy_weights(start, network, name=f"training.initial_weights {initial}")

    objective = objective_of(config, arrays=truth_names(volumes), voxel_size=volumes[0].voxel_size)
    module = TrainingModule(network, settings, objective, first_step=first_step, run=run)
    if resumed is not None:
        check_resumable(last, resumed, module)
        module.best = best_in(last, resumed, module)
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / "network.pt"
    if resumed is not None and first_step >= settings.steps:
        # Killed between the last checkpoint and the network.
        module.load_state_dict(resumed["state_dict"])
        write_best(directory, module)
        save_network(path, module.trained)
        return path
    patches = PatchDataModule(
        sampler,
        task,
        batch_size=settings.batch_size,
        accumulate=settings.accumulate,
        steps=settings.steps,
        first_step=first_step,
        workers=settings.workers,
        maps=objective.maps,
    )
    show = sys.stderr.isatty() if progress is None else progress
    own: list[Callback] = [StepLogs(lambda: patches.waited)]
    if show:
        own.append(StepProgress(settings.steps))
    validation: list[Callback] = []
    if validate is not None and settings.validation is not None:
        validation.append(ValidationSteps(validate, every=settings.validation.every, directory=directory))
    with quiet_lightning(), torch_threads(settings.threads), _interruptible():
        trainer = _trainer(settings, directory, last, module, [*own, *callbacks, *validation])
        trainer.fit(module, patches, ckpt_path=None if resumed is None else last, weights_only=True)
        if trainer.is_global_zero:
            save_network(path, module.trained)
        trainer.strategy.barrier("network.pt")
    return path


def _record_of(
    config: RunConfig, task: Task, volumes: Sequence[LabelledVolume], sampler: PatchSampler
) -> NetworkRecord:
    """Return what the network's file says of its training."""
    affinities = config.task.name == "affinities"
    return NetworkRecord(
        window_shape=config.prediction.window_shape or config.training.patch_shape,
        # All ones stand for a size that was not stated.
        voxel_size=next(
            (volume.voxel_size for volume in volumes if any(size != 1 for size in volume.voxel_size)),
            (1.0, 1.0, 1.0),
        ),
        normalisation=sampler.normalisation.as_plain(),
        offsets=config.neighborhood.offsets if affinities else None,
        task=config.task.model_dump(mode="json", exclude_defaults=True),
        channels=task.channels,
    )


def truth_names(volumes: Sequence[LabelledVolume]) -> list[str]:
    """Return what is known of the volumes, by name: the same of all, for their patches share batches."""
    names = [list(volume.truth()) for volume in volumes]
    for volume, own in zip(volumes, names, strict=True):
        if own != names[0]:
            raise ArgumentError(
                f"`volumes` must all have the same truth, got {own} of {volume.name} and {names[0]} of "
                f"{volumes[0].name}"
            )
    return names[0]


def build_sampler(config: RunConfig, volumes: Sequence[LabelledVolume]) -> PatchSampler:
    """Return the numbered patches that a configuration trains on."""
    settings, normalisation = config.training, config.normalisation
    changes = settings.augmentation
    augmentation = PatchAugmentation(
        config.dimensions,
        **changes.model_dump(exclude={"magnitudes", "defects"}),
        magnitudes=Magnitudes(**changes.magnitudes.model_dump()),
        defects=Defects(**changes.defects.model_dump()),
    )
    return PatchSampler(
        volumes,
        settings.patch_shape,
        seed=config.seed,
        minimum_foreground=settings.minimum_foreground,
        balance=Balance(**settings.balance.model_dump()),
        augmentation=augmentation,
        covered=covered_by(config, settings.patch_shape, name="training.patch_shape", training=True),
        normalisation=fit_normalisation(
            [volume.raw for volume in volumes],
            method=normalisation.method,
            limits=normalisation.range,
            percentiles=normalisation.percentiles,
            each=normalisation.each,
        ),
    )


def describe_run(config: RunConfig) -> str:
    """Return everything in a configuration that the trained weights depend on, one fact a line.

    Paths are left out: where the volumes and the first weights lie says nothing about what is in them.
    """
    tree = config.tree_of_results(defaults=True)
    content = {
        key: tree[key] for key in ("dimensions", "offsets", "seed", "normalisation", "network", "training")
    }
    if config.task.name != "affinities":
        content["task"] = tree["task"]
    del content["training"]["initial_weights"]
    facts = [f"{path} {json.dumps(value)}" for path, value in _leaves(content)]
    return "\n".join(sorted(facts))


def _leaves(content: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(content, dict):
        for key, value in content.items():
            yield from _leaves(value, f"{path}.{key}" if path else key)
    else:
        yield path, content


def _trainer(
    settings: TrainingConfig,
    directory: Path,
    last: Path,
    module: TrainingModule,
    callbacks: Sequence[Callback],
) -> Trainer:
    return Trainer(
        accelerator=settings.accelerator,
        devices=settings.devices,
        precision=settings.precision,
        accumulate_grad_batches=settings.accumulate,
        gradient_clip_val=settings.clip_gradient,
        max_steps=settings.steps - module.first_step,
        logger=[
            MetricsLogger(
                directory / "metrics.csv",
                terms=[term.name for term in module.objective.terms],
                first_step=module.first_step,
            ),
            TensorBoardLogger(directory, name="tensorboard", version="", purge_step=module.first_step + 1),
        ],
        callbacks=[*callbacks, StepCheckpoint(last, every=settings.checkpoint_every)],
        plugins=[AtomicCheckpointIO()],
        log_every_n_steps=1,
        use_distributed_sampler=False,  # StepSampler gives each rank its share
        enable_progress_bar=False,
        enable_model_summary=False,
    )


@contextmanager
def _interruptible() -> Iterator[None]:
    """Turn Lightning's exit upon Ctrl-C back into KeyboardInterrupt, and let Ctrl-C work again afterwards.

    Upon SIGTERM Lightning exits with 0, as if all were done; here the process ends by the signal.
    """
    in_main = threading.current_thread() is threading.main_thread()
    handler = signal.getsignal(signal.SIGINT) if in_main else None
    try:
        yield
    except SIGTERMException:
        if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:  # else Lightning has called the handler
            signal.raise_signal(signal.SIGTERM)
        raise
    except SystemExit as error:
        if isinstance(error.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from error
        raise
    finally:
        if in_main:
            signal.signal(signal.SIGINT, handler)
