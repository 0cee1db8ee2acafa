"""Addable statistics, scores made of them, and named protocols."""
