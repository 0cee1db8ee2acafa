"""Commands on a complete run in which something was damaged; `{run}` is a copy of it."""

from __future__ import annotations

import shutil
from pathlib import Path

import torch

from tests.bad_input.rows import Damage


def unfinished(run: Path, *steps: str) -> None:
    """Take steps back to where they were begun."""
    for step in steps:
        (run / step / "complete.json").unlink()


def training(run: Path) -> Path:
    """Take the training back to its last checkpoint, and return that."""
    unfinished(run, "train")
    (run / "train" / "network.pt").unlink()
    return run / "train" / "checkpoints" / "last.ckpt"


def flip(path: Path) -> None:
    """Turn one bit in the middle of a file."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def cut(path: Path) -> None:
    """Take the second half of a file away."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def end_before(path: Path, text: str) -> None:
    """Take away everything from the first `text` on."""
    path.write_text(path.read_text().partition(text)[0])


def same_size(path: Path, text: str) -> None:
    """Write something else, as long as what was there."""
    path.write_text(text.ljust(path.stat().st_size))


def with_changes(path: Path, **changes: object) -> None:
    """Write a checkpoint again, with other content."""
    content = torch.load(path, weights_only=True)
    torch.save({key: value for key, value in (content | changes).items() if value is not None}, path)


def becomes_file(folder: Path) -> None:
    """Put a file in the place of a folder."""
    shutil.rmtree(folder)
    folder.write_text("no folder")


def becomes_folder(file: Path) -> None:
    """Put a folder in the place of a file."""
    file.unlink()
    (file / "inside").mkdir(parents=True)


