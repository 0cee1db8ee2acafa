"""Lightning module, data module and the training loop."""

from objectwise.curves import read_metrics
from objectwise.training.module import TrainingModule
from objectwise.training.network import covered_by, network_of
from objectwise.training.objective import objective_of
from objectwise.training.patches import PatchDataModule
from objectwise.training.train import build_sampler, train
from objectwise.training.validation import Validation

__all__ = [
    "PatchDataModule",
    "TrainingModule",
    "Validation",
    "build_sampler",
    "covered_by",
    "network_of",
    "objective_of",
    "read_metrics",
    "train",
]
