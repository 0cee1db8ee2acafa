"""A data set whose samples carry the maps of their labels, made by the workers that load them."""

from __future__ import annotations

from collections.abc import Callable, MutableMapping, Sequence
from typing import Any

from torch.utils.data import Dataset

from objectwise.errors import ArgumentError


class MapDataset(Dataset[Any]):
    """The samples of another data set, and with each the map of its labels.

    Parameters
    ----------
    dataset : map-style data set
        Its samples are dictionaries, or sequences such as (image, labels).
    make_map : callable
        From the labels of a sample to its map: a function of `objectwise.maps` with its options bound
        (`functools.partial`), or a `MapCache`, which makes each map once.
    labels : str or int
        Key or position of the labels in a sample.
    name : str
        Key of the map in a dictionary; in a sequence it comes last.
    transform : callable, optional
        From a sample with its map to another: random crops and flips, which must treat image, labels and map
        alike. What that means for the map: `docs/regions.md`.

    Raises
    ------
    ArgumentError
        If `make_map` or `transform` is no function; when a sample has no such labels, or has the name of the
        map already.

    Examples
    --------
    >>> from functools import partial
    >>> import numpy as np
    >>> from objectwise.maps import signed_distance_map
    >>> pairs = [(np.zeros((4, 4)), np.eye(4, dtype=int))]
    >>> image, labels, weight_map = MapDataset(pairs, partial(signed_distance_map, n_classes=2))[0]
    >>> weight_map.shape
    (2, 4, 4)
    """

    def __init__(
        self,
        dataset: Any,
        make_map: Callable[[Any], Any],
        *,
        labels: str | int = 1,
        name: str = "weight_map",
        transform: Callable[[Any], Any] | None = None,
    ) -> None:
        if not callable(make_map):
            raise ArgumentError(f"`make_map` must be a function of labels, got {make_map!r}")
        if transform is not None and not callable(transform):
            raise ArgumentError(f"`transform` must be a function of a sample, got {transform!r}")
        if isinstance(labels, bool) or not isinstance(labels, int | str):
            raise ArgumentError(f"`labels` must be a key or a position, got {labels!r}")
        self.dataset = dataset
        self.make_map = make_map
        self.labels = labels
        self.name = name
        self.transform = transform

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> Any:
        """Return a sample with its map."""
        sample = self._with_map(self.dataset[index])
        return sample if self.transform is None else self.transform(sample)

    def _with_map(self, sample: Any) -> Any:
        if isinstance(sample, MutableMapping):
            if self.labels not in sample:
                raise ArgumentError(f"`labels` must be a key of a sample {list(sample)}, got {self.labels!r}")
            if self.name in sample:
                raise ArgumentError(f"`name` must be a new key of a sample, got {self.name!r}")
            return {**sample, self.name: self.make_map(sample[self.labels])}
        if not isinstance(sample, Sequence):
            raise ArgumentError(
                f"`dataset` must have dictionaries or sequences as samples, got {type(sample).__name__}"
            )
        if not isinstance(self.labels, int) or not -len(sample) <= self.labels < len(sample):
            raise ArgumentError(
                f"`labels` must be a position in a sample of {len(sample)}, got {self.labels!r}"
            )
        return (*sample, self.make_map(sample[self.labels]))
