"""One loss a file: a function, and a module that only holds options."""

from objectwise.losses.affinity import AffinityBCELoss, affinity_bce_loss
from objectwise.losses.malis import MalisLoss, malis_loss

__all__ = ["AffinityBCELoss", "MalisLoss", "affinity_bce_loss", "malis_loss"]
