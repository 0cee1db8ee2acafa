"""Maps from labels: plain arrays that a loss multiplies or weighs with."""

from objectwise.maps.malis import PairCounts, malis_pair_counts

__all__ = ["PairCounts", "malis_pair_counts"]
