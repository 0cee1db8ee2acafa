"""Where everything of a run lies.

RUN/config.yaml                 the resolved configuration
RUN/inputs.json                 digests of the inputs, to see without reading that they are the same
RUN/train/                      checkpoints, logs, network.pt; best.pt and validation.csv
RUN/predict/<volume>.h5         volumes/predictions/affinities or .../probabilities (k, z, y, x)
RUN/segment/<volume>.h5         volumes/labels/segmentation (z, y, x), or volumes/labels/<channel> each
RUN/segment/threshold.json      the chosen threshold and the sweep
RUN/evaluate/scores.json        per volume and per section
RUN/evaluate/<volume>.npz       how many voxels true objects and segments share, per section
RUN/report.html
RUN/.lock                       held while a process works here
Each step's folder holds complete.json, written last.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

AFFINITIES = "volumes/predictions/affinities"
SEGMENTATION = "volumes/labels/segmentation"
MARKER = "complete.json"
"""In a step's folder: the step is complete."""


@dataclass(frozen=True)
class RunDirectory:
    """The paths of one run."""

    path: Path

    @property
    def config(self) -> Path:
        """The resolved configuration, YAML."""
        return self.path / "config.yaml"

    @property
    def inputs(self) -> Path:
        """Digests of the inputs, JSON."""
        return self.path / "inputs.json"

    @property
    def train(self) -> Path:
        """Folder of the training."""
        return self.path / "train"

    @property
    def network(self) -> Path:
        """The trained network."""
        return self.train / "network.pt"

    @property
    def best_network(self) -> Path:
        """The network with the best scores while it was trained; of a training that was validated."""
        return self.train / "best.pt"

    @property
    def metrics(self) -> Path:
        """The log of the training, CSV."""
        return self.train / "metrics.csv"

    @property
    def threshold(self) -> Path:
        """The chosen threshold and the sweep, JSON."""
        return self.path / "segment" / "threshold.json"

    @property
    def scores(self) -> Path:
        """All scores, JSON."""
        return self.path / "evaluate" / "scores.json"

    @property
    def report(self) -> Path:
        """The page."""
        return self.path / "report.html"

    def has_completed(self, step: str) -> bool:
        """Say whether the folder of a step bears its mark: its results belong to config.yaml."""
        return (self.path / step / MARKER).is_file()

    def prediction_file(self, volume: str) -> Path:
        """Return the file that holds a volume's prediction."""
        return self.path / "predict" / f"{volume}.h5"

    def segmentation_file(self, volume: str) -> Path:
        """Return the file that holds a volume's segmentation."""
        return self.path / "segment" / f"{volume}.h5"

    def tables_file(self, volume: str) -> Path:
        """Return the file that holds a volume's contingency tables."""
        return self.path / "evaluate" / f"{volume}.npz"

    def affinities(self, volume: str) -> str:
        """Return the location of a volume's affinities."""
        return f"{self.prediction_file(volume)}:{AFFINITIES}"

    def segmentation(self, volume: str) -> str:
        """Return the location of a volume's segmentation."""
        return f"{self.segmentation_file(volume)}:{SEGMENTATION}"

    def segmentations(self, volume: str, channels: Sequence[str]) -> tuple[str, ...]:
        """Return the location of a volume's segmentation; with several channels of objects that of each."""
        if len(channels) == 1:
            return (self.segmentation(volume),)
        file = self.segmentation_file(volume)
        return tuple(f"{file}:{SEGMENTATION.rpartition('/')[0]}/{channel}" for channel in channels)
