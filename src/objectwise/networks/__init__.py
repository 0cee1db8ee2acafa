"""Networks that predict affinities, thin over MONAI."""

from objectwise.networks.affinity_unet import AffinityUNet
from objectwise.networks.storage import load_network, save_network

__all__ = ["AffinityUNet", "load_network", "save_network"]
