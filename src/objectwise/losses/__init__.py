"""One loss a file: a function, and a module that only holds options."""

from objectwise.losses.active_contour import ActiveContourLoss
from objectwise.losses.affinity import AffinityBCELoss, affinity_bce_loss
from objectwise.losses.boundary import BoundaryLoss
from objectwise.losses.class_channels import ClassChannels
from objectwise.losses.combined import CombinedLoss
from objectwise.losses.hausdorff import HausdorffDTLoss, hausdorff_dt_loss
from objectwise.losses.instance import InstanceCenterLoss, InstanceLoss
from objectwise.losses.instance_rivals import BlobLoss, CCDiceLoss, RegionDice
from objectwise.losses.malis import MalisLoss, malis_loss
from objectwise.losses.malis_weights import MalisWeights, malis_weights
from objectwise.losses.maximin_pairs import MaximinPairLoss, maximin_pair_loss
from objectwise.losses.pair_sampling import PairSample, sample_pairs
from objectwise.losses.region_wise import RegionWiseLoss, region_wise_loss
from objectwise.losses.schedules import Constant, Equal, Gradual, WeightSchedule
from objectwise.losses.segments import SegmentLoss
from objectwise.losses.soft_dice import SoftDiceLoss, soft_dice_loss
from objectwise.losses.softmax_cross_entropy import SoftmaxCrossEntropyLoss, softmax_cross_entropy_loss
from objectwise.losses.softmax_focal import SoftmaxFocalLoss, softmax_focal_loss

__all__ = [
    "ActiveContourLoss",
    "AffinityBCELoss",
    "BlobLoss",
    "BoundaryLoss",
    "CCDiceLoss",
    "ClassChannels",
    "CombinedLoss",
    "Constant",
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
