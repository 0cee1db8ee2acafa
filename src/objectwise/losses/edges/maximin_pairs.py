"""The maximin loss of sampled pairs: what MALIS weighs all pairs for, drawn at random."""

from __future__ import annotations

import torch
from torch import Generator, Tensor, nn

from objectwise.graph import Neighborhood, Offsets
from objectwise.losses.edges.batch import EdgeBatch, reduced
from objectwise.losses.edges.options import (
    ADVICE,
    DEFAULT_PAIRS,
    DEFAULT_SAME_FRACTION,
    PairOptions,
    shown,
)
from objectwise.losses.edges.pair_sampling import PairSample, check_generator, draw_pairs, sample_pairs
from objectwise.losses.inputs import LogitsWatch, wide_dtype


def maximin_pair_loss(
    prediction: Tensor,
    labels: Tensor,
    offsets: Offsets,
    *,
    n_pairs: int = DEFAULT_PAIRS,
    same_fraction: float | None = DEFAULT_SAME_FRACTION,
    generator: Generator | None = None,
    from_logits: bool = True,
    edge_mask: Tensor | None = None,
    unlabelled: Tensor | None = None,
    edge_loss: str = "squared",
    margin: float | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Return the mean loss of the maximin edges of random pairs of voxels.

    A pair of one object wants its maximin edge, the weakest edge on its best path, high; a pair of two
    objects wants it low.

    Parameters
    ----------
    prediction : (n, k, *spatial) float, any device
        Logits, or affinities in 0..1 with `from_logits` False. Half precision is widened; the loss is float32
        (float64 for float64), also under autocast.
    labels : (n, *spatial) integer, on the device of `prediction`
        0 is background, whose voxels make no pair; paths may lead through it.
    offsets : Neighborhood or (k, ndim) int, voxels
    n_pairs : int
        Pairs to draw in each sample, with replacement.
    same_fraction : float in 0..1, optional
        Share of pairs of one object, half by default; where it makes no whole number of pairs, that is
        rounded up or down at random. None draws from all pairs alike, whatever their class.
    generator : torch.Generator on the CPU, optional
        Source of the pairs, PyTorch's own by default. Each call advances it, by an amount that depends on
        the labels: a generator in the same state gives the same pairs, and `generator.get_state()` is all
        there is to save in order to continue.
    from_logits : bool
        The forest is built on the logits themselves, so predictions that saturate at 1.0 keep their order. A
        warning says if all logits lie in 0..1, as after a sigmoid.
    edge_mask : (n, k, *spatial) bool, optional
        False where the truth of an edge is unknown. It keeps its prediction in the forest, and a pair that it
        decides costs 0.
    unlabelled : (n, *spatial) bool, optional
        True for voxels known to lie outside every labelled object and not resolved into objects themselves;
        their label must be 0. They make pairs of two objects with the labelled voxels and none among
        themselves; edges between two of them are unknown.
    edge_loss, margin
        As in `malis_loss`.
    reduction : "mean", "sum" or "none"
        Over the samples of the batch; "none" returns one number per sample. A sample of which no edge is
        known is as if it were not in the batch: it costs 0, and does not count in the mean.

    Returns
    -------
    Tensor
        Scalar, or (n,) with `reduction` "none". Differentiable with respect to `prediction`; the pairs and
        their edges are constants. The sum of costs is divided by `n_pairs`: a class without a pair in the
        patch, and a pair that no path joins or an unknown edge decides, cost 0. Background alone gives 0 with
        a zero gradient.

    Raises
    ------
    DtypeError, ShapeError, ArgumentError, DeviceError
        Before any work, if the inputs do not fit each other, a prediction is not finite or (without
        `from_logits`) not in 0..1, or an option is out of range or has no effect.

    Notes
    -----
    Where the graph is connected and nothing is masked, the expectation is half of `malis_loss` with
    `constrained` False and `positive_weight` equal to `same_fraction`, and with `same_fraction` None the
    whole of it with `normalization` "pairs". With masks it is smaller by the share of pairs that unknown
    edges decide, which `malis_loss` leaves out of its mean. That loss costs one forest too and has no noise;
    this one is the original.

    References
    ----------
    Turaga, Briggman, Helmstaedter, Denk, Seung: "Maximin affinity learning of image segmentation", 2009.
    There one pair is drawn for each step of the optimiser.

    Examples
    --------
    All pairs of two objects share the edge of affinity 0.4.

    >>> chain = torch.tensor([[[[0.0, 0.9, 0.4, 0.8]]]])
    >>> labels = torch.tensor([[[1, 1, 2, 2]]])
    >>> maximin_pair_loss(chain, labels, [[0, -1]], same_fraction=0.0, from_logits=False)
    tensor(0.1600)
    """
    options = PairOptions(
        n_pairs=n_pairs,
        same_fraction=same_fraction,
        from_logits=from_logits,
        edge_loss=edge_loss,
        margin=margin,
        reduction=reduction,
    )
    check_generator(generator)
    loss: Tensor = _loss_of(
        prediction, labels, offsets, options, generator=generator, edge_mask=edge_mask, unlabelled=unlabelled
    )
    if from_logits:
        LogitsWatch().look(prediction, advice=ADVICE)
    return loss


@torch.compiler.disable  # type: ignore[untyped-decorator]  # Numba: a compiled model calls it as it is
def _loss_of(
    prediction: Tensor,
    labels: Tensor,
    offsets: Offsets,
    options: PairOptions,
    *,
    generator: Generator | None,
    edge_mask: Tensor | None,
    unlabelled: Tensor | None,
) -> Tensor:
    """Return the loss."""
    batch = EdgeBatch.of(
        prediction,
        labels,
        offsets,
        from_logits=options.from_logits,
        edge_mask=edge_mask,
        unlabelled=unlabelled,
    )
    pairs = draw_pairs(batch, options, generator, prediction.device)
    with torch.autocast(prediction.device.type, enabled=False):
        none = pairs.edges < 0
        edges = prediction.to(wide_dtype(prediction)).flatten(1).gather(1, pairs.edges.clamp_min(0))
        edges = edges.masked_fill(none, 0.5)  # edge 0 may leave the volume, and anything may stand there
        high = options.cost(edges, target=1, from_logits=options.from_logits)
        low = options.cost(edges, target=0, from_logits=options.from_logits)
        samples = torch.where(pairs.same, high, low).masked_fill(none, 0).mean(1)
    return reduced(samples, [batch.knows(i) for i in range(len(batch))], options.reduction)


class MaximinPairLoss(nn.Module):
    """`maximin_pair_loss` with its options held.

    Parameters
    ----------
    offsets : Neighborhood or (k, ndim) int, voxels
    n_pairs, same_fraction, generator, from_logits, edge_loss, margin, reduction
        As in `maximin_pair_loss`. The generator is held, not copied; its state is no part of `state_dict`.

    Raises
    ------
    DtypeError, ArgumentError, DeviceError
        If an option is out of its range or has no effect.
    """

    def __init__(
        self,
        offsets: Offsets,
        *,
        n_pairs: int = DEFAULT_PAIRS,
        same_fraction: float | None = DEFAULT_SAME_FRACTION,
        generator: Generator | None = None,
        from_logits: bool = True,
        edge_loss: str = "squared",
        margin: float | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__()
        self.neighborhood = offsets if isinstance(offsets, Neighborhood) else Neighborhood(offsets)
        check_generator(generator)
        self.generator = generator
        self.options = PairOptions(
            n_pairs=n_pairs,
            same_fraction=same_fraction,
            from_logits=from_logits,
            edge_loss=edge_loss,
            margin=margin,
            reduction=reduction,
        )
        self._watch = LogitsWatch()

    def forward(
        self,
        prediction: Tensor,
        labels: Tensor,
        *,
        edge_mask: Tensor | None = None,
        unlabelled: Tensor | None = None,
    ) -> Tensor:
        """Return the loss of `prediction` (n, k, *spatial) against `labels` (n, *spatial)."""
        loss: Tensor = _loss_of(
            prediction,
            labels,
            self.neighborhood,
            self.options,
            generator=self.generator,
            edge_mask=edge_mask,
            unlabelled=unlabelled,
        )
        if self.options.from_logits:
            self._watch.look(prediction, advice=ADVICE)
        return loss

    def pairs(
        self,
        prediction: Tensor,
        labels: Tensor,
        *,
        edge_mask: Tensor | None = None,
        unlabelled: Tensor | None = None,
    ) -> PairSample:
        """Draw the pairs that the next loss would use, to look at; this advances the generator as well."""
        pairs: PairSample = sample_pairs(
            prediction,
            labels,
            self.neighborhood,
            n_pairs=self.options.n_pairs,
            same_fraction=self.options.same_fraction,
            generator=self.generator,
            from_logits=self.options.from_logits,
            edge_mask=edge_mask,
            unlabelled=unlabelled,
        )
        return pairs

    def extra_repr(self) -> str:
        """Show the options."""
        return shown(self.neighborhood, self.options)
