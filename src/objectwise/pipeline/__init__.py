"""Predict, segment and evaluate whole volumes."""
