"""The vocabulary: neighborhoods, affinities, components."""

from objectwise.graph.neighborhood import Neighborhood, Offsets, offsets_array

__all__ = ["Neighborhood", "Offsets", "offsets_array"]
