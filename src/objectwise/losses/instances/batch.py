"""The structure of a batch: the cells of all its volumes behind one another, as tensors.

A volume is one channel of one sample: each has its own objects.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from objectwise.checks import check_choice, check_labels, check_number, check_whole_number
from objectwise.errors import ArgumentError
from objectwise.kernels.instances import group_cells
from objectwise.losses.inputs import on_device, on_host
from objectwise.losses.instances.inputs import Foreground
from objectwise.maps.instance_cells import InstanceCells, ObjectPlaces, dense_ids, instance_cells
from objectwise.maps.instances import check_some_connectivity, connected_components
from objectwise.threads import in_threads

KEEP = ("largest", "strongest", "error")


class Selection(NamedTuple):
    """Which predicted components count as objects."""

    threshold: float = 0.5
    connectivity: int | None = None
    minimum_size: int = 0
    max_components: int | None = None
    keep: str | None = None

    def check(self) -> None:
        """Refuse numbers out of range, and a cap without a choice or a choice without a cap."""
        check_number(self.threshold, name="threshold")
        if not 0 < self.threshold < 1:
            raise ArgumentError(f"`threshold` must lie between 0 and 1, got {self.threshold}")
        check_some_connectivity(self.connectivity)
        check_whole_number(self.minimum_size, least=0, name="minimum_size")
        if self.max_components is None:
            if self.keep is not None:
                raise ArgumentError(f"`keep` has no effect without `max_components`, got {self.keep!r}")
            return
        check_whole_number(self.max_components, least=1, name="max_components")
        if self.keep is None:
            listed = ", ".join(map(repr, KEEP))
            raise ArgumentError(f"`keep` must say which components stay below `max_components`: {listed}")
        check_choice(self.keep, KEEP, name="keep")


class ObjectTable(NamedTuple):
    """All objects of one side of a batch, (m,) each."""

    sizes: Tensor
    """float64, voxels that are not ignored."""
    volume: Tensor
    """int64, the volume each lies in."""
    places: list[ObjectPlaces]
    """Boxes and centers, as arrays, volume by volume."""


class Groups(NamedTuple):
    """Which cells make up which objects; a cell is in several groups.

    The groups lie behind one another, in this order: true objects; predicted objects where there is no truth;
    predicted objects where there is; volumes where there is truth; volumes where there is none; central
    voxels of volumes, with truth and without; overlapping pairs.
    """

    cells: Tensor
    """(e,) int64"""
    groups: Tensor
    """(e,) int64, the group that the cell is in."""
    voxels: Tensor
    """(g,) float64, of every group."""
    sizes: tuple[int, ...]
    """Number of groups of each of the eight kinds."""


class Batch(NamedTuple):
    """Cells of a batch; objects are numbered through all its volumes, -1 stands for none."""

    cells: Tensor
    """int32, one for every voxel of the batch, in C order; -1 where ignored."""
    predicted: Tensor
    """(c,) int64, predicted object of every cell."""
    truth: Tensor
    """(c,) int64, true object of every cell."""
    central: Tensor
    """(c,) bool"""
    voxels: Tensor
    """(c,) float64"""
    volume: Tensor
    """(c,) int64"""
    predicted_objects: ObjectTable
    true_objects: ObjectTable
    pair_predicted: Tensor
    """(r,) int64, predicted object of every overlapping pair."""
    pair_truth: Tensor
    """(r,) int64"""
    groups: Groups
    n_volumes: int


def batch_cells(
    inputs: Foreground,
    selection: Selection,
    *,
    instances: Tensor | None,
    center_offset: float | None,
    spacing: Sequence[float] | None,
) -> Batch:
    """Compute the structure of a batch on the host and put it on the device of the prediction."""
    spatial = inputs.values.shape[2:]
    device = inputs.values.device
    masks = inputs.mask(selection.threshold).reshape(-1, *spatial)
    truths = true_ids(inputs, instances, selection.connectivity)
    ignored = None if inputs.ignore is None else on_host(inputs.ignore).reshape(-1, *spatial)
    strengths = None
    if selection.keep == "strongest":
        strengths = on_host(inputs.values).reshape(-1, *spatial)
    predicted = [
        selected_components(mask, selection, None if strengths is None else strengths[i])
        for i, mask in enumerate(masks)
    ]

    def structure(i: int) -> InstanceCells:
        ignore = None if ignored is None else ignored[i]
        return instance_cells(
            predicted[i],
            truths[i],
            ignore=ignore,
            center_offset=center_offset,
            spacing=spacing,
            overwrite=True,
        )

    structures = in_threads(structure, range(len(masks)))
    return _stacked(structures, device)


def true_ids(
    inputs: Foreground, instances: Tensor | None, connectivity: int | None
) -> list[NDArray[np.int32]]:
    """Return the dense ids of the true objects of every volume: components, or the ids that were passed."""
    spatial = inputs.target.shape[2:]
    masks = on_host(inputs.target).reshape(-1, *spatial)
    if instances is None:
        return [connected_components(mask, connectivity) for mask in masks]
    ids = check_labels(on_host(instances), name="instances").reshape(-1, *spatial)
    if inputs.ignore is not None:
        ids = np.where(on_host(inputs.ignore).reshape(-1, *spatial), 0, ids)
    if not np.array_equal(ids != 0, masks):
        raise ArgumentError(
            "`instances` must be positive exactly where `target` is 1; they name the objects of the target"
        )
    return [dense_ids(one)[0] for one in ids]


def selected_components(
    mask: NDArray[np.bool_], selection: Selection, strength: NDArray[Any] | None
) -> NDArray[np.int32]:
    """Return the components of a mask without those that are too small or too many."""
    ids = connected_components(mask, selection.connectivity)
    n = int(ids.max())
    if selection.minimum_size < 2 and (selection.max_components is None or n <= selection.max_components):
        return ids
    sizes = np.bincount(ids.reshape(-1), minlength=n + 1)[1:]
    stays = sizes >= selection.minimum_size
    cap = selection.max_components
    if cap is not None and np.count_nonzero(stays) > cap:
        if selection.keep == "error":
            raise ArgumentError(
                f"`prediction` must have at most `max_components` ({cap}) components in a volume, "
                f"got {np.count_nonzero(stays)}"
            )
        rank = sizes.astype(np.float64)
        if strength is not None:
            rank = np.bincount(ids.reshape(-1), strength.reshape(-1), minlength=n + 1)[1:] / sizes
        order = np.argsort(-np.where(stays, rank, -np.inf), kind="stable")  # ties: the first in C order
        stays[order[cap:]] = False
    numbers = np.zeros(n + 1, np.int32)
    numbers[1:][stays] = np.arange(1, np.count_nonzero(stays) + 1, dtype=np.int32)
    return numbers[ids]


class _Columns(NamedTuple):
    """Of every cell of a batch, (c,); -1 stands for no object."""

    predicted: NDArray[np.int64]
    truth: NDArray[np.int64]
    central: NDArray[np.bool_]
    voxels: NDArray[np.int64]
    volume: NDArray[np.int64]
    pair: NDArray[np.int64]


def _stacked(structures: list[InstanceCells], device: torch.device) -> Batch:
    """Put the cells of several volumes behind one another, numbering cells and objects through."""
    first_cell, first_predicted, first_true = 0, 0, 0
    columns: list[tuple[NDArray[Any], ...]] = []
    for i, one in enumerate(structures):
        predicted = np.where(one.predicted > 0, one.predicted - 1 + first_predicted, -1)
        truth = np.where(one.truth > 0, one.truth - 1 + first_true, -1)
        columns.append((predicted, truth, one.central, one.voxels, np.full(len(predicted), i)))
        if first_cell:
            np.add(one.cells, first_cell, out=one.cells, where=one.cells >= 0)
        first_cell += len(predicted)
        first_predicted += len(one.predicted_objects.sizes)
        first_true += len(one.true_objects.sizes)
    predicted, truth, central, voxels, volume = map(np.concatenate, zip(*columns, strict=True))
    pairs, cell_pair = _pairs(predicted, truth)
    every = _Columns(predicted, truth, central, voxels, volume, cell_pair)
    n_objects = (first_predicted, first_true, len(structures))
    cells = [torch.from_numpy(one.cells.reshape(-1)) for one in structures]
    return Batch(
        on_device(cells[0] if len(cells) == 1 else torch.cat(cells), device),
        _placed(every.predicted, device),
        _placed(every.truth, device),
        _placed(every.central, device),
        _placed(every.voxels.astype(np.float64), device),
        _placed(every.volume, device),
        _table([one.predicted_objects for one in structures], device),
        _table([one.true_objects for one in structures], device),
        _placed(pairs[:, 0], device),
        _placed(pairs[:, 1], device),
        _groups(every, n_objects, len(pairs), device),
        len(structures),
    )


def _groups(columns: _Columns, n_objects: tuple[int, int, int], pairs: int, device: torch.device) -> Groups:
    """Sort the cells into groups; `n_objects` are those predicted, the true ones and the volumes."""
    n_predicted, n_true, n_volumes = n_objects
    true, met = columns.truth >= 0, columns.predicted >= 0
    kinds = (
        (columns.truth, true, n_true),
        (columns.predicted, met & ~true, n_predicted),
        (columns.predicted, met & true, n_predicted),
        (columns.volume, true, n_volumes),
        (columns.volume, ~true, n_volumes),
        (columns.volume, true & columns.central, n_volumes),
        (columns.volume, ~true & columns.central, n_volumes),
        (columns.pair, columns.pair >= 0, pairs),
    )
    sizes = tuple(n for *_, n in kinds)
    of_cell, of_group = np.empty((2, 1 + sum(np.count_nonzero(members) for _, members, _ in kinds)), np.int64)
    voxels = np.zeros(sum(sizes))
    filled, first = 0, 0
    for group, members, n in kinds:
        filled += group_cells(
            group, members, columns.voxels, first, of_cell[filled:], of_group[filled:], voxels
        )
        first += n
    return Groups(
        _placed(of_cell[:-1], device),
        _placed(of_group[:-1], device),
        _placed(voxels, device),
        sizes,
    )


def _placed(array: NDArray[Any], device: torch.device) -> Tensor:
    return on_device(torch.from_numpy(np.ascontiguousarray(array)), device)


def _pairs(
    predicted: NDArray[np.int64], truth: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the overlapping pairs and, for every cell in both, which it belongs to."""
    both = np.flatnonzero((predicted >= 0) & (truth >= 0))
    n_true = int(truth.max(initial=0)) + 1
    keys, rows = np.unique(predicted[both] * n_true + truth[both], return_inverse=True)
    cell_pair = np.full(len(predicted), -1)
    cell_pair[both] = rows
    return np.stack(np.divmod(keys, n_true), 1), cell_pair


def _table(sides: list[ObjectPlaces], device: torch.device) -> ObjectTable:
    sizes = np.concatenate([side.sizes for side in sides]).astype(np.float64)
    volume = np.repeat(np.arange(len(sides)), [len(side.sizes) for side in sides])
    return ObjectTable(_placed(sizes, device), _placed(volume, device), sides)
