"""Slow twins: what a student would write, kept once and imported by tests and benchmarks."""
