"""Networks that predict affinities, thin over MONAI."""

from objectwise.networks.affinity_unet import AffinityUNet
from objectwise.networks.record import NetworkRecord
from objectwise.networks.storage import load_network, save_network

__all__ = ["AffinityUNet", "NetworkRecord", "load_network", "save_network"]
