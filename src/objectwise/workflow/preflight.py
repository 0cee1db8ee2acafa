"""Everything that can be known to be wrong before work begins, with the key it concerns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from objectwise.checks import check_offsets_fit
from objectwise.config.models import RunConfig, VolumeConfig
from objectwise.data import VolumeInfo, check_pair
from objectwise.errors import ArgumentError, ConfigError, ObjectwiseError
from objectwise.pipeline.predict import find_device
from objectwise.pipeline.stacks import describe_stack
from objectwise.workflow.training_step import device_count, training_volumes


def check_run(config: RunConfig) -> None:
    """Check inputs, network and machine against the configuration; nothing is computed or written.

    Raises
    ------
    ConfigError
        One line per problem: the key, the rule, what was found.
    """
    problems = _Problems()
    for key, volume in _volumes(config):
        _check_volume(config, key, volume, problems)
    with problems.at("network"):
        _check_shapes(config)
    with problems.at("offsets"):
        check_offsets_fit(config.training.patch_shape, config.neighborhood.array)
    with problems.at("training.accelerator"):
        _check_machine(config, find_device(config.training.accelerator).type, problems)
    if config.training.initial_weights is not None:
        from objectwise.networks import load_network
        from objectwise.networks.storage import check_same_architecture
        from objectwise.training import network_of

        with problems.at("training.initial_weights"):
            initial = load_network(config.training.initial_weights)
            name = str(config.training.initial_weights)
            check_same_architecture(initial, network_of(config, weights=False), name=name)
    problems.refuse()


def check_patches(config: RunConfig) -> None:
    """Read the training volumes and see that patches can be cut from them; nothing is written.

    Raises
    ------
    ObjectwiseError
        What the training itself would raise, such as too few labelled voxels.
    """
    from objectwise.data import PatchSampler

    PatchSampler(
        training_volumes(config),
        config.training.patch_shape,
        seed=config.seed,
        minimum_foreground=config.training.minimum_foreground,
    )


class _Problems:
    """Collects what is wrong, so that one run of the command shows all of it."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    @contextmanager
    def at(self, key: str) -> Iterator[None]:
        try:
            yield
        except ObjectwiseError as error:
            self.lines.append(f"{key}: {error}")

    def refuse(self) -> None:
        if len(self.lines) == 1:
            raise ConfigError(self.lines[0])
        if self.lines:
            raise ConfigError(f"the run has {len(self.lines)} problems:\n  " + "\n  ".join(self.lines))


def window_shape(config: RunConfig) -> tuple[int, ...]:
    """Return the window of the prediction: as configured, or the patch of the training."""
    return config.prediction.window_shape or config.training.patch_shape


def _volumes(config: RunConfig) -> Iterator[tuple[str, VolumeConfig]]:
    for group, volumes in (
        ("train", config.data.train),
        ("tune", config.data.tune),
        ("evaluate", config.data.evaluate),
    ):
        for index, volume in enumerate(volumes):
            yield f"data.{group}.{index}", volume


def _check_volume(config: RunConfig, key: str, volume: VolumeConfig, problems: _Problems) -> None:
    """Check that raw and labels are there and fit each other, the offsets and the patch."""
    raw: VolumeInfo | None = None
    with problems.at(f"{key}.raw"):
        raw = describe_stack(volume.raw, volume.sections)
        spatial = raw.shape[-config.dimensions :]
        check_offsets_fit(spatial, config.neighborhood.array)
        if volume in config.data.train:
            _check_patch(config.training.patch_shape, spatial)
    if volume.labels is not None:
        with problems.at(f"{key}.labels"):
            labels = describe_stack(volume.labels, volume.sections)
            if raw is not None:
                check_pair(raw, labels)


def _check_machine(config: RunConfig, device: str, problems: _Problems) -> None:
    """Check what the training asks of the kind of device that it was given."""
    import torch

    there = {"cuda": torch.cuda.device_count(), "mps": 1}.get(device)  # on the CPU, processes
    asked = device_count(config)
    if there is not None and asked > there:
        with problems.at("training.devices"):
            raise ArgumentError(f"must be at most {there}, the devices of kind {device!r} here, got {asked}")
    if device == "cpu" and config.training.precision == "16-mixed":
        with problems.at("training.precision"):
            raise ArgumentError("must be 32-true or bf16-mixed on the CPU, got 16-mixed, which needs a GPU")


def _check_patch(patch: Sequence[int], spatial: Sequence[int]) -> None:
    if any(size > space for size, space in zip(patch, spatial, strict=True)):
        raise ArgumentError(
            f"`training.patch_shape` must fit into every training volume, "
            f"got {list(patch)} for {list(spatial)}"
        )


def _check_shapes(config: RunConfig) -> None:
    """See that the strides of the network divide patch and window."""
    from objectwise.training import network_of

    network = network_of(config, weights=False)
    network.check_shape(config.training.patch_shape, name="training.patch_shape")
    network.check_shape(window_shape(config), name="prediction.window_shape")
