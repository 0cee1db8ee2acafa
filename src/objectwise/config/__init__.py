"""The typed configuration of a run: data only, no work is done here."""

from objectwise.config.load import dump_config, load_config, parse_config
from objectwise.config.models import RunConfig
from objectwise.config.network import NetworkConfig
from objectwise.config.optimiser import OptimiserConfig, ScheduleConfig
from objectwise.config.patches import AugmentationConfig, BalanceConfig, DefectsConfig, MagnitudesConfig
from objectwise.config.results import EvaluationConfig, PredictionConfig, SegmentationConfig
from objectwise.config.training import LossConfig, TrainingConfig
from objectwise.config.volumes import DataConfig, NormalisationConfig, VolumeConfig

__all__ = [
    "AugmentationConfig",
    "BalanceConfig",
    "DataConfig",
    "DefectsConfig",
    "EvaluationConfig",
    "LossConfig",
    "MagnitudesConfig",
    "NetworkConfig",
    "NormalisationConfig",
    "OptimiserConfig",
    "PredictionConfig",
    "RunConfig",
    "ScheduleConfig",
    "SegmentationConfig",
    "TrainingConfig",
    "VolumeConfig",
    "dump_config",
    "load_config",
    "parse_config",
]
