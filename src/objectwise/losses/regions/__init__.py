"""Losses that weigh every voxel by a map: how far a mistake lies from its region."""
