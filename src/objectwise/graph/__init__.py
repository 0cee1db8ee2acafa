"""The vocabulary: neighborhoods, affinities, components."""

from objectwise.graph.affinities import affinities_from_labels, known_edges
from objectwise.graph.components import components_from_affinities
from objectwise.graph.neighborhood import Neighborhood, Offsets, offsets_array

__all__ = [
    "Neighborhood",
    "Offsets",
    "affinities_from_labels",
    "components_from_affinities",
    "known_edges",
    "offsets_array",
]
