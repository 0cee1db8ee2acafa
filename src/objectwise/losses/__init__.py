"""One loss a file: a function, and a module that only holds options."""

from objectwise.losses.classes.binary import BinaryCrossEntropyLoss, BinaryFocalLoss, binary_focal_loss
from objectwise.losses.classes.channels import ClassChannels
from objectwise.losses.classes.cross_entropy import SoftmaxCrossEntropyLoss, softmax_cross_entropy_loss
from objectwise.losses.classes.dice import SoftDiceLoss, soft_dice_loss
from objectwise.losses.classes.dice_cross_entropy import DiceCrossEntropyLoss
from objectwise.losses.classes.focal import SoftmaxFocalLoss, softmax_focal_loss
from objectwise.losses.combined import CombinedLoss
from objectwise.losses.edges.bce import AffinityBCELoss, affinity_bce_loss
from objectwise.losses.edges.malis import MalisLoss, malis_loss
from objectwise.losses.edges.malis_weights import MalisWeights, malis_weights
from objectwise.losses.edges.maximin_pairs import MaximinPairLoss, maximin_pair_loss
from objectwise.losses.edges.pair_sampling import PairSample, sample_pairs
from objectwise.losses.instances.blob import BlobLoss
from objectwise.losses.instances.cc_dice import CCDiceLoss
from objectwise.losses.instances.ici import InstanceCenterLoss, InstanceLoss
from objectwise.losses.instances.region_dice import RegionDice
from objectwise.losses.instances.segment_loss import SegmentLoss
from objectwise.losses.regions.active_contour import ActiveContourLoss
from objectwise.losses.regions.boundary import BoundaryLoss
from objectwise.losses.regions.hausdorff import HausdorffDTLoss, hausdorff_dt_loss
from objectwise.losses.regions.region_wise import RegionWiseLoss, region_wise_loss
from objectwise.losses.schedules import Constant, Equal, Gradual, WeightSchedule

__all__ = [
    "ActiveContourLoss",
    "AffinityBCELoss",
    "BinaryCrossEntropyLoss",
    "BinaryFocalLoss",
    "BlobLoss",
    "BoundaryLoss",
    "CCDiceLoss",
    "ClassChannels",
    "CombinedLoss",
    "Constant",
    "DiceCrossEntropyLoss",
    "Equal",
    "Gradual",
    "HausdorffDTLoss",
    "InstanceCenterLoss",
    "InstanceLoss",
    "MalisLoss",
    "MalisWeights",
    "MaximinPairLoss",
    "PairSample",
    "RegionDice",
    "RegionWiseLoss",
    "SegmentLoss",
    "SoftDiceLoss",
    "SoftmaxCrossEntropyLoss",
    "SoftmaxFocalLoss",
    "WeightSchedule",
    "affinity_bce_loss",
    "binary_focal_loss",
    "hausdorff_dt_loss",
    "malis_loss",
    "malis_weights",
    "maximin_pair_loss",
    "region_wise_loss",
    "sample_pairs",
    "soft_dice_loss",
    "softmax_cross_entropy_loss",
    "softmax_focal_loss",
]
