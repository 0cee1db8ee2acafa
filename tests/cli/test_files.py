"""The commands on plain files: options are told apart from their absence, and outputs looked at first."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import zarr

from objectwise.cli.main import app
from objectwise.data import read_volume, write_volume
from objectwise.networks import AffinityUNet, save_network
from objectwise.pipeline import write_affinities
from tests.cli.test_main import call, runner, write_truth
from tests.workflow.tiny import write_tiny


@pytest.fixture
def affinities(tmp_path: Path) -> str:
    """Affinities of a few cells."""
    return write_truth(tmp_path)[1]


def test_zero_counts_as_given(tmp_path: Path, affinities: str):
    place = f"{tmp_path}/s.h5:labels"
    arguments = ["segment", "--affinities", affinities, "--output", place, "--threshold", 0]
    assert "objects:" in call(*arguments, "--minimum-size", 0)
    assert read_volume(place).array.max() > 1
    text = call("segment", tmp_path, "--threshold", 0, code=2)
    assert "`--threshold` must not be given together with a run" in text
    text = call("segment", tmp_path, "--minimum-size", 0, code=2)
    assert "`--minimum-size` must not be given together with a run" in text


@pytest.mark.parametrize("threshold", [5, -0.5, "nan"])
def test_threshold_out_of_range_is_refused(tmp_path: Path, affinities: str, threshold: object):
    text = call(
        "segment", "--affinities", affinities, "--output", tmp_path / "s.h5", "--threshold", threshold, code=2
    )
    assert f"`--threshold` must lie in 0..1, got {threshold}" in text


@pytest.mark.parametrize("dry_run", [[], ["--dry-run"]])
def test_what_no_affinity_reaches_is_refused(tmp_path: Path, affinities: str, dry_run: list[str]):
    arguments = ["segment", "--threshold", 0.5, "--output", tmp_path / "s.h5", *dry_run, "--affinities"]
    text = call(*arguments, affinities, "--method", "agglomeration", "--fragment-threshold", 7, code=2)
    assert "`--fragment-threshold` must lie in 0..1, got 7" in text
    logits = f"{tmp_path}/logits.h5:a"
    write_affinities(logits, np.full((1, 1, 4, 4), 2.5), [[0, 0, -1]])
    for method in ("components", "watershed", "agglomeration"):
        text = call(*arguments, logits, "--method", method, code=2)
        assert "`affinities` must lie in 0..1, got 2.5 at (0, 0, 0, 1); pass probabilities" in text
    assert not (tmp_path / "s.h5").exists()


@pytest.mark.parametrize("overwrite", [[], ["--overwrite"]])
def test_output_that_is_no_hdf5_is_refused_in_a_sentence(
    tmp_path: Path, affinities: str, overwrite: list[str]
):
    file = tmp_path / "text.h5"
    file.write_text("the only copy of something else")
    text = call(
        "segment", "--affinities", affinities, "--threshold", 0.5, "--output", file, *overwrite, code=2
    )
    assert text.startswith(f"error: `{file}:volumes/labels/segmentation` must be a place where a HDF5")
    assert "resumes" not in text
    assert file.read_text() == "the only copy of something else"


def test_output_in_a_foreign_format_is_looked_at_by_its_own_rules(tmp_path: Path, affinities: str):
    arguments = ["segment", "--affinities", affinities, "--threshold", 0.5, "--output"]
    call(*arguments, tmp_path / "s.tif")
    assert "must not exist yet" in call(*arguments, tmp_path / "s.tif", code=2)
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").write_text("one")
    assert "must hold nothing but PNGs" in call(*arguments, tmp_path / "thesis", code=2)


def test_output_that_cannot_hold_the_result_is_refused_before_the_work(
    tmp_path: Path, affinities: str, monkeypatch: pytest.MonkeyPatch
):
    save_network(tmp_path / "net.pt", AffinityUNet(3, 3, features=[4, 8]))
    write_volume(tmp_path / "raw.tif", np.ones((8, 16, 16), np.uint8))
    monkeypatch.setattr("objectwise.segmentation.segment", None)
    monkeypatch.setattr("objectwise.networks.load_network", None)
    for name in ("a.zarr", "a.tif", "a.nii.gz", "a.png", "a"):
        arguments = ["--network", tmp_path / "net.pt", "--raw", tmp_path / "raw.tif", "--output"]
        text = call("predict", *arguments, tmp_path / name, code=2)
        assert text.startswith("error: `--output` must be a volume in HDF5 to hold affinities (k, z, y, x), ")
        assert "like out.h5:volumes/predictions/affinities, got " in text
    for name in ("s.png", "s"):
        arguments = ["--affinities", affinities, "--threshold", 0.5, "--output", tmp_path / name]
        text = call("segment", *arguments, code=2)
        assert "`--output` must be a volume in HDF5, Zarr, TIFF or NIfTI to hold labels (z, y, x)" in text


def test_warning_about_a_file_is_printed_once(tmp_path: Path):
    labels = np.zeros((8, 4, 4), np.uint8)
    labels[0] = 1
    zarr.create_group(tmp_path / "t.zarr").create_array("labels", data=labels, chunks=(2, 2, 2))
    place = tmp_path / "t.zarr:labels"
    done = runner.invoke(app, ["evaluate", "--truth", str(place), "--segmentation", str(place)])
    assert done.exit_code == 0
    assert done.stderr.count(f"warning: `{place}` has chunks that are not stored") == 1


def test_failure_on_files_promises_no_resuming(
    tmp_path: Path, affinities: str, monkeypatch: pytest.MonkeyPatch
):
    def fail(*_: object, **__: object) -> None:
        raise MemoryError("too big")

    monkeypatch.setattr("objectwise.segmentation.segment", fail)
    arguments = ["segment", "--affinities", affinities, "--threshold", 0.5, "--output", tmp_path / "s.h5"]
    text = call(*arguments, code=1)
    assert text.startswith("failed: the memory did not suffice; ")
    assert text.endswith("(MemoryError: too big) (--debug shows where)\n")


def test_volume_of_another_name_joins_the_file(tmp_path: Path, affinities: str):
    write_volume(f"{tmp_path}/s.h5:raw", np.ones((2, 2, 2), np.uint8))
    call("segment", "--affinities", affinities, "--threshold", 0.5, "--output", f"{tmp_path}/s.h5:labels")
    assert read_volume(f"{tmp_path}/s.h5:raw").array.shape == (2, 2, 2)


def test_config_of_a_stranger_beside_a_network_is_not_read(tmp_path: Path):
    network = tmp_path / "models" / "best" / "network.pt"
    network.parent.mkdir(parents=True)
    save_network(network, AffinityUNet(3, 3, features=[4, 8]))
    (tmp_path / "models" / "config.yaml").write_text("serves: something else")
    write_volume(tmp_path / "raw.tif", np.ones((8, 16, 16), np.uint8))
    arguments = [
        "predict",
        "--network",
        network,
        "--raw",
        tmp_path / "raw.tif",
        "--output",
        tmp_path / "a.h5",
    ]
    assert "`--window-shape` must be given" in call(*arguments, code=2)
    assert "would write" in call(*arguments, "--window-shape", "8,16,16", "--dry-run")
    # Not even where the folder bears the name of a step.
    train = network.parent.rename(tmp_path / "models" / "train")
    arguments[2] = train / "network.pt"
    assert "would write" in call(*arguments, "--window-shape", "8,16,16", "--dry-run")


def test_output_in_an_impossible_folder_is_refused_before_the_work(
    tmp_path: Path, affinities: str, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "file").write_text("")
    config = write_tiny(tmp_path / "tiny")
    monkeypatch.setattr("objectwise.segmentation.segment", None)
    for folder in (tmp_path / "file" / "below", Path("/proc/x")):
        arguments = ["--affinities", affinities, "--threshold", 0.5, "--output", folder / "s.tif"]
        text = call("segment", *arguments, code=2)
        assert text.startswith(f"error: `--output` must be in a folder that can be written, got {folder} (")
        text = call("run", config, "--output", folder, code=2)
        assert f"`--output` must be in a folder that can be written, got {folder} (" in text
    assert {path.name for path in tmp_path.iterdir()} == {"file", "tiny", "t.h5", "a.h5"}


def test_full_disk_is_a_failure_and_not_misuse(
    tmp_path: Path, affinities: str, monkeypatch: pytest.MonkeyPatch
):
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("h5py.Group.create_dataset", full)
    arguments = ["segment", "--affinities", affinities, "--threshold", 0.5, "--output", tmp_path / "s.h5"]
    text = call(*arguments, code=1)
    assert text.startswith(f"failed: `{tmp_path}/s.h5:volumes/labels/segmentation` must be a place where")
    assert "No space left on device" in text
    assert not (tmp_path / "s.h5").exists()
