"""EM-like neuropil with exact labels, grown from a seed."""

from objectwise.data.phantom.neuropil import Phantom, neuropil_phantom

__all__ = ["Phantom", "neuropil_phantom"]
