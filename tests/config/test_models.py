"""Combinations that make no sense are refused where the configuration is made."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from objectwise.config import (
    DataConfig,
    EvaluationConfig,
    NetworkConfig,
    NormalisationConfig,
    RunConfig,
    SegmentationConfig,
    TrainingConfig,
    VolumeConfig,
)
from objectwise.metrics import PROTOCOLS


def volume(name: str) -> VolumeConfig:
    return VolumeConfig(name=name, raw="raw.h5:raw", labels="raw.h5:labels")


def test_oracle_with_a_fixed_threshold_has_no_effect():
    with pytest.raises(ValidationError, match=r"evaluation\.oracle has no effect with a fixed"):
        RunConfig(
            data=DataConfig(train=(volume("a"),)),
            training=TrainingConfig(patch_shape=(8, 16, 16)),
            segmentation=SegmentationConfig(threshold=0.5),
            evaluation=EvaluationConfig(oracle=True),
        )


def test_volume_names_must_differ():
    with pytest.raises(ValidationError, match="volume names must differ, got 'a' twice"):
        DataConfig(train=(volume("a"),), evaluate=(volume("a"),))


def test_volumes_to_tune_on_need_labels():
    unlabelled = VolumeConfig(name="t", raw="t.h5:raw")
    with pytest.raises(ValidationError, match="tune volume 't' needs labels"):
        DataConfig(train=(volume("a"),), tune=(unlabelled,))


def test_volumes_to_tune_on_need_an_open_threshold():
    with pytest.raises(
        ValidationError, match=r"data\.tune has no effect with a fixed segmentation\.threshold"
    ):
        RunConfig(
            data=DataConfig(train=(volume("a"),), tune=(volume("b"),)),
            training=TrainingConfig(patch_shape=(8, 8, 8)),
            segmentation=SegmentationConfig(threshold=0.5),
        )


def test_sections_must_ascend():
    with pytest.raises(ValidationError, match="sections must ascend"):
        VolumeConfig(name="a", raw="r", sections=(4, 4))


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"kernel_sizes": ((3, 3), (3, 3))}, r"kernel_sizes needs one row per level \(3\), got 2"),
        ({"strides": ((2, 2),)}, r"strides needs one row fewer than levels \(2\), got 1"),
    ],
)
def test_network_tables_must_fit_the_levels(keys: dict[str, object], message: str):
    with pytest.raises(ValidationError, match=message):
        NetworkConfig(features=(4, 8, 16), **keys)  # type: ignore[arg-type]


def test_an_option_at_its_default_may_be_named():
    assert SegmentationConfig(threshold=0.5, candidates=SegmentationConfig().candidates).threshold == 0.5


def test_neighborhood_follows_the_dimensions():
    config = RunConfig.model_validate(
        {"data": {"train": (volume("a"),)}, "dimensions": 2, "training": {"patch_shape": (8, 8)}}
    )
    assert config.neighborhood.offsets == ((-1, 0), (0, -1))


def test_protocols_of_the_configuration_are_those_of_the_metrics():
    choices = EvaluationConfig.model_json_schema()["properties"]["protocol"]["enum"]
    assert sorted(choices) == sorted(PROTOCOLS)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "range"}, r"the method range needs normalisation\.range"),
        ({"range": (0.0, 1.0)}, r"normalisation\.range has no effect with the method auto"),
        ({"method": "zscore", "range": (0.0, 1.0)}, "has no effect with the method zscore"),
        (
            {"method": "range", "range": (0.0, 1.0), "percentiles": (1.0, 99.0)},
            r"normalisation\.percentiles has no effect with the method range",
        ),
        (
            {"method": "range", "range": (1.0, 1.0)},
            r"normalisation\.range must ascend \[low, high\], got \[1",
        ),
        ({"percentiles": (60.0, 40.0)}, r"normalisation\.percentiles must ascend"),
        ({"percentiles": (0.0, 101.0)}, "less than or equal to 100"),
        ({"method": "guess"}, "'auto', 'range', 'percentiles' or 'zscore'"),
    ],
)
def test_normalisations_without_sense_are_refused(options, message):
    with pytest.raises(ValidationError, match=message):
        NormalisationConfig(**options)
