"""Losses on the class probabilities of single voxels, the partners of the structured ones."""
