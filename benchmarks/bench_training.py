"""What a training step of `task: masks` costs beside the same arithmetic in a plain PyTorch loop.

    python benchmarks/bench_training.py   # some minutes

Both draw the same patches, with the same augmentation, in the same process, and take the same steps on the same
network; one thread. The library also numbers, logs, checks and resumes. They train in turns; the median step of each
counts, the first ones left out. Writes its part of docs/performance.md.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch import Callback

from bench_malis import Claim, table
from harness import environment, publish
from objectwise.config import parse_config
from objectwise.config.models import RunConfig
from objectwise.data import LabelledVolume, lesion_phantom
from objectwise.tasks import task_of
from objectwise.training import build_sampler, network_of, objective_of, train

STEPS, FIRST, TURNS = 24, 6, 3
MOST = 1.1
CONFIGURATION = """
task: {{name: masks, options: {{structures: [lesion]}}}}
dimensions: {dimensions}
data: {{train: [{{name: phantom, raw: phantom.h5:raw, labels: phantom.h5:ids}}]}}
network: {{features: {features}}}
training:
  patch_shape: {patch}
  batch_size: {batch}
  steps: {steps}
  checkpoint_every: 1000
  threads: 1
  minimum_foreground: 0
  loss: [{{name: dice_cross_entropy}}, {{name: instance}}]
"""
CASES = {
    "2-D, 8 patches of 128^2": {"dimensions": 2, "features": [16, 32, 64], "patch": [128, 128], "batch": 8},
    "3-D, 2 patches of 48^3": {"dimensions": 3, "features": [8, 16, 32], "patch": [48, 48, 48], "batch": 2},
}


class Clock(Callback):
    """Notes when each step has ended."""

    def __init__(self) -> None:
        self.ends: list[float] = []

    def on_train_batch_end(self, *_: Any) -> None:
        """Note the time."""
        self.ends.append(time.perf_counter())


def library(config: RunConfig, volumes: list[LabelledVolume]) -> list[float]:
    """Return the seconds of each step of the library's training."""
    clock = Clock()
    with tempfile.TemporaryDirectory() as folder:
        train(config, volumes, Path(folder), progress=False, callbacks=[clock])
    return np.diff(clock.ends)[FIRST:].tolist()


def plain(config: RunConfig, volumes: list[LabelledVolume]) -> list[float]:
    """Return the seconds of each step of a loop of twenty lines."""
    sampler, task, network = build_sampler(config, volumes), task_of(config), network_of(config)
    losses = [(term.loss, term.call) for term in objective_of(config).terms]
    optimiser = torch.optim.AdamW(
        network.parameters(), lr=config.training.learning_rate, weight_decay=config.training.weight_decay
    )
    size, ends = config.training.batch_size, []
    for step in range(config.training.steps):
        patches = [sampler[index] for index in range(step * size, (step + 1) * size)]
        targets = [task.target(patch.arrays()) for patch in patches]
        batch = {name: torch.from_numpy(np.stack([one[name] for one in targets])) for name in targets[0]}
        optimiser.zero_grad()
        logits = network(torch.from_numpy(np.stack([patch.raw for patch in patches])))
        sum(call(loss, logits, batch) for loss, call in losses).backward()
        optimiser.step()
        ends.append(time.perf_counter())
    return np.diff(ends)[FIRST:].tolist()


def main() -> None:
    """Train in turns, and write the page."""
    torch.set_num_threads(1)
    made = lesion_phantom((64, 160, 160), seed=0)
    volumes = [LabelledVolume("phantom", made.raw, made.labels)]
    claims, rows = [], []
    loops: dict[str, Callable[..., list[float]]] = {"library": library, "plain": plain}
    for case, options in CASES.items():
        config = parse_config(CONFIGURATION.format(steps=STEPS, **options))
        seconds: dict[str, list[float]] = {name: [] for name in loops}
        for _ in range(TURNS):
            for name, loop in loops.items():
                seconds[name] += loop(config, volumes)
        ours, theirs = (statistics.median(seconds[name]) for name in loops)
        claims.append(Claim(f"{case}: a step, against a plain loop", ours / theirs, MOST, "x"))
        rows.append(f"- {case}: {ours * 1e3:.0f} ms in the library, {theirs * 1e3:.0f} ms in the plain loop.")
    facts = environment("torch", "lightning", "monai")
    text = (
        "## Training\n\nMade by `benchmarks/bench_training.py`: median of steps taken in turns, drawing and augmenting "
        f"the patches included, one thread.\n\nCommit {facts['commit']}, {facts['date']}; {facts['machine']}, load "
        f"{facts['load']} at the end.\n\n{table(claims)}\n" + "\n".join(rows) + "\n"
    )
    sys.stdout.write(text)
    publish("training", text)


if __name__ == "__main__":
    main()