ROWS = [
    # The configuration
    Damage("no configuration", lambda run: (run / "config.yaml").unlink(), "run {run}", "`CONFIG` must be a YAML file or a run with a config.yaml"),
    Damage("no configuration, but other files", lambda run: (run / "config.yaml").unlink(), "run {config} -o {run}", "`directory` must be new, empty or a run, got"),
    Damage("configuration of text", lambda run: (run / "config.yaml").write_text("word"), "run {run}", "must hold a mapping"),
    Damage("configuration of text, asked from outside", lambda run: (run / "config.yaml").write_text("word"), "run {config} -o {run}", "`directory` must hold a readable configuration"),
    Damage("configuration cut off", lambda run: end_before(run / "config.yaml", "\nsegmentation:"), "segment {run}", "segmentation.candidates changed from"),
    Damage("configuration cut off within a value", lambda run: end_before(run / "config.yaml", "]"), "segment {run}", "config.yaml is not valid YAML"),
    Damage("configuration of bytes", lambda run: (run / "config.yaml").write_bytes(b"\xff\xfe\x00"), "report {run} --overwrite", "config.yaml cannot be read: not UTF-8 text"),
    Damage("configuration that is a folder", lambda run: becomes_folder(run / "config.yaml"), "run {config} -o {run}", "`directory` must hold a readable configuration"),
    Damage("configuration of a later version", lambda run: (run / "config.yaml").write_text((run / "config.yaml").read_text() + "\nfuture: 1\n"), "evaluate {run}", "future: unknown key"),
    # What keeps others out
    # Training
    Damage("no network", lambda run: (run / "train/network.pt").unlink(), "predict {run}", "step 'predict' needs the step 'train' complete"),
    Damage("network cut off", lambda run: cut(run / "train/network.pt"), "predict {run}", "step 'predict' needs the step 'train' complete"),
    Damage("network with a flipped bit", lambda run: (unfinished(run, "predict"), (run / "predict/test.h5").unlink(), flip(run / "train/network.pt")), "predict {run}", "network.pt must"),
    Damage("network of spaces", lambda run: (unfinished(run, "predict"), (run / "predict/test.h5").unlink(), same_size(run / "train/network.pt", "trash")), "predict {run}", "network.pt must"),
    Damage("checkpoint of text", lambda run: training(run).write_text("trash"), "train {run}", "last.ckpt must"),
    Damage("checkpoint of no bytes", lambda run: training(run).write_bytes(b""), "train {run}", "last.ckpt must"),
    Damage("checkpoint cut off", lambda run: cut(training(run)), "train {run}", "last.ckpt must"),
    Damage("checkpoint with a flipped bit", lambda run: flip(training(run)), "train {run}", "last.ckpt must"),
    Damage("checkpoint that is a network", lambda run: (shutil.copy(run / "train/network.pt", run / "kept.pt"), shutil.copy(run / "kept.pt", training(run))), "train {run}", "last.ckpt must"),
    Damage("checkpoint that is a list", lambda run: torch.save([1, 2], training(run)), "train {run}", "last.ckpt must"),
    Damage("checkpoint before its beginning", lambda run: with_changes(training(run), objectwise_step=-4), "train {run}", "last.ckpt must"),
    Damage("checkpoint without weights", lambda run: with_changes(training(run), state_dict=None), "train {run}", "last.ckpt must"),
    Damage("checkpoint of another run", lambda run: with_changes(training(run), objectwise_run="another"), "train {run}", "last.ckpt must"),
    Damage("checkpoint that is a folder", lambda run: becomes_folder(training(run)), "train {run}", "last.ckpt must"),
    # Later steps
    Damage("no affinities", lambda run: (run / "predict/test.h5").unlink(), "segment {run}", "step 'segment' needs the step 'predict' complete"),
    Damage("affinities cut off", lambda run: cut(run / "predict/test.h5"), "segment {run}", "step 'segment' needs the step 'predict' complete"),
    Damage("affinities of text", lambda run: (unfinished(run, "segment"), same_size(run / "predict/test.h5", "trash")), "segment {run}", "test.h5:volumes/predictions/affinities` must be a readable HDF5"),
    Damage("no segmentation", lambda run: (run / "segment/test.h5").unlink(), "evaluate {run}", "step 'evaluate' needs the step 'segment' complete"),
    Damage("segmentation of text", lambda run: (unfinished(run, "evaluate"), same_size(run / "segment/test.h5", "trash")), "evaluate {run}", "test.h5:volumes/labels/segmentation` must be a readable HDF5"),
    Damage("no threshold", lambda run: (run / "segment/threshold.json").unlink(), "evaluate {run}", "step 'evaluate' needs the step 'segment' complete"),
    # Results to show
    Damage("report on a segmentation of text", lambda run: (run / "segment/test.h5").write_text("trash"), "report {run} --overwrite", "test.h5:volumes/labels/segmentation` must be a readable HDF5"),
    Damage("report on affinities of text", lambda run: (run / "predict/test.h5").write_text("trash"), "report {run} --overwrite", "test.h5:volumes/predictions/affinities` must be a readable HDF5"),
    Damage("lock that is a link", lambda run: ((run / ".lock").unlink(missing_ok=True), (run / ".lock").symlink_to(run / "config.yaml")), "run {run} --set training.threads=2", ".lock"),
    Damage("lock that is a folder", lambda run: becomes_folder(run / ".lock"), "run {run} --set training.threads=2", ".lock"),
    Damage("step that is a file", lambda run: becomes_file(run / "predict"), "predict {run}", "predict"),
    Damage("scores of a list", lambda run: same_size(run / "evaluate/scores.json", "[1]"), "evaluate {run}", "scores.json"),
    Damage("scores without volumes", lambda run: same_size(run / "evaluate/scores.json", "{}"), "evaluate {run}", "scores.json"),
    Damage("scores of text", lambda run: same_size(run / "evaluate/scores.json", "trash"), "evaluate {run}", "scores.json"),
    Damage("report on scores of a list", lambda run: same_size(run / "evaluate/scores.json", "[1]"), "report {run} --overwrite", "scores.json"),
    Damage("report on a threshold of a list", lambda run: same_size(run / "segment/threshold.json", "[1]"), "report {run} --overwrite", "threshold.json"),
    Damage("report on metrics of text", lambda run: (run / "train/metrics.csv").write_text("trash\nin\n"), "report {run} --overwrite", "metrics.csv"),
    Damage("report on metrics of bytes", lambda run: (run / "train/metrics.csv").write_bytes(b"\xff\xfe\x00"), "report {run} --overwrite", "metrics.csv"),
]  # fmt: skip
