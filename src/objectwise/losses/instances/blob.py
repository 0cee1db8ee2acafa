"""The blob loss: every true object against all of the background."""

from __future__ import annotations

from types import MappingProxyType

from torch import Tensor

from objectwise.losses.instances.cell_sums import cell_sums
from objectwise.losses.instances.crops import losses_of
from objectwise.losses.instances.inputs import Foreground
from objectwise.losses.instances.region_loss import RegionLoss, RegionTerms
from objectwise.losses.instances.regions import (
    Partition,
    RegionCuts,
    blob_partition,
    blob_segments,
    volume_segments,
)
from objectwise.losses.instances.rows import Rows, mean_over


class BlobLoss(RegionLoss):
    """The blob loss of Kofler et al. 2022.

    The segment of a true object is the whole volume without the other true objects: every false positive,
    wherever it lies, counts against every object.

    Parameters
    ----------
    activation, include_background, pixel_loss, instance_loss, connectivity, minimum_size, over, reduction
        As in `InstanceLoss`; `over` is "data" by default: the mean over volumes of the mean over objects, as
        published.
    weights : mapping of `pixel` and `instances` to float, optional
        2 and 1 by default, the paper's.

    Notes
    -----
    A volume without true objects has the pixel term only.

    References
    ----------
    Kofler et al., "blob loss: instance imbalance aware loss functions for semantic segmentation", 2022.
    """

    _weights = MappingProxyType({"pixel": 2.0, "instances": 1.0})

    def _partition(self, inputs: Foreground, instances: Tensor | None, regions: Tensor | None) -> Partition:
        return blob_partition(inputs, instances, self.connectivity)

    def _of_partition(self, inputs: Foreground, partition: Partition) -> RegionTerms:
        sums = cell_sums(
            inputs.values,
            partition.cells,
            2 * partition.n_regions,
            from_logits=inputs.from_logits,
            logarithms=self._logarithms(empty=None),
        )
        cuts = RegionCuts(inputs, partition)
        whole = volume_segments(partition, sums)
        blobs = blob_segments(partition, sums, self.minimum_size)
        rows = Rows(losses_of(self.instance_loss, blobs, cuts, "blob"), blobs.volume).only(blobs.counts)
        reduced = rows.reduced(whole.counts, self.over, self.reduction)
        pixel = mean_over(losses_of(self.pixel_loss, whole, cuts, "whole"), whole.counts)
        return RegionTerms(pixel.to(inputs.values.dtype), reduced.to(inputs.values.dtype))
