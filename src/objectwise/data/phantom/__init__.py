"""Pictures with exact labels, grown from a seed: EM-like neuropil, and lesions of very different sizes."""

from objectwise.data.phantom.lesions import lesion_phantom
from objectwise.data.phantom.neuropil import Phantom, neuropil_phantom

__all__ = ["Phantom", "lesion_phantom", "neuropil_phantom"]
