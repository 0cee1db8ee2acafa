"""Disjoint sets as Python sets, and their histograms as counters."""

from __future__ import annotations

from collections import Counter


class Partition:
    """Sets of nodes 0..n-1, all of one node at first."""

    def __init__(self, n: int) -> None:
        self.set_of = {node: frozenset([node]) for node in range(n)}

    def join(self, first: int, second: int) -> None:
        """Unite the sets of two nodes."""
        union = self.set_of[first] | self.set_of[second]
        for node in union:
            self.set_of[node] = union


def same_label_pairs(first: Counter[int], second: Counter[int]) -> int:
    """Count the pairs of one element of each side that carry one label."""
    return sum(count * second[label] for label, count in first.items())
