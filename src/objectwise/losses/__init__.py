"""One loss a file: a function, and a module that only holds options."""

from objectwise.losses.affinity import AffinityBCELoss, affinity_bce_loss
from objectwise.losses.malis import MalisLoss, malis_loss
from objectwise.losses.malis_weights import MalisWeights, malis_weights
from objectwise.losses.maximin_pairs import MaximinPairLoss, maximin_pair_loss
from objectwise.losses.pair_sampling import PairSample, sample_pairs

__all__ = [
    "AffinityBCELoss",
    "MalisLoss",
    "MalisWeights",
    "MaximinPairLoss",
    "PairSample",
    "affinity_bce_loss",
    "malis_loss",
    "malis_weights",
    "maximin_pair_loss",
    "sample_pairs",
]
