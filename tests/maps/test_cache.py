from __future__ import annotations

import importlib
import linecache
import multiprocessing
import sys

import numpy as np
import pytest
import torch

from objectwise.errors import ArgumentError, DtypeError, VolumeError
from objectwise.maps import MapCache, rectified_region_wise_map, signed_distance_map

LABELS = np.random.default_rng(0).integers(0, 3, (1, 6, 7, 8))


def make(folder, **options):
    return MapCache(folder, signed_distance_map, **{"n_classes": 3, "spatial_dims": 3, **options})


def broken(labels, **_):
    raise AssertionError("called although the map is there")


def test_second_call_reads_what_the_first_wrote(tmp_path, monkeypatch):
    cache = make(tmp_path / "maps")
    first = cache(LABELS)
    np.testing.assert_array_equal(first, signed_distance_map(LABELS, 3, spatial_dims=3))
    monkeypatch.setattr(cache, "function", broken)
    second = cache(LABELS)
    np.testing.assert_array_equal(second, first)
    assert (second.dtype, type(second)) == (np.float32, np.ndarray)
    with pytest.raises(AssertionError, match="called"):
        cache(LABELS[:, ::-1])


def test_the_files_are_plain_numpy_and_nothing_half_written_stays(tmp_path):
    cache = make(tmp_path)
    cache(LABELS)
    np.testing.assert_array_equal(np.load(cache.path(LABELS), allow_pickle=False), cache(LABELS))
    assert list(tmp_path.iterdir()) == [cache.path(LABELS)]
    monkey = MapCache(tmp_path, broken)
    with pytest.raises(AssertionError):
        monkey(LABELS)
    assert list(tmp_path.iterdir()) == [cache.path(LABELS)]


def test_content_and_options_choose_the_file_and_dtype_does_not(tmp_path):
    cache = make(tmp_path)
    changed = LABELS.copy()
    changed[0, 0, 0, 0] = (changed[0, 0, 0, 0] + 1) % 3
    others = [
        cache.path(changed),
        cache.path(LABELS[0]),
        make(tmp_path, spacing=(1, 1, 2)).path(LABELS),
        make(tmp_path, n_classes=4).path(LABELS),
        MapCache(tmp_path, rectified_region_wise_map, n_classes=3, spatial_dims=3).path(LABELS),
    ]
    assert len({cache.path(LABELS), *others}) == 6
    for dtype in (np.uint8, np.int32, np.uint64):
        assert cache.path(LABELS.astype(dtype)) == cache.path(LABELS)
    assert cache.path(np.asfortranarray(LABELS)) == cache.path(LABELS)
    assert make(tmp_path, spacing=np.array([1, 1, 2])).path(LABELS) == others[2]


def test_writing_to_a_map_does_not_change_the_file(tmp_path):
    cache = make(tmp_path)
    values = cache(LABELS)
    values[:] = 9
    assert not (cache(LABELS) == 9).any()


def test_tensors_come_back_as_tensors(tmp_path):
    cache = make(tmp_path)
    found = cache(torch.from_numpy(LABELS))
    assert isinstance(found, torch.Tensor)
    np.testing.assert_array_equal(found.numpy(), cache(LABELS))


def test_bool_and_negative_labels_have_a_file(tmp_path):
    masks = LABELS == 1
    one = MapCache(tmp_path, signed_distance_map, spatial_dims=3, n_classes=1)
    np.testing.assert_array_equal(one(masks), signed_distance_map(masks, 1, spatial_dims=3))
    unknown = np.where(LABELS == 2, -1, LABELS)
    assert make(tmp_path, ignore_label=-1)(unknown).shape == (3, 6, 7, 8)
    assert make(tmp_path).path(unknown) != make(tmp_path).path(np.where(LABELS == 2, 255, LABELS))


def test_a_map_of_other_labels_is_refused(tmp_path):
    cache, other = make(tmp_path), LABELS[:, ::-1].copy()
    cache(LABELS)
    with pytest.raises(VolumeError, match=r"must hold the map of labels .*, got that of .*; delete it"):
        cache.read(cache.path(LABELS), other)
    cache.path(LABELS).rename(cache.path(other))
    with pytest.raises(VolumeError, match="must hold the map of labels"):
        cache(other)


