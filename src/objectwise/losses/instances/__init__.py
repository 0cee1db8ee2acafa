"""Losses that count objects: each true one found or missed, each predicted one right or false."""
