"""One loss a file: a function, and a module that only holds options."""

from objectwise.losses.affinity import AffinityBCELoss, affinity_bce_loss
from objectwise.losses.malis import MalisLoss, malis_loss
from objectwise.losses.malis_weights import MalisWeights, malis_weights

__all__ = [
    "AffinityBCELoss",
    "MalisLoss",
    "MalisWeights",
    "affinity_bce_loss",
    "malis_loss",
    "malis_weights",
]
