"""Maps from labels: plain arrays that a loss multiplies or weighs with."""

from objectwise.maps.instances import OverlapTable, connected_components, overlap_table
from objectwise.maps.malis import PairCounts, malis_pair_counts

__all__ = ["OverlapTable", "PairCounts", "connected_components", "malis_pair_counts", "overlap_table"]
