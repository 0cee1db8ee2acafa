"""Lightning module, data module and the training loop."""

from objectwise.curves import read_metrics
from objectwise.training.module import AffinityModule
from objectwise.training.network import network_of
from objectwise.training.objective import AffinityObjective
from objectwise.training.patches import PatchDataModule
from objectwise.training.train import build_sampler, train

__all__ = [
    "AffinityModule",
    "AffinityObjective",
    "PatchDataModule",
    "build_sampler",
    "network_of",
    "read_metrics",
    "train",
]