def test_a_map_of_another_shape_or_other_options_is_refused(tmp_path):
    cache = make(tmp_path)
    cache(LABELS)
    with pytest.raises(
        VolumeError, match=r"map of labels of shape \[1, 6, 7, 7\], got that of \[1, 6, 7, 8\]"
    ):
        cache.read(cache.path(LABELS), LABELS[..., 1:])
    with pytest.raises(VolumeError, match=r"must hold the map of .*spacing.*, got that of"):
        make(tmp_path, spacing=(1, 1, 2)).read(cache.path(LABELS), LABELS)


@pytest.mark.parametrize("keep", [0, 10, 500, -40, -1])
def test_a_damaged_file_is_refused(tmp_path, keep):
    cache = make(tmp_path)
    cache(LABELS)
    path = cache.path(LABELS)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(VolumeError, match=r"must be a whole map, got a damaged file .*; delete it"):
        cache(LABELS)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(VolumeError, match="must be a map, got no file"):
        make(tmp_path).read(tmp_path / "away.npy", LABELS)


def test_bad_labels_leave_no_file(tmp_path):
    with pytest.raises(DtypeError, match="`labels` must hold integer ids"):
        make(tmp_path)(LABELS.astype(np.float32))
    with pytest.raises(ArgumentError, match=r"`labels` must be classes in 0\.\.2"):
        make(tmp_path)(LABELS + 1)
    assert list(tmp_path.iterdir()) == []


def test_a_function_without_a_name_and_options_that_are_no_data_are_refused(tmp_path):
    with pytest.raises(ArgumentError, match="`function` must be defined by name"):
        MapCache(tmp_path, lambda labels: labels)
    with pytest.raises(ArgumentError, match="`options` must be plain data"):
        MapCache(tmp_path, signed_distance_map, n_classes=object())


class Scaled:
    """Its map depends on what the object holds, which no file name knows."""

    def __init__(self, scale):
        self.scale = scale

    def weight_map(self, labels):
        return self.scale * labels


def test_a_method_whose_object_holds_options_is_refused(tmp_path):
    with pytest.raises(ArgumentError, match="`function` must be defined by name in a module, got <bound"):
        MapCache(tmp_path, Scaled(2).weight_map)


def test_an_edited_function_of_the_users_makes_its_maps_anew(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    module = tmp_path / "users_maps.py"
    found = []
    for factor in (2, 30):  # of other lengths, so that no stale byte code is loaded
        module.write_text(f"def scaled(labels):\n    return labels * float({factor})\n")
        sys.modules.pop("users_maps", None)
        importlib.invalidate_caches()
        linecache.checkcache()
        cache = MapCache(tmp_path / "cache", importlib.import_module("users_maps").scaled)
        found.append(cache(LABELS).max())
    assert found == [2 * LABELS.max(), 30 * LABELS.max()]


def test_a_function_without_source_is_refused(tmp_path):
    scope = {"__name__": "typed_in"}
    exec("def scaled(labels):\n    return labels", scope)
    with pytest.raises(ArgumentError, match="`function` must have its source in a file"):
        MapCache(tmp_path, scope["scaled"])


def test_an_option_that_the_function_does_not_have_is_refused_before_the_first_call(tmp_path):
    with pytest.raises(ArgumentError, match=r"`options` must be among .*'n_classes'.*, got 'n_clases'"):
        MapCache(tmp_path, signed_distance_map, n_clases=3)


def write(folder):
    for shift in range(3):
        make(folder)(np.roll(LABELS, shift, 1))


def test_processes_can_share_a_folder(tmp_path):
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=write, args=(tmp_path,)) for _ in range(2)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0, 0]
    assert len(list(tmp_path.iterdir())) == 3
    np.testing.assert_array_equal(make(tmp_path)(LABELS), signed_distance_map(LABELS, 3, spatial_dims=3))
