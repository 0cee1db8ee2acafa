"""Networks that predict affinities or masks: ours, MONAI's and anyone's."""

from objectwise.networks.affinity_unet import AffinityUNet
from objectwise.networks.network import Network
from objectwise.networks.record import NetworkRecord
from objectwise.networks.storage import load_network, save_network

__all__ = ["AffinityUNet", "Network", "NetworkRecord", "load_network", "save_network"]
