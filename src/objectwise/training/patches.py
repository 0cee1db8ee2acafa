"""Numbered patches to batches: which rank gets which patch in which step."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from lightning.pytorch import LightningDataModule
from torch.utils.data import DataLoader, Sampler

from objectwise.data import PatchSampler
from objectwise.data.sampling import middle_of
from objectwise.tasks import Task
from objectwise.tasks.objective import MapMaker


class StepSampler(Sampler[int]):
    """The patch numbers of one rank, in the order of the steps.

    Step s takes the numbers from s * world_size * batch_size on, rank after rank:

        step 0: rank 0 [0 1] rank 1 [2 3]    step 1: rank 0 [4 5] rank 1 [6 7]    ...

    So no number is drawn twice in a run, and a resumed run goes on with the next one. A step of several
    batches is drawn like as many steps.

    Parameters
    ----------
    first_step, steps : int
        The steps from `first_step` to `steps`, the latter left out.
    batch_size : int
        Of one rank.
    accumulate : int
        Batches of each rank in a step.
    rank, world_size : int
    """

    def __init__(
        self,
        *,
        steps: int,
        batch_size: int,
        accumulate: int = 1,
        first_step: int = 0,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        self.batches = range(first_step * accumulate, steps * accumulate)
        self.batch_size = batch_size
        self.rank = rank
        self.world_size = world_size

    def __len__(self) -> int:
        return len(self.batches) * self.batch_size

    def __iter__(self) -> Iterator[int]:
        for batch in self.batches:
            first = (batch * self.world_size + self.rank) * self.batch_size
            yield from range(first, first + self.batch_size)


class NumberedPatches:
    """A map-style data set of patches: `raw`, `number`, what the task makes of the truth, and maps, by name.

    Parameters
    ----------
    sampler : PatchSampler
    task : Task
    maps : sequence of MapMaker
        Of terms of the loss; a step in which a term does not count has no map of it.
    patches_per_step : int
        On all devices together.

    Notes
    -----
    Of the truth the middle is left that the network's output covers, `sampler.covered`.
    """

    def __init__(
        self, sampler: PatchSampler, task: Task, maps: Sequence[MapMaker] = (), *, patches_per_step: int = 1
    ) -> None:
        self._sampler, self._task, self._maps = sampler, task, maps
        self._patches_per_step = patches_per_step

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Return patch number `index`."""
        patch, step = self._sampler[index], index // self._patches_per_step
        target = self._task.target(
            {name: middle_of(array, self._sampler.covered) for name, array in patch.arrays().items()}
        )
        maps = {make.key: make(target) for make in self._maps if make.weight(step) != 0}
        return {"raw": patch.raw, "number": index, **target, **maps}


class WatchedLoader(DataLoader[dict[str, Any]]):
    """A loader that counts how long its reader waits for batches."""

    waited: float = 0.0
    """Seconds, all batches together."""

    def __iter__(self) -> Any:
        """Yield the batches."""
        batches = super().__iter__()
        while True:
            begin = time.perf_counter()
            batch = next(batches, None)
            self.waited += time.perf_counter() - begin
            if batch is None:
                return
            yield batch


class PatchDataModule(LightningDataModule):
    """Batches for a trainer: `raw` (n, channels, *spatial), `number` (n,), and what the task's losses need.

    Parameters
    ----------
    sampler : PatchSampler
    task : Task
    batch_size : int
        Per device.
    accumulate : int
        Batches per device in a step.
    steps, first_step : int
        Last step plus one, and first.
    workers : int
        Processes that load; the patches do not depend on it.
    maps : sequence of MapMaker
        What makes the maps of the losses' terms.
    """

    def __init__(
        self,
        sampler: PatchSampler,
        task: Task,
        *,
        batch_size: int,
        steps: int,
        accumulate: int = 1,
        first_step: int = 0,
        workers: int = 0,
        maps: Sequence[MapMaker] = (),
    ) -> None:
        super().__init__()
        self.sampler = sampler
        self.task = task
        self.batch_size = batch_size
        self.steps = steps
        self.accumulate = accumulate
        self.first_step = first_step
        self.workers = workers
        self.maps = maps
        self._loader: WatchedLoader | None = None

    @property
    def waited(self) -> float:
        """Seconds that the training of this process waited for batches."""
        return 0.0 if self._loader is None else self._loader.waited

    def train_dataloader(self) -> DataLoader[dict[str, Any]]:
        """Return the loader of this rank's share."""
        trainer = self.trainer
        world_size = 1 if trainer is None else trainer.world_size
        order = StepSampler(
            steps=self.steps,
            first_step=self.first_step,
            batch_size=self.batch_size,
            accumulate=self.accumulate,
            rank=0 if trainer is None else trainer.global_rank,
            world_size=world_size,
        )
        patches = NumberedPatches(
            self.sampler,
            self.task,
            self.maps,
            patches_per_step=self.batch_size * self.accumulate * world_size,
        )
        self._loader = WatchedLoader(
            patches,  # type: ignore[arg-type]
            batch_size=self.batch_size,
            sampler=order,
            num_workers=self.workers,
            # Otherwise the loader draws a seed that nothing uses from torch's global state.
            generator=torch.Generator(),
        )
        return self._loader
