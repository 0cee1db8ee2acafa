"""Addable statistics, scores made of them, and named protocols."""

from objectwise.metrics.borders import mask_borders
from objectwise.metrics.contingency import ContingencyTable
from objectwise.metrics.evaluate import (
    Scores,
    cremi_score,
    evaluate,
    evaluate_sections,
    mean_scores,
    scores_of_table,
)
from objectwise.metrics.protocols import PROTOCOLS, Protocol, find_protocol
from objectwise.metrics.rand import AdaptedRand, adapted_rand, rand_of_table
from objectwise.metrics.voi import VariationOfInformation, voi, voi_of_table

__all__ = [
    "PROTOCOLS",
    "AdaptedRand",
    "ContingencyTable",
    "Protocol",
    "Scores",
    "VariationOfInformation",
    "adapted_rand",
    "cremi_score",
    "evaluate",
    "evaluate_sections",
    "find_protocol",
    "mask_borders",
    "mean_scores",
    "rand_of_table",
    "scores_of_table",
    "voi",
    "voi_of_table",
]
