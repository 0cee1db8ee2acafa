"""Configurations are read strictly, and every problem is named with its path."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from objectwise.config import RunConfig, dump_config, load_config, parse_config
from objectwise.errors import ConfigError

MINIMAL = """
data:
  train:
    - {name: ac4, raw: "train.h5:volumes/raw", labels: "train.h5:volumes/labels/neuron_ids"}
training:
  patch_shape: [8, 32, 32]
"""


def problems(text: str, *overrides: str) -> str:
    with pytest.raises(ConfigError) as caught:
        parse_config(text, overrides)
    return str(caught.value)


def test_minimal_file_gets_the_defaults_of_the_models(tmp_path: Path):
    file = tmp_path / "run.yaml"
    file.write_text(MINIMAL)
    config = load_config(file)
    assert config.training.patch_shape == (8, 32, 32)
    assert config.training.steps == 1000
    assert config.segmentation.threshold == "auto"


def test_unreadable_file_is_named(tmp_path: Path):
    with pytest.raises(ConfigError, match=r"nowhere\.yaml cannot be read: No such file"):
        load_config(tmp_path / "nowhere.yaml")
    damaged = tmp_path / "latin.yaml"
    damaged.write_bytes(b"a: \xff")
    with pytest.raises(ConfigError, match="not UTF-8 text"):
        load_config(damaged)


def test_damaged_yaml_is_named_with_its_line():
    assert "not valid YAML" in problems("data: [1, 2")
    assert "line" in problems("data: [1, 2")


@pytest.mark.parametrize("text", ["", "- 1", "word"])
def test_top_level_must_be_a_mapping(text: str):
    assert "must hold a mapping" in problems(text)


def test_repeated_key_is_refused_with_both_lines():
    assert "got `seed` in lines 2 and 3" in problems("data: 1\nseed: 1\nseed: 2\n")


@pytest.mark.parametrize("text", ["data: &a [*a]", "data: &a {train: *a}", "data: " + 5000 * "["])
def test_self_containing_yaml_is_refused(text: str):
    assert "must not nest without end" in problems(text)


def bomb(first: str, more: str, levels: int = 9) -> str:
    """Nine aliases of nine aliases, and so on: 480 bytes that stand for 9^10 values."""
    lines = [f"a0: &a0 {first}"]
    for level in range(1, levels):
        lines.append(f"a{level}: &a{level} " + more.format(", ".join(9 * [f"*a{level - 1}"])))
    return "\n".join(lines)


@pytest.mark.parametrize(
    "text", [bomb("[x]", "[{}]"), bomb("[x]", "{{b: [{}]}}"), bomb("{a: 1}", "{{<<: [{}]}}")]
)
def test_yaml_whose_aliases_multiply_is_refused(text: str):
    assert len(text) < 600
    assert "aliases (*name) must stand for at most 1000000 characters written out" in problems(text)
    assert "aliases" in problems(MINIMAL, f"offsets={{{text.replace(chr(10), ', ')}}}")


def test_aliases_of_a_readable_size_serve():
    text = MINIMAL + "  augmentation: {flip: &share 0.25, rotate: *share}"
    assert parse_config(text).training.augmentation.rotate == 0.25


@pytest.mark.parametrize("number", ["1:30", "017", "0x1f", "0b11", "9" * 5000])
def test_what_few_readers_take_for_a_number_is_none(number: str):
    assert "training.steps: must be a whole number, got" in problems(MINIMAL, f"training.steps={number}")


@pytest.mark.parametrize("number", ["+12", "1_2", "12"])
def test_plain_numbers_are_numbers(number: str):
    assert parse_config(MINIMAL, [f"training.steps={number}"]).training.steps == 12


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("training.steps=" + 25 * "9", "training.steps: must fit into 64 bits, got a number of 84"),
        ("training.steps=!!int 0x" + 9000 * "f", "training.steps: must fit into 64 bits"),
        ('data.train.0.raw="a\\0b"', "data.train.0.raw: must be text, got 'a\\x00b'"),
        ('data.train.0.raw="\\ud800"', r"data.train.0.raw: must be text, got '\ud800'"),
        ("\ud800=3", r"the configuration: a key must be text, got '\ud800'"),
    ],
)
def test_what_no_file_can_be_named_after_is_refused(override: str, message: str):
    assert message in problems(MINIMAL, override)


def test_long_values_are_shown_by_their_beginning():
    assert len(problems(MINIMAL, "training.stepz=" + "[" * 3000)) < 200
    text = problems(MINIMAL, "network.features=[" + 1000 * "x," + "]")
    assert "has 1000 problems" in text
    assert len(text.splitlines()) == 22


def test_a_large_file_is_not_read_to_its_end(tmp_path: Path):
    with (tmp_path / "volume.raw").open("wb") as file:
        file.truncate(2**24 + 1)
    assert "must be YAML of at most" in _problem_of_file(tmp_path / "volume.raw")


@pytest.mark.timeout(20)
def test_what_is_no_regular_file_is_not_opened(tmp_path: Path):
    """Opening a pipe would wait for one who writes."""
    os.mkfifo(tmp_path / "pipe.yaml")
    (tmp_path / "link.yaml").symlink_to("pipe.yaml")
    for path, found in {
        tmp_path / "pipe.yaml": "a pipe",
        tmp_path / "link.yaml": "a pipe",
        tmp_path: "a folder",
        Path("/dev/zero"): "a device",
    }.items():
        assert f"the configuration {path} must be a regular file, got {found}; save" in _problem_of_file(path)


@pytest.mark.timeout(20)
def test_standard_input_and_process_substitution_serve_where_a_file_lies_behind(tmp_path: Path):
    (tmp_path / "run.yaml").write_text(MINIMAL)
    with (tmp_path / "run.yaml").open() as file:  # as `objectwise run /dev/stdin < run.yaml`
        assert load_config(f"/dev/fd/{file.fileno()}") == parse_config(MINIMAL)
    there, here = os.pipe()  # as `objectwise run <(make-config)`, still at work
    try:
        assert "must be a regular file, got a pipe" in _problem_of_file(Path(f"/dev/fd/{there}"))
    finally:
        os.close(there)
        os.close(here)


def _problem_of_file(path: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    return str(caught.value)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("training.stepz=3", "training.stepz: unknown key; did you mean `steps`?"),
        ("steps=3", "steps: unknown key; did you mean `training.steps`?"),
        ("training.qqqq=3", "training.qqqq: unknown key; known keys here: steps, "),
        ("data.train.0.labelz=x", "data.train.0.labelz: unknown key; did you mean `labels`?"),
        ("training.steps='200'", 'training.steps: must be a whole number, got "200"'),
        ("training.steps=200.0", "training.steps: must be a whole number, got 200.0"),
        ("training.steps=true", "training.steps: must be a whole number, got true"),
        ("training.steps=0", "training.steps: must be greater than 0, got 0"),
        ("training.learning_rate=.inf", "training.learning_rate: must be a finite number, got Infinity"),
        ("training.patch_shape=8", "training.patch_shape: must be a list, got 8"),
        ("training.patch_shape.1=x", 'training.patch_shape.1: must be a whole number, got "x"'),
        ("training.devices=some", "training.devices: must be a whole number or 'auto', got \"some\""),
        ("segmentation.threshold=2.0", "segmentation.threshold: must be less than 1 or 'auto', got 2.0"),
        ("dimensions=4", "dimensions: must be 2 or 3, got 4"),
        ("network=", "network: must be a mapping of keys to values, got null"),
        ("data.train=[]", "data.train: must have at least 1 item(s), got []"),
        ("data.train.0.name=a b", "data.train.0.name: must match the pattern"),
        ("data.train.0.name=.a", "data.train.0.name: must match the pattern"),
        ("data.train.0.name=" + 101 * "a", "data.train.0.name: must have at most 100 characters"),
        ("data.train.0.raw=''", 'data.train.0.raw: must have at least 1 character(s), got ""'),
        ("data.tune=[{name: Ac4, raw: a, labels: b}]", "got 'Ac4' and 'ac4', which differ in case only"),
        ("data.train.0.raw=2024-01-01", "data.train.0.raw: must be a plain value, got the date 2024-01-01"),
        ("training.patch_shape=[8, 32]", "training.patch_shape needs 3 numbers (dimensions), got (8, 32)"),
        ("offsets=[[0, 0, 0]]", "`offsets` must not join a voxel to itself"),
        ("training.loss={name: bce, warmup_steps: 5}", "training.loss.warmup_steps has no effect"),
        ("training.loss={name: malis, malis_weight: 2.0}", "training.loss.malis_weight has no effect"),
        ("segmentation={threshold: 0.5, candidates: [0.5]}", "segmentation.candidates has no effect"),
        ("segmentation={fragment_threshold: 0.9}", "segmentation.fragment_threshold has no effect"),
        ("data.train.0.sections=[2]", "data.train.0.sections: must have more than 1 item(s), got [2]"),
        (
            "data.train.0.sections=[2, 3, 4]",
            "data.train.0.sections: must have at most 2 item(s), got [2, 3, 4]",
        ),
        ("data.train.0.labels=", "data: train volume 'ac4' needs labels"),
    ],
)
def test_problem_is_named_with_path_rule_and_value(override: str, message: str):
    assert message in problems(MINIMAL, override)


def test_missing_key_is_named():
    assert "training: must be given" in problems("data: {train: [{name: a, raw: x, labels: y}]}")


def test_all_problems_are_listed_at_once():
    text = problems(MINIMAL, "training.steps=-1", "seed=x", "color=red")
    assert "has 3 problems" in text
    for line in ("training.steps: must be greater", "seed: must be a whole number", "color: unknown key"):
        assert line in text


def test_one_broken_volume_does_not_hide_behind_an_empty_list():
    assert "at least" not in problems(MINIMAL, "data.train.0.raw=3")


def test_override_reaches_defaults_lists_and_whole_sections():
    config = parse_config(
        MINIMAL,
        ["training.loss.name=bce", "data.train.0.sections=[0, 16]", "network={features: [4, 8]}", "seed=1"],
    )
    assert config.training.loss.name == "bce"
    assert config.data.train[0].sections == (0, 16)
    assert config.network.features == (4, 8)
    assert config.seed == 1


def test_override_of_one_alias_leaves_the_other():
    text = MINIMAL.replace("[8, 32, 32]", "&shape [8, 32, 32]") + "prediction: {window_shape: *shape}\n"
    config = parse_config(text, ["training.patch_shape.0=16"])
    assert config.training.patch_shape == (16, 32, 32)
    assert config.prediction.window_shape == (8, 32, 32)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("training.steps", "an override must read key=value"),
        ("=3", "an override must read key=value"),
        ("data.train.1.raw=x", "data.train is a list with positions 0 to 0"),
        ("data.train.first.raw=x", "data.train is a list with positions 0 to 0"),
        ("training.patch_shape.0.z=x", "training.patch_shape.0 is no mapping or list, but 8"),
        ("seed=[1", "the value of the override 'seed=[1' is not valid YAML"),
    ],
)
def test_override_that_leads_nowhere_is_named(override: str, message: str):
    assert message in problems(MINIMAL, override)


@pytest.mark.parametrize(("text", "value"), [("1e-3", 1e-3), ("1.5E2", 150.0), ("1.0e-5", 1e-5)])
def test_number_with_exponent_is_a_number(text: str, value: float):
    assert parse_config(MINIMAL, [f"training.learning_rate={text}"]).training.learning_rate == value


def test_variables_are_filled_in(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OBJECTWISE_TEST", "/data")
    monkeypatch.delenv("OBJECTWISE_UNSET", raising=False)
    raws = [
        ("'${OBJECTWISE_TEST}/a.h5:raw'", "/data/a.h5:raw"),
        ("'${OBJECTWISE_UNSET:-../shared}/a.tif'", "../shared/a.tif"),
        ("'cost $$5 $ $${NAME}'", "cost $5 $ ${NAME}"),
    ]
    for text, value in raws:
        assert parse_config(MINIMAL, [f"data.train.0.raw={text}"]).data.train[0].raw == value


def test_unset_variable_is_named_with_its_path(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("OBJECTWISE_UNSET", raising=False)
    text = problems(MINIMAL, "data.train.0.raw='${OBJECTWISE_UNSET}/a.h5'")
    assert "data.train.0.raw: the environment variable OBJECTWISE_UNSET must be set" in text
    assert "a variable must read ${NAME}" in problems(MINIMAL, "data.train.0.raw='${1x}'")


texts = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), min_size=1, max_size=12
) | st.sampled_from(
    ["1e-3", "yes", "null", "2024-01-01", "0x1F", "${HOME}", "$$", "~", "1_000", "012", "-", "a: b", "#"]
)


@st.composite
def configurations(draw: st.DrawFn) -> RunConfig:
    dimensions = draw(st.sampled_from([2, 3]))
    levels = draw(st.integers(2, 4))
    shapes = st.tuples(*[st.integers(1, 999)] * dimensions)
    name = draw(st.sampled_from(["bce", "malis", "bce+malis"]))
    loss = {"name": name}
    if name != "bce":
        loss["warmup_steps"] = draw(st.integers(0, 9))
    threshold = draw(st.just("auto") | st.floats(0.01, 0.99))
    tree = {
        "data": {
            "train": [{"name": "train", "raw": draw(texts), "labels": draw(texts)}],
            "evaluate": [{"name": f"e{i}", "raw": draw(texts)} for i in range(draw(st.integers(0, 2)))],
        },
        "dimensions": dimensions,
        "seed": draw(st.integers(0, 2**32 - 1)),
        "network": {
            "features": tuple(draw(st.integers(1, 64)) for _ in range(levels)),
            "strides": draw(st.none() | st.tuples(*[shapes] * (levels - 1))),
        },
        "training": {
            "steps": draw(st.integers(10, 9999)),
            "patch_shape": draw(shapes),
            "learning_rate": draw(st.floats(1e-12, 1e12)),
            "initial_weights": draw(st.none() | st.sampled_from(["a/network.pt", "../$b/n.pt"])),
            "devices": draw(st.just("auto") | st.integers(1, 8)),
            "loss": loss,
        },
        "segmentation": {"threshold": threshold},
    }
    return RunConfig.model_validate(tree, strict=False)


@given(configurations())
def test_dump_loads_back_equal(config: RunConfig):
    assert parse_config(dump_config(config)) == config


def test_null_takes_a_key_back_to_its_default():
    text = MINIMAL + "segmentation: {candidates: [0.3, 0.5]}\nseed: 7\n"
    fixed = "segmentation.threshold=0.9"
    assert "leave it out (--set segmentation.candidates=null)" in problems(text, fixed)
    config = parse_config(text, [fixed, "segmentation.candidates=null", "seed=null"])
    default = parse_config(MINIMAL, [fixed])
    assert config == default
    assert parse_config(dump_config(config), ["segmentation=null"]) == parse_config(MINIMAL)


def test_null_still_names_what_is_no_key_or_must_be_set():
    assert "unknown key" in problems(MINIMAL, "segmentation.candidatez=null")
    assert "training.patch_shape" in problems(MINIMAL, "training.patch_shape=null")
    assert "data.train.0" in problems(MINIMAL, "data.train.0=null")


def test_null_removes_nothing_that_null_means_something_else_for():
    def sections(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
        yield model
        for field in model.model_fields.values():
            for kind in (field.annotation, *get_args(field.annotation)):
                if isinstance(kind, type) and issubclass(kind, BaseModel):
                    yield from sections(kind)

    for model in sections(RunConfig):
        for name, field in model.model_fields.items():
            if type(None) in get_args(field.annotation):
                assert field.default is None, f"{model.__name__}.{name}"


KEYS = [
    "seed",
    "data.train.0.name",
    "data.train.0.sections",
    "training.steps",
    "training.patch_shape.0",
    "offsets",
    "x",
]
fragments = st.text(max_size=6) | st.sampled_from(
    [*"{}[]:,&*!|>'\"%@`#-?~\n \t", "data", "training:", "\n  ", "steps: 3", "<<: *a", "&a", "*a", "!!int", "!!bool", "${", "- ", "---"]
)  # fmt: skip


def assert_read_or_refused(text: str, *overrides: str) -> None:
    try:
        config = parse_config(text, overrides)
    except ConfigError:
        return
    assert parse_config(dump_config(config)) == config


@given(st.lists(fragments, max_size=20).map("".join), st.integers(0, len(MINIMAL)), st.booleans())
def test_any_text_is_a_configuration_or_refused(text: str, at: int, inserted: bool):
    assert_read_or_refused(MINIMAL[:at] + text + MINIMAL[at:] if inserted else text)


@given(st.sampled_from(KEYS), st.lists(fragments, max_size=4).map("".join))
def test_any_override_is_a_configuration_or_refused(key: str, text: str):
    assert_read_or_refused(MINIMAL, f"{key}={text}")
