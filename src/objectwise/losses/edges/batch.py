"""A batch of tensors as checked arrays on the host, where the structure of a loss on edges is found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from objectwise.checks import check_labels, check_unlabelled
from objectwise.graph import Offsets, offsets_array
from objectwise.losses.inputs import check_edge_prediction, check_masks, on_host, values_of


@dataclass(frozen=True)
class EdgeBatch:
    """What a loss on edges was given; each field has the samples in front."""

    values: NDArray[Any]
    """(n, k, *spatial) float32 or float64."""
    labels: NDArray[Any]
    """(n, *spatial)"""
    edge_mask: NDArray[np.bool_] | None
    unlabelled: NDArray[np.bool_] | None
    offsets: NDArray[np.int64]

    @classmethod
    def of(
        cls,
        prediction: Tensor,
        labels: Tensor,
        offsets: Offsets,
        *,
        from_logits: bool,
        edge_mask: Tensor | None,
        unlabelled: Tensor | None,
    ) -> EdgeBatch:
        """Check the tensors and take them to the host; the gradient goes another way."""
        check_edge_prediction(prediction, labels, offsets)
        check_masks(prediction, labels, edge_mask=edge_mask, unlabelled=unlabelled)
        values, ids = values_of(prediction, from_logits=from_logits), check_labels(on_host(labels))
        known, outside = (None if mask is None else on_host(mask) for mask in (edge_mask, unlabelled))
        if outside is not None:
            check_unlabelled(outside, ids)
        return cls(values, ids, known, outside, offsets_array(offsets))

    def sample(self, i: int) -> tuple[Any, ...]:
        """Return the arguments of `edge_pair_counts` for one sample."""
        masks = (None if mask is None else mask[i] for mask in (self.edge_mask, self.unlabelled))
        return self.values[i], self.labels[i], self.offsets, *masks

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.values)
