"""The vocabulary: neighborhoods, affinities, components."""
