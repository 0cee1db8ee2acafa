"""Plan, predict, segment: what turns a trained network and a volume into objects and scores."""

from objectwise.metrics.stacks import (
    StackDetection,
    StackScores,
    detect_in_stack,
    score_stack,
    score_tables,
)
from objectwise.pipeline.affinity_files import AffinityVolume, read_affinities, write_affinities
from objectwise.pipeline.predict import find_device, predict_affinities, predict_probabilities
from objectwise.pipeline.predictions import Prediction, read_prediction, write_prediction
from objectwise.pipeline.stacks import describe_stack, read_label_stack, read_raw_stack
from objectwise.pipeline.thresholds import Sweep, merge_sweeps, sweep, sweep_thresholds

__all__ = [
    "AffinityVolume",
    "Prediction",
    "StackDetection",
    "StackScores",
    "Sweep",
    "describe_stack",
    "detect_in_stack",
    "find_device",
    "merge_sweeps",
    "predict_affinities",
    "predict_probabilities",
    "read_affinities",
    "read_label_stack",
    "read_prediction",
    "read_raw_stack",
    "score_stack",
    "score_tables",
    "sweep",
    "sweep_thresholds",
    "write_affinities",
    "write_prediction",
]
