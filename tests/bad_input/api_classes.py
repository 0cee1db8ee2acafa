"""Losses of classes and regions, and what combines them."""

from __future__ import annotations

import numpy as np

from objectwise import (
    ActiveContourLoss,
    BoundaryLoss,
    CombinedLoss,
    Equal,
    Gradual,
    HausdorffDTLoss,
    RegionWiseLoss,
    SoftDiceLoss,
    SoftmaxCrossEntropyLoss,
    SoftmaxFocalLoss,
    hausdorff_dt_loss,
    region_wise_loss,
    soft_dice_loss,
)
from objectwise.errors import DtypeError, ShapeError
from tests.bad_input.arrays import CLASSES, SCORES, with_value
from tests.bad_input.rows import Call

BOTH = [SoftDiceLoss(softmax=True), RegionWiseLoss()]

ROWS = [
    Call("Dice: two activations", lambda: SoftDiceLoss(sigmoid=True, softmax=True), "sigmoid"),
    Call("Dice: other_act is a word", lambda: SoftDiceLoss(other_act="tanh"), "`other_act` must"),
    Call("Dice: negative smooth", lambda: SoftDiceLoss(smooth=-1), "`smooth` must be"),
    Call("Dice: smooth is NaN", lambda: SoftDiceLoss(smooth=float("nan")), "`smooth` must be"),
    Call("Dice: unknown reduction", lambda: SoftDiceLoss(reduction="average"), "`reduction` must be one of"),
    Call("Dice: ignore label is a fraction", lambda: SoftDiceLoss(ignore_label=0.5), "`ignore_label` must be an integer or None, got 0.5"),
    Call("Dice: prediction is an array", lambda: soft_dice_loss(SCORES.numpy(), CLASSES), "`prediction` must be a", DtypeError),
    Call("Dice: prediction of integers", lambda: soft_dice_loss(SCORES.int(), CLASSES), "`prediction` must be", DtypeError),
    Call("Dice: label outside of the classes", lambda: SoftDiceLoss(softmax=True)(SCORES, CLASSES + 1), "`target` must"),
    Call("Dice: negative label", lambda: SoftDiceLoss(softmax=True)(SCORES, CLASSES - 1), "`target` must"),
    Call("Dice: label of 1.5", lambda: SoftDiceLoss(softmax=True)(SCORES, CLASSES + 0.5), "`target` must hold integer", DtypeError),
    Call("Dice: target of another shape", lambda: SoftDiceLoss(softmax=True)(SCORES, CLASSES[..., 1:]), "shape", ShapeError),
    Call("Dice: target of three channels", lambda: SoftDiceLoss(softmax=True)(SCORES, CLASSES.expand(1, 3, 6, 6)), "`target` must have shape", ShapeError),
    Call("Dice: no channel axis", lambda: SoftDiceLoss()(SCORES[0, 0], CLASSES[0, 0]), "`prediction` must", ShapeError),
    Call("cross-entropy: sigmoid", lambda: SoftmaxCrossEntropyLoss(sigmoid=True), "activation"),
    Call("cross-entropy: one channel", lambda: SoftmaxCrossEntropyLoss()(SCORES[:, :1], CLASSES), "channel", ShapeError),
    Call("focal: negative gamma", lambda: SoftmaxFocalLoss(gamma=-1), "`gamma` must be"),
    Call("focal: gamma is a word", lambda: SoftmaxFocalLoss(gamma="2"), "`gamma` must be a number, got '2'"),
    Call("focal: infinite gamma", lambda: SoftmaxFocalLoss(gamma=float("inf")), "`gamma` must be"),
    Call("region-wise: unknown map", lambda: RegionWiseLoss("signed"), "`map` must be one of"),
    Call("region-wise: unknown option of the map", lambda: RegionWiseLoss(map_options={"alpha": 2.0}), "alpha"),
    Call("region-wise: spacing of two for a volume", lambda: RegionWiseLoss(spacing=(1, 1, 1))(SCORES, CLASSES), "`spacing` must have one number per spatial axis (2)", ShapeError),
    Call("region-wise: spacing of 0", lambda: region_wise_loss(SCORES, CLASSES, spacing=(0, 1)), "`spacing` must be positive and finite, got (0, 1)"),
    Call("region-wise: no target and no map", lambda: region_wise_loss(SCORES), "target"),
    Call("region-wise: map of another shape", lambda: region_wise_loss(SCORES, weight_map=SCORES[..., 1:]), "`weight_map`", ShapeError),
    Call("region-wise: map of integers", lambda: region_wise_loss(SCORES, CLASSES, weight_map=SCORES.int()), "`weight_map` must be", DtypeError),
    Call("active contour: negative length weight", lambda: ActiveContourLoss(length_weight=-1.0), "`length_weight` must be"),
    Call("Hausdorff: alpha of 0", lambda: HausdorffDTLoss(alpha=0), "`alpha` must be"),
    Call("Hausdorff: target of another shape", lambda: hausdorff_dt_loss(SCORES, CLASSES[:, :, 1:]), "shape", ShapeError),
    Call("combined: no losses", lambda: CombinedLoss([]), "`losses` must"),
    Call("combined: a function", lambda: CombinedLoss([soft_dice_loss]), "`losses` must"),
    Call("combined: a weight too few", lambda: CombinedLoss(BOTH, [1.0]), "`weights` must"),
    Call("combined: weight of NaN", lambda: CombinedLoss(BOTH, [1.0, float("nan")]), "`weights` must"),
    Call("combined: a name with a dot", lambda: CombinedLoss({"a.b": BOTH[0]}), "a.b"),
    Call("combined: schedule of other terms", lambda: CombinedLoss(BOTH, Equal(3))(SCORES, CLASSES), "weights"),
    Call("schedule: length of 0", lambda: Gradual(length=0), "`length` must be"),
    Call("schedule: floor above 1", lambda: Gradual(floor=2.0), "`floor` must"),
    Call("Dice: sigmoid is a word", lambda: SoftDiceLoss(sigmoid="no"), "`sigmoid` must be True or False, got 'no'"),
    Call("Dice: softmax is a number", lambda: SoftDiceLoss(softmax=1), "`softmax` must be"),
    Call("Dice: background is a word", lambda: SoftDiceLoss(include_background="False"), "`include_background` must be True or False, got 'False'"),
    Call("Dice: batch is a word", lambda: SoftDiceLoss(batch="no"), "`batch` must be True or False, got 'no'"),
    Call("Dice: sparse prediction", lambda: SoftDiceLoss(softmax=True)(SCORES.to_sparse(), CLASSES), "`prediction` must be", DtypeError),
    Call("region-wise: map of NaN", lambda: region_wise_loss(SCORES, CLASSES, weight_map=with_value(SCORES, np.nan)), "`weight_map` must be finite, got nan"),
    Call("region-wise: prediction of NaN", lambda: region_wise_loss(with_value(SCORES, np.nan), CLASSES), "`prediction` must be finite, got nan"),
    Call("boundary: prediction of NaN", lambda: BoundaryLoss()(with_value(SCORES, np.nan), CLASSES), "`prediction` must be finite, got nan"),
    Call("Hausdorff: prediction of infinity", lambda: HausdorffDTLoss()(with_value(SCORES, np.inf), CLASSES), "`prediction` must be finite, got inf"),
    Call("active contour: prediction of NaN", lambda: ActiveContourLoss()(with_value(SCORES, np.nan), CLASSES), "`prediction` must be finite, got nan"),
    Call("boundary: spacing is a word", lambda: BoundaryLoss(spacing="ab"), "`spacing` must hold numbers", DtypeError),
    Call("boundary: spacing of NaN", lambda: BoundaryLoss(spacing=(float("nan"), 1)), "`spacing` must be positive and finite"),
    Call("Hausdorff: negative spacing", lambda: HausdorffDTLoss(spacing=(-1, 2)), "`spacing` must be positive and finite, got (-1, 2)"),
    Call("Hausdorff: both_sides is a word", lambda: HausdorffDTLoss(both_sides="no"), "`both_sides` must be True or False, got 'no'"),
    Call("combined: all weights 0", lambda: CombinedLoss(BOTH, [0.0, 0.0]), "`weights` must"),
    Call("combined: a loss named keys", lambda: CombinedLoss({"keys": BOTH[0]}), "keys"),
    Call("schedule: no terms", lambda: Equal(0), "`n_terms` must be"),
    Call("combined: weights are words", lambda: CombinedLoss(BOTH, ["1", "2"]), "`weights` must"),
]  # fmt: skip
