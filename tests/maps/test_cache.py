from __future__ import annotations

import functools
import importlib
import linecache
import multiprocessing
import os
import pickle
import subprocess
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


def test_any_flipped_bit_is_noticed(tmp_path):
    cache = make(tmp_path)
    labels = LABELS[:, :2, :2, :2]
    cache(labels)
    path = cache.path(labels)
    whole = path.read_bytes()
    for place in range(0, 8 * len(whole), 7):
        damaged = bytearray(whole)
        damaged[place // 8] ^= 1 << (place % 8)
        path.write_bytes(damaged)
        with pytest.raises(
            VolumeError, match=rf"{path.name} must be a whole map, got a damaged file .*; delete"
        ):
            cache(labels)
    path.write_bytes(whole)
    np.testing.assert_array_equal(cache(labels), signed_distance_map(labels, 3, spatial_dims=3))


def test_a_map_that_changes_after_it_was_read_is_noticed(tmp_path):
    cache = make(tmp_path)
    cache(LABELS)
    path = cache.path(LABELS)
    times = path.stat()
    damaged = bytearray(path.read_bytes())
    damaged[2000] ^= 1
    path.write_bytes(damaged)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    with pytest.raises(VolumeError, match=r"got a damaged file \(its checksum is another\); delete it"):
        cache(LABELS)


def test_a_file_is_summed_once_in_a_process(tmp_path, monkeypatch):
    cache = make(tmp_path)
    cache(LABELS)
    monkeypatch.setattr("objectwise.maps.cache._checksum", broken)
    np.testing.assert_array_equal(cache(LABELS), signed_distance_map(LABELS, 3, spatial_dims=3))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(VolumeError, match="must be a map, got no file"):
        make(tmp_path).read(tmp_path / "away.npy", LABELS)


def test_bad_labels_leave_no_file(tmp_path):
    with pytest.raises(DtypeError, match="`labels` must hold integer ids"):
        make(tmp_path)(LABELS.astype(np.float32))
    with pytest.raises(ArgumentError, match=r"`labels` must be classes in 0\.\.2"):
        make(tmp_path)(LABELS + 1)
    assert list(tmp_path.iterdir()) == []


def test_options_that_are_no_data_are_refused(tmp_path):
    with pytest.raises(ArgumentError, match="`options` must be plain data"):
        MapCache(tmp_path, signed_distance_map, n_classes=object())


class Scaled:
    """Its map depends on what the object holds, which no file name knows."""

    def __init__(self, scale):
        self.scale = scale

    def weight_map(self, labels):
        return self.scale * labels

    __call__ = weight_map


def labels_as_floats(labels, factor=1.0):
    return labels * factor


def times(factor):
    """Decorate a map function: its name, module and text become those of what is wrapped."""

    def decorate(function):
        @functools.wraps(function)
        def wrapper(labels, **options):
            return factor * function(labels, **options)

        return wrapper

    return decorate


times_nothing = functools.wraps(signed_distance_map)(
    labels_as_floats.__class__(labels_as_floats.__code__, globals())
)


@pytest.mark.parametrize("method", [Scaled(2).weight_map, Scaled(2), [].count, np.sign, Scaled])
def test_what_holds_options_of_its_own_is_refused(tmp_path, method):
    with pytest.raises(
        ArgumentError, match=r"`function` must be defined by name in a module, got .*; what an object holds"
    ):
        MapCache(tmp_path, method)


@pytest.mark.parametrize(
    "function",
    [
        lambda labels: labels,
        times(2)(labels_as_floats),
        times(3)(labels_as_floats),
        times(2)(signed_distance_map),
        functools.partial(times(2)(labels_as_floats), factor=1.0),
    ],
)
def test_decorated_and_nested_functions_are_refused(tmp_path, function):
    with pytest.raises(
        ArgumentError,
        match=r"`function` must be .* in a module, got .*; a lambda, a decorated .*: pass a func",
    ):
        MapCache(tmp_path, function)


def test_a_name_that_was_copied_does_not_copy_the_map(tmp_path):
    assert (times_nothing.__module__, times_nothing.__qualname__) == (
        "objectwise.maps.region_wise",
        "signed_distance_map",
    )
    theirs, ours = (MapCache(tmp_path, function) for function in (times_nothing, signed_distance_map))
    assert theirs.path(LABELS) != ours.path(LABELS)
    assert theirs.path(LABELS).name.partition("-")[0] != ours.path(LABELS).name.partition("-")[0]


def test_a_partial_is_its_function_with_options(tmp_path):
    bound = functools.partial(signed_distance_map, n_classes=3, spatial_dims=3)
    cache = MapCache(tmp_path, bound)
    assert cache.path(LABELS) == make(tmp_path).path(LABELS)
    np.testing.assert_array_equal(cache(LABELS), bound(LABELS))
    spaced = MapCache(tmp_path, functools.partial(bound, spacing=(1, 1, 2)))
    assert spaced.path(LABELS) == make(tmp_path, spacing=(1, 1, 2)).path(LABELS)
    assert MapCache(tmp_path, bound, n_classes=4).path(LABELS) == make(tmp_path, n_classes=4).path(LABELS)
    with pytest.raises(ArgumentError, match=r"`function` must take labels first, got a partial with \(1,\)"):
        MapCache(tmp_path, functools.partial(labels_as_floats, 1))


def users_module(tmp_path, monkeypatch, text):
    """Import a module of that text, anew."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "users_maps.py").write_text(text)
    (tmp_path / "__pycache__" / "users_maps.cpython-311.pyc").unlink(missing_ok=True)
    sys.modules.pop("users_maps", None)
    importlib.invalidate_caches()
    linecache.checkcache()
    return importlib.import_module("users_maps")


@pytest.mark.parametrize(
    "text",
    [
        "FACTOR = {}\ndef scaled(labels):\n    return labels * FACTOR",
        "FACTOR = {}\ndef scaled(labels, factor=FACTOR):\n    return labels * factor",
        "FACTOR = {}\ndef scaled(labels, *, factor=FACTOR):\n    return labels * factor",
        "FACTOR = {}\ndef scaled(labels):\n    return (lambda values: values * FACTOR)(labels)",
        "def scaled(labels):\n    return labels * {}",
    ],
)
def test_whatever_plain_data_a_function_depends_on_makes_its_maps_anew(tmp_path, monkeypatch, text):
    found = []
    for factor in (2.0, 3.0):
        scaled = users_module(tmp_path, monkeypatch, text.format(factor)).scaled
        found.append(MapCache(tmp_path / "cache", scaled)(LABELS).max())
    assert found == [2 * LABELS.max(), 3 * LABELS.max()]


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("K = {{1, {}}}", "max(K)"),
        ("K = frozenset([{}])", "max(K)"),
        ("K = ({}, b'words')", "K[0]"),
        ("K = {{1: [{}, None]}}", "K[1][0]"),
        ("import numpy as np\nK = np.array([[0, {}]])", "K.max()"),
        ("import numpy as np\nK = np.float32({})", "K"),
        ("class Settings:\n    K = {}", "Settings.K"),
        ("class Settings:\n    K = {}\nclass Ours(Settings): pass", "Ours.K"),
        ("class Settings:\n    class Inner:\n        K = {{1, {}}}", "max(Settings.Inner.K)"),
    ],
)
def test_whatever_constant_a_function_reads_makes_its_maps_anew(tmp_path, monkeypatch, text, read):
    found = []
    for factor in (2.0, 3.0):
        module = f"{text.format(factor)}\ndef scaled(labels):\n    return labels * {read}"
        scaled = users_module(tmp_path, monkeypatch, module).scaled
        found.append(MapCache(tmp_path / "cache", scaled)(LABELS).max())
    assert found == [2 * LABELS.max(), 3 * LABELS.max()]


def test_constants_of_modules_that_a_function_names_make_its_maps_anew(tmp_path, monkeypatch):
    text = "import package.settings as s, package\ndef scaled(labels):\n    return labels * {}"
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__init__.py").write_text("")
    (tmp_path / "package" / "settings.py").write_text("K = 2.0\nOTHER = 5")
    for read in ("s.K", "package.settings.K", "max([s.K, 1])"):
        scaled = users_module(tmp_path, monkeypatch, text.format(read)).scaled
        keys = []
        for name, value in (("K", 2.0), ("OTHER", 6), ("K", {3.0}), ("K", {4.0})):
            monkeypatch.setattr(f"package.settings.{name}", value)
            keys.append(MapCache(tmp_path, scaled).path(LABELS).name)
        assert keys[0] == keys[1]
        assert len(set(keys)) == 3


def test_sets_have_one_key_in_all_processes(tmp_path):
    code = (
        "import sys; sys.path[:0] = [sys.argv[1]]; import words, objectwise.maps.constants as c\n"
        "print(c.constants(words.scaled.__code__, words.__dict__))"
    )
    (tmp_path / "words.py").write_text(
        "K = {'a', 'b', 'c', 'd', frozenset('efgh')}\ndef scaled(labels):\n    return len(K)"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", code, tmp_path],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(found) == 1
    assert b"str 'a'" in found.pop()


@pytest.mark.parametrize(
    ("text", "read", "came"),
    [
        ("import types\nK = types.SimpleNamespace(k=2)", "K.k", "K, which is a SimpleNamespace"),
        ("K = {1, (2, object())}", "len(K)", "K, which is a set"),
        ("import numpy as np\nK = np.array([None])", "len(K)", "K, which is a ndarray"),
        ("import numpy as np\nK = np.ma.masked_array([1], [1])", "len(K)", "K, which is a MaskedArray"),
        ("import torch\nK = torch.ones(2)", "len(K)", "K, which is a Tensor"),
        ("import random\nK = random.Random(0).random", "K()", "K, which is a builtin_function_or_method"),
        ("import functools\nK = functools.partial(int, 2)", "K()", "K, which is a partial"),
        ("K = []\nK.append(K)", "len(K)", "K, which is a list"),
        ("import types\nK = types.SimpleNamespace(k=2)", "(lambda: K.k)()", "K, which is a SimpleNamespace"),
    ],
)
def test_a_global_that_is_no_plain_data_is_refused(tmp_path, monkeypatch, text, read, came):
    module = users_module(tmp_path, monkeypatch, f"{text}\ndef scaled(labels):\n    return labels * {read}")
    with pytest.raises(
        ArgumentError, match=rf"^`function` must read no globals but plain data .*, got {came}; pass what"
    ) as caught:
        MapCache(tmp_path / "cache", module.scaled)
    assert "\n" not in str(caught.value)


def test_functions_classes_and_modules_are_no_reason_to_refuse(tmp_path, monkeypatch):
    text = """
import functools, types
from math import sqrt
import numba, numpy as np
from numpy import sqrt as root, where
from numpy.random import default_rng
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
compiled = numba.njit(lambda x: x)
kept = functools.cache(lambda x: x)
away = types.SimpleNamespace(values=1)
def scaled(labels):
    used = sqrt, np.index_exp, root, where, default_rng, NDArray, gaussian_filter, compiled, kept
    return np.away(labels)  # an attribute of that name, not the global
"""
    scaled = users_module(tmp_path, monkeypatch, text).scaled
    assert MapCache(tmp_path, scaled).path(LABELS)


def test_a_file_that_was_edited_since_its_function_was_read_has_another_key(tmp_path, monkeypatch):
    text = "def scaled(labels):\n    return labels * {}\n"
    old = users_module(tmp_path, monkeypatch, text.format(2.0)).scaled
    (tmp_path / "users_maps.py").write_text(text.format(30.0))
    cache = MapCache(tmp_path / "cache", old)
    assert cache(LABELS).max() == 2 * LABELS.max()
    new = users_module(tmp_path, monkeypatch, text.format(30.0)).scaled
    assert MapCache(tmp_path / "cache", new)(LABELS).max() == 30 * LABELS.max()


def test_another_process_keys_the_function_that_it_has(tmp_path, monkeypatch):
    text = "def scaled(labels):\n    return labels * {}\n"
    sent = pickle.dumps(
        MapCache(tmp_path / "cache", users_module(tmp_path, monkeypatch, text.format(2.0)).scaled)
    )
    users_module(tmp_path, monkeypatch, text.format(30.0))
    there = pickle.loads(sent)
    assert there(LABELS).max() == 30 * LABELS.max()
    back = users_module(tmp_path, monkeypatch, text.format(2.0)).scaled
    assert MapCache(tmp_path / "cache", back)(LABELS).max() == 2 * LABELS.max()


def with_a_default_that_is_no_data(labels, measure=np.sqrt):
    return measure(labels)


def test_a_default_that_is_no_data_is_refused(tmp_path):
    with pytest.raises(
        ArgumentError, match=r"`function` must have plain data as defaults .*, got measure=<ufunc 'sqrt'>"
    ):
        MapCache(tmp_path, with_a_default_that_is_no_data)


def test_keys_of_options_that_json_would_turn_into_words_are_refused(tmp_path):
    with pytest.raises(ArgumentError, match=r"`options` must be plain data .*, got factor=\{1: 2\}"):
        MapCache(tmp_path, labels_as_floats, factor={1: 2})


@pytest.mark.parametrize(
    ("values", "came"),
    [
        (np.ma.masked_array([1.0], [True]), "a masked array"),
        (np.array([None]), r"object \(1,\)"),
        (np.zeros((0, 3)), r"float64 \(0, 3\)"),
        (None, r"object \(\)"),
    ],
)
def test_what_no_file_can_hold_whole_is_refused(tmp_path, monkeypatch, values, came):
    cache = make(tmp_path)
    monkeypatch.setattr(cache, "function", lambda labels, **_: values)
    with pytest.raises(
        ArgumentError, match=f"`function` must return a plain array of numbers, .*, got {came}"
    ):
        cache(LABELS)
    assert list(tmp_path.iterdir()) == []


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
