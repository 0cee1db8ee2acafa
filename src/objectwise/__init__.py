"""Train segmentation networks on objects, not on pixels.

The names below load when they are first used: `import objectwise` alone imports neither torch nor Numba.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from objectwise.errors import needs_extra

if TYPE_CHECKING:
    from objectwise.config import RunConfig, load_config
    from objectwise.data import (
        MapDataset,
        lesion_phantom,
        neuropil_phantom,
        read_volume,
        write_volume,
    )
    from objectwise.graph import (
        MaximinTree,
        Neighborhood,
        affinities_from_labels,
        components_from_affinities,
        known_edges,
        maximin_tree,
    )
    from objectwise.losses import (
        ActiveContourLoss,
        AffinityBCELoss,
        BinaryCrossEntropyLoss,
        BinaryFocalLoss,
        BlobLoss,
        BoundaryLoss,
        CCDiceLoss,
        CombinedLoss,
        DiceCrossEntropyLoss,
        Equal,
        Gradual,
        HausdorffDTLoss,
        InstanceCenterLoss,
        InstanceLoss,
        MalisLoss,
        MaximinPairLoss,
        RegionDice,
        RegionWiseLoss,
        SegmentLoss,
        SoftDiceLoss,
        SoftmaxCrossEntropyLoss,
        SoftmaxFocalLoss,
        affinity_bce_loss,
        binary_focal_loss,
        hausdorff_dt_loss,
        malis_loss,
        maximin_pair_loss,
        region_wise_loss,
        soft_dice_loss,
        softmax_cross_entropy_loss,
        softmax_focal_loss,
    )
    from objectwise.maps import (
        MapCache,
        active_contour_map,
        class_weight_map,
        connected_components,
        hausdorff_map,
        malis_pair_counts,
        overlap_table,
        rectified_region_wise_map,
        region_wise_map,
        signed_distance_map,
        voronoi_regions,
    )
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
    "data": (
        "MapDataset",
        "lesion_phantom",
        "neuropil_phantom",
        "read_volume",
        "write_volume",
    ),
    "graph": (
        "MaximinTree",
        "Neighborhood",
        "affinities_from_labels",
        "components_from_affinities",
        "known_edges",
        "maximin_tree",
    ),
    "losses": (
        "ActiveContourLoss",
        "AffinityBCELoss",
        "BinaryCrossEntropyLoss",
        "BinaryFocalLoss",
        "BlobLoss",
        "BoundaryLoss",
        "CCDiceLoss",
        "CombinedLoss",
        "DiceCrossEntropyLoss",
        "Equal",
        "Gradual",
        "HausdorffDTLoss",
        "InstanceCenterLoss",
        "InstanceLoss",
        "MalisLoss",
        "MaximinPairLoss",
        "RegionDice",
        "RegionWiseLoss",
        "SegmentLoss",
        "SoftDiceLoss",
        "SoftmaxCrossEntropyLoss",
        "SoftmaxFocalLoss",
        "affinity_bce_loss",
        "binary_focal_loss",
        "hausdorff_dt_loss",
        "malis_loss",
        "maximin_pair_loss",
        "region_wise_loss",
        "soft_dice_loss",
        "softmax_cross_entropy_loss",
        "softmax_focal_loss",
    ),
    "maps": (
        "MapCache",
        "active_contour_map",
        "class_weight_map",
        "connected_components",
        "hausdorff_map",
        "malis_pair_counts",
        "overlap_table",
        "rectified_region_wise_map",
        "region_wise_map",
        "signed_distance_map",
        "voronoi_regions",
    ),
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
    "ActiveContourLoss",
    "AffinityBCELoss",
    "AffinityUNet",
    "BinaryCrossEntropyLoss",
    "BinaryFocalLoss",
    "BlobLoss",
    "BoundaryLoss",
    "CCDiceLoss",
    "CombinedLoss",
    "DiceCrossEntropyLoss",
    "Equal",
    "Gradual",
    "HausdorffDTLoss",
    "InstanceCenterLoss",
    "InstanceLoss",
    "MalisLoss",
    "MapCache",
    "MapDataset",
    "MaximinPairLoss",
    "MaximinTree",
    "Neighborhood",
    "RegionDice",
    "RegionWiseLoss",
    "RunConfig",
    "SegmentLoss",
    "SoftDiceLoss",
    "SoftmaxCrossEntropyLoss",
    "SoftmaxFocalLoss",
    "active_contour_map",
    "affinities_from_labels",
    "affinity_bce_loss",
    "binary_focal_loss",
    "class_weight_map",
    "components_from_affinities",
    "connected_components",
    "detection_by_size",
    "detection_scores",
    "evaluate",
    "hausdorff_dt_loss",
    "hausdorff_map",
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
    "overlap_table",
    "panoptic_quality",
    "read_volume",
    "rectified_region_wise_map",
    "region_wise_loss",
    "region_wise_map",
    "segment",
    "signed_distance_map",
    "soft_dice_loss",
    "softmax_cross_entropy_loss",
    "softmax_focal_loss",
    "voronoi_regions",
    "write_volume",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        with needs_extra(f"objectwise.{name}"):
            return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'objectwise' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
