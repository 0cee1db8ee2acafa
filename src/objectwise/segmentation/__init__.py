"""From affinities or masks to instances."""

from objectwise.segmentation.agglomeration import agglomerate
from objectwise.segmentation.masks import grown_objects, objects_of_mask, objects_of_probabilities
from objectwise.segmentation.segment import METHODS, segment, segmenter
from objectwise.segmentation.size import remove_small_objects
from objectwise.segmentation.threshold import threshold_components
from objectwise.segmentation.watershed import seeded_watershed

__all__ = [
    "METHODS",
    "agglomerate",
    "grown_objects",
    "objects_of_mask",
    "objects_of_probabilities",
    "remove_small_objects",
    "seeded_watershed",
    "segment",
    "segmenter",
    "threshold_components",
]
