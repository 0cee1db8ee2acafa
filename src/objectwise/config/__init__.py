"""The typed configuration of a run: data only, no work is done here."""

from objectwise.config.load import dump_config, load_config, parse_config
from objectwise.config.models import (
    AugmentationConfig,
    DataConfig,
    EvaluationConfig,
    LossConfig,
    NetworkConfig,
    NormalisationConfig,
    PredictionConfig,
    RunConfig,
    SegmentationConfig,
    TrainingConfig,
    VolumeConfig,
)

__all__ = [
    "AugmentationConfig",
    "DataConfig",
    "EvaluationConfig",
    "LossConfig",
    "NetworkConfig",
    "NormalisationConfig",
    "PredictionConfig",
    "RunConfig",
    "SegmentationConfig",
    "TrainingConfig",
    "VolumeConfig",
    "dump_config",
    "load_config",
    "parse_config",
]
