"""Losses on the edges of an affinity graph: one edge, one pair of voxels that are joined or not."""
