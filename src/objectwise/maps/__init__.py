"""Maps from labels: plain arrays that a loss multiplies or weighs with."""

from objectwise.maps.cache import MapCache
from objectwise.maps.instances import OverlapTable, connected_components, overlap_table
from objectwise.maps.malis import PairCounts, malis_pair_counts
from objectwise.maps.region_wise import (
    active_contour_map,
    class_weight_map,
    hausdorff_map,
    rectified_region_wise_map,
    region_wise_map,
    signed_distance_map,
)
from objectwise.maps.voronoi import voronoi_regions

__all__ = [
    "MapCache",
    "OverlapTable",
    "PairCounts",
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
]
