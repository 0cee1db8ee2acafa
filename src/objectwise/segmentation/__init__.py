"""From affinities to instances."""
