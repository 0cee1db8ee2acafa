"""The vocabulary: neighborhoods, affinities, components, the maximin tree."""

from objectwise.graph.affinities import affinities_from_labels, known_edges
from objectwise.graph.components import components_from_affinities
from objectwise.graph.maximin_tree import BinaryPartitionTree, MaximinTree, maximin_tree
from objectwise.graph.neighborhood import Neighborhood, Offsets, offsets_array
from objectwise.graph.pair_curve import PairCurve

__all__ = [
    "BinaryPartitionTree",
    "MaximinTree",
    "Neighborhood",
    "Offsets",
    "PairCurve",
    "affinities_from_labels",
    "components_from_affinities",
    "known_edges",
    "maximin_tree",
    "offsets_array",
]
