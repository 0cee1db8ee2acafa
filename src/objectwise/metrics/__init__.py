"""Addable statistics, scores made of them, and named protocols."""

from objectwise.metrics.borders import mask_borders
from objectwise.metrics.class_scores import ClassScores, class_scores
from objectwise.metrics.contingency import ContingencyTable
from objectwise.metrics.detection import (
    DetectionScores,
    PanopticQuality,
    SizeClass,
    detection_by_size,
    detection_scores,
    object_score,
    panoptic_of_scores,
    panoptic_quality,
    pooled_scores,
    scores_of_matching,
    size_classes,
)
from objectwise.metrics.evaluate import (
    Scores,
    cremi_score,
    evaluate,
    evaluate_sections,
    mean_scores,
    scores_of_sections,
    scores_of_table,
)
from objectwise.metrics.matching import Matching, Objects, match_objects, matching_of_table
from objectwise.metrics.protocols import PROTOCOLS, Protocol, find_protocol
from objectwise.metrics.rand import AdaptedRand, adapted_rand, rand_of_table
from objectwise.metrics.section_tables import load_tables, save_tables, section_tables
from objectwise.metrics.stacks import (
    StackDetection,
    StackScores,
    detect_in_stack,
    score_stack,
    score_tables,
)
from objectwise.metrics.surfaces import MaskScores, mask_scores
from objectwise.metrics.voi import VariationOfInformation, voi, voi_of_table

__all__ = [
    "PROTOCOLS",
    "AdaptedRand",
    "ClassScores",
    "ContingencyTable",
    "DetectionScores",
    "MaskScores",
    "Matching",
    "Objects",
    "PanopticQuality",
    "Protocol",
    "Scores",
    "SizeClass",
    "StackDetection",
    "StackScores",
    "VariationOfInformation",
    "adapted_rand",
    "class_scores",
    "cremi_score",
    "detect_in_stack",
    "detection_by_size",
    "detection_scores",
    "evaluate",
    "evaluate_sections",
    "find_protocol",
    "load_tables",
    "mask_borders",
    "mask_scores",
    "match_objects",
    "matching_of_table",
    "mean_scores",
    "object_score",
    "panoptic_of_scores",
    "panoptic_quality",
    "pooled_scores",
    "rand_of_table",
    "save_tables",
    "score_stack",
    "score_tables",
    "scores_of_matching",
    "scores_of_sections",
    "scores_of_table",
    "section_tables",
    "size_classes",
    "voi",
    "voi_of_table",
]
