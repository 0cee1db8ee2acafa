"""The files that rows of the table name: sound ones, made once, of a few voxels."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import h5py
import numpy as np
import torch
from typer.testing import CliRunner

from objectwise.cli.main import app
from objectwise.data import write_volume
from objectwise.networks import AffinityUNet, save_network
from objectwise.pipeline import write_affinities
from tests.bad_input.arrays import AFFINITIES, LABELS, OFFSETS, replaced
from tests.workflow.tiny import write_tiny

BOMB = ", ".join(
    [f"&a0 [{', '.join(9 * ['x'])}]", *(f"&a{i} [{', '.join(9 * [f'*a{i - 1}'])}]" for i in range(1, 9))]
)


class Foreign:
    """An object that only code can bring back."""


def make_volumes(folder: Path) -> None:
    """Write affinities, labels and what is neither."""
    write_affinities(f"{folder}/a.h5:affinities", AFFINITIES, OFFSETS)
    for name, wrong in (("high", 1.5), ("negative", -0.25), ("nan", np.nan)):
        with h5py.File(folder / "a.h5", "a") as file:
            data = file.create_dataset(name, data=replaced(AFFINITIES, wrong).astype(np.float32))
            data[:, 1, 1, 1] = wrong
            data.attrs.update(file["affinities"].attrs)
    with h5py.File(folder / "a.h5", "a") as file:
        file["bare"] = AFFINITIES
        file["whole"] = np.zeros(AFFINITIES.shape, np.uint8)
        file.create_group("group")["inner"] = AFFINITIES
    for name, labels in {
        "truth": LABELS,
        "short": LABELS[1:],
        "floats": LABELS.astype(np.float32),
        "minus": replaced(LABELS, -1),
        "empty": np.zeros_like(LABELS),
        "image": LABELS[0],
    }.items():
        write_volume(f"{folder}/l.h5:{name}", labels)
    write_volume(folder / "raw.tif", np.full((8, 16, 16), 7, np.uint8))
    write_volume(folder / "nan.tif", np.full((8, 16, 16), np.nan, np.float32))
    (folder / "text.h5").write_text("no HDF5")
    (folder / "text.tif").write_text("no TIFF")
    (folder / "text.txt").write_text("no volume")
    (folder / "folder").mkdir()
    (folder / "folder" / "thesis.txt").write_text("the only copy")
    (folder / "loop.h5").symlink_to(folder / "loop.h5")
    (folder / "device.tif").symlink_to("/dev/zero")
    os.mkfifo(folder / "pipe.h5")
    os.mkfifo(folder / "pipe.tif")


def make_networks(folder: Path) -> None:
    """Write a network outside of any run, one for images, and what is none."""
    save_network(folder / "net.pt", AffinityUNet(3, 3, features=[4, 8]))
    save_network(folder / "flat.pt", AffinityUNet(2, 2, features=[4, 8]))
    save_network(folder / "four.pt", AffinityUNet(3, 4, features=[4, 8]))
    save_network(folder / "colours.pt", AffinityUNet(3, 3, in_channels=3, features=[4, 8]))
    whole = (folder / "net.pt").read_bytes()
    (folder / "cut.pt").write_bytes(whole[: len(whole) // 2])
    middle = len(whole) // 2
    (folder / "flipped.pt").write_bytes(whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :])
    (folder / "empty.pt").touch()
    (folder / "trash.pt").write_bytes(b"trash")
    (folder / "trash2.pt").write_bytes(bytes(range(256)))
    (folder / "pickle.pt").write_bytes(pickle.dumps({"architecture": 3}))
    torch.save(Foreign(), folder / "foreign.pt")
    torch.save([1, 2, 3], folder / "list.pt")
    torch.save({"state_dict": {}}, folder / "dict.pt")


def make_places(folder: Path) -> dict[str, str]:
    """Write all, and return the places by name; `run` is a run that is complete."""
    config = write_tiny(folder)
    make_volumes(folder)
    make_networks(folder)
    done = CliRunner().invoke(app, ["run", str(config), "--output", str(folder / "run")])
    assert done.exit_code == 0, done.output
    return {"here": str(folder), "config": str(config), "run": str(folder / "run")}
