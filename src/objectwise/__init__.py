"""Train segmentation networks on objects, not on pixels.

The names below load when they are first used: `import objectwise` alone imports neither torch nor Numba.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from objectwise.errors import needs_extra

if TYPE_CHECKING:
    from objectwise.config import RunConfig, load_config
    from objectwise.data import lesion_phantom, neuropil_phantom, read_volume, write_volume
    from objectwise.graph import (
        MaximinTree,
        Neighborhood,
        affinities_from_labels,
        components_from_affinities,
        known_edges,
        maximin_tree,
    )
    from objectwise.losses import (
        AffinityBCELoss,
        MalisLoss,
        MaximinPairLoss,
        affinity_bce_loss,
        malis_loss,
        maximin_pair_loss,
    )
    from objectwise.maps import malis_pair_counts
    from objectwise.metrics import (
        detection_by_size,
        detection_scores,
        evaluate,
        match_objects,
        object_score,
        panoptic_quality,
    )
    from objectwise.networks import AffinityUNet
    from objectwise.segmentation import segment

_ROOMS = {
    "config": ("RunConfig", "load_config"),
    "data": ("lesion_phantom", "neuropil_phantom", "read_volume", "write_volume"),
    "graph": (
        "MaximinTree",
        "Neighborhood",
        "affinities_from_labels",
        "components_from_affinities",
        "known_edges",
        "maximin_tree",
    ),
    "losses": (
        "AffinityBCELoss",
        "MalisLoss",
        "MaximinPairLoss",
        "affinity_bce_loss",
        "malis_loss",
        "maximin_pair_loss",
    ),
    "maps": ("malis_pair_counts",),
    "metrics": (
        "detection_by_size",
        "detection_scores",
        "evaluate",
        "match_objects",
        "object_score",
        "panoptic_quality",
    ),
    "networks": ("AffinityUNet",),
    "segmentation": ("segment",),
}
_HOMES = {name: f"objectwise.{room}" for room, names in _ROOMS.items() for name in names}

__version__ = "0.1.0"
__all__ = [
    "AffinityBCELoss",
    "AffinityUNet",
    "MalisLoss",
    "MaximinPairLoss",
    "MaximinTree",
    "Neighborhood",
    "RunConfig",
    "affinities_from_labels",
    "affinity_bce_loss",
    "components_from_affinities",
    "detection_by_size",
    "detection_scores",
    "evaluate",
    "known_edges",
    "lesion_phantom",
    "load_config",
    "malis_loss",
    "malis_pair_counts",
    "match_objects",
    "maximin_pair_loss",
    "maximin_tree",
    "neuropil_phantom",
    "object_score",
    "panoptic_quality",
    "read_volume",
    "segment",
    "write_volume",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        with needs_extra(f"objectwise.{name}"):
            return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'objectwise' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
