"""The typed configuration of a run: data only, no work is done here."""

from objectwise.config.load import dump_config, load_config, parse_config
from objectwise.config.models import RunConfig
from objectwise.config.network import NetworkConfig
from objectwise.config.results import EvaluationConfig, PredictionConfig, SegmentationConfig
from objectwise.config.training import AugmentationConfig, LossConfig, TrainingConfig
from objectwise.config.volumes import DataConfig, NormalisationConfig, VolumeConfig

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
