"""A run directory and its steps, each complete or not there."""
