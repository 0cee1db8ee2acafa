"""Voxel sizes of the volumes of a run: a tenth more is mentioned, more than twice refused."""

from __future__ import annotations

import pytest

from objectwise.data import read_volume, write_volume
from objectwise.errors import ArgumentError, ConfigError, ObjectwiseWarning
from objectwise.workflow import STEPS, run
from objectwise.workflow.voxel_sizes import voxel_size_warning
from tests.workflow.tiny import tiny_config, write_tiny


def compare(voxel_size, reference, *, allowed=False):
    return voxel_size_warning(voxel_size, reference, of="data.train.0", allowed=allowed)


@pytest.mark.parametrize(
    "voxel_size", [(30, 6, 6), (33, 6, 6), (30, 5.5, 6.5), (30 + 1e-9, 6, 6), (1, 1, 1), (1.0, 1.0, 1.0)]
)
def test_sizes_within_a_tenth_or_not_stated_pass(voxel_size):
    assert compare(voxel_size, (30, 6, 6)) is None
    assert compare((30, 6, 6), voxel_size) is None


@pytest.mark.parametrize(
    ("voxel_size", "words"),
    [
        ((34, 6, 6), r"(34, 6, 6) against (30, 6, 6), a factor of 1.13 along z"),
        ((30, 6, 4), r"(30, 6, 4) against (30, 6, 6), a factor of 1.5 along x"),
        ((60, 12, 12), r"(60, 12, 12) against (30, 6, 6), a factor of 2 along z"),
        ((30, 3, 6), r"(30, 3, 6) against (30, 6, 6), a factor of 2 along y"),
    ],
)
def test_more_than_a_tenth_is_mentioned(voxel_size, words):
    assert compare(voxel_size, (30, 6, 6)) == f"voxel size differs from that of data.train.0: {words}"


def test_more_than_a_factor_of_two_is_refused_unless_told():
    sizes = r"got \(30, 6, 13\) against \(30, 6, 6\), a factor of 2.17 along x; .*allow_different_voxel_sizes"
    for sides in (((30, 6, 13), (30, 6, 6)), ((30.0, 6.0, 13.0), (30, 6, 6))):
        with pytest.raises(ArgumentError, match=sizes):
            compare(*sides)
    with pytest.raises(ArgumentError, match=r"got \(3e-05, 6e-06, 6e-06\) against"):
        compare((3e-5, 6e-6, 6e-6), (30, 6, 6))
    assert "a factor of 2.17 along x" in str(compare((30, 6, 13), (30, 6, 6), allowed=True))


def test_sizes_of_images_name_their_axes():
    assert "along y" in str(compare((8, 4), (4, 4)))


def with_size(folder, name, voxel_size):
    """Write a volume of the tiny run with another voxel size."""
    for inner in ("raw", "labels/neuron_ids"):
        place = f"{folder}/{name}.h5:volumes/{inner}"
        write_volume(place, read_volume(place).array, voxel_size=voxel_size, overwrite=True)


@pytest.fixture
def folder(tmp_path):
    write_tiny(tmp_path)
    return tmp_path


def plan(folder, *settings, only=STEPS):
    return run(tiny_config(folder, *settings), folder / "run", only=only, dry_run=True)


def test_a_run_refuses_volumes_of_another_size_unless_told(folder):
    with_size(folder, "test", (30, 20, 6))
    message = (
        r"data.evaluate.0.raw: `voxel_size` must be that of data.train.0.raw within a factor of 2, "
        r"got \(30, 20, 6\) against \(30, 6, 6\), a factor of 3.33 along y; resample"
    )
    with pytest.raises(ConfigError, match=message):
        plan(folder)
    assert not (folder / "run").exists()
    assert plan(folder, only=["train"])
    with pytest.warns(ObjectwiseWarning, match=r"data.evaluate.0.raw: voxel size differs .* factor of 3.33"):
        plan(folder, "data.allow_different_voxel_sizes=true")


def test_a_run_warns_of_volumes_of_about_the_size_once(folder):
    with_size(folder, "test", (30, 8, 8))
    with pytest.warns(ObjectwiseWarning) as caught:
        plan(folder)
    assert [str(one.message).partition(": voxel")[0] for one in caught] == ["data.evaluate.0.raw"]


def test_training_volumes_are_compared_with_the_first_that_states_a_size(folder):
    def volume(name, file):
        place = f"{folder}/{file}.h5:volumes"
        return f"{{name: {name}, raw: '{place}/raw', labels: '{place}/labels/neuron_ids'}}"

    with_size(folder, "test", (100, 6, 6))
    setting = f"data.train=[{volume('a', 'train')},{volume('b', 'test')}]"
    with pytest.raises(ConfigError, match=r"data.train.1.raw: `voxel_size` must be that of data.train.0.raw"):
        plan(folder, setting, "data.evaluate=[]")
    with_size(folder, "train", (1, 1, 1))
    assert plan(folder, setting, "data.evaluate=[]")


def test_stacks_of_images_are_compared_within_their_sections(folder):
    with_size(folder, "test", (400, 6, 6))
    assert plan(folder, "dimensions=2", "training.patch_shape=[16, 16]")


@pytest.mark.slow
def test_a_network_knows_the_size_of_training_data_that_moved(folder):
    config = tiny_config(folder, "training.steps=5")
    run(config, folder / "run", only=["train"])
    (folder / "train.h5").rename(folder / "away.h5")
    with_size(folder, "test", (30, 20, 6))
    fixed = tiny_config(folder, "training.steps=5", "segmentation={threshold: 0.5}")
    with pytest.raises(ConfigError, match="`voxel_size` must be that of the training within a factor of 2"):
        run(fixed, folder / "run", only=["predict"])
