"""What a truth is: ids of objects, classes or a mask; and how its objects lie."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from objectwise.maps import connected_components
from objectwise.workflow.proposal.survey import Sample
from objectwise.workflow.proposal.words import CLASSES, IDS, says

MOST_CLASSES = 32
"""More numbers than this are ids."""
PIECES_OF_IDS = 1.25
"""In a section an object is one piece, rarely two; a class has as many pieces as there are of it."""
NEAR = 4
"""Pixels along y or x, within which objects touch: between them is a membrane, or nothing."""
MOST_LOOKED_AT = 64
"""Numbers of a section whose pieces are counted."""


@dataclass(frozen=True)
class Truth:
    """What was seen in the sections that were read.

    Parameters
    ----------
    kind : "ids", "classes", "mask" or "unseen"
    values : the numbers other than 0, in order
    because : why it is taken for that, a part of a sentence
    covered : fraction of the sections that is no background
    touching : fraction of objects near another one
    continuing : fraction of ids that are in the next section too, in the same place; None without a next one
    """

    kind: Literal["ids", "classes", "mask", "unseen"]
    values: tuple[int, ...]
    because: str
    covered: float = 0.0
    touching: float = 0.0
    continuing: float | None = None


def look_at(samples: Sequence[Sample], *, name: str, classes: Sequence[str] | None = None) -> Truth:
    """Say what a truth is.

    Parameters
    ----------
    samples : some of its sections, by case
    name : of its file, folder or data set
    classes : names of the labels, where dataset.json has them
    """
    sets = [set(map(int, np.unique(sample.sections))) - {0} for sample in samples]
    values = tuple(sorted(set.union(*sets)))
    covered = float(np.mean([(sample.sections != 0).mean() for sample in samples]))
    if classes is not None:
        return Truth("classes", tuple(range(1, len(classes))), "dataset.json names its labels", covered)
    if not values:
        return Truth("unseen", (), "the sections looked at hold 0 only")
    if len(values) == 1:
        return Truth("mask", values, f"its only number beside 0 is {values[0]}", covered)
    kind, because = _kind(samples, sets, values, name)
    if kind == "classes":
        return Truth("classes", values, because, covered)
    return Truth("ids", values, because, covered, _touching(samples), _continuing(samples))


def _kind(
    samples: Sequence[Sample], sets: Sequence[set[int]], values: Sequence[int], name: str
) -> tuple[Literal["ids", "classes"], str]:
    if len(values) > MOST_CLASSES:
        return "ids", f"it has {len(values)} numbers in the sections looked at"
    if says(name, CLASSES):
        return "classes", f"its name is {name}"
    pieces = float(np.mean([count for sample in samples for count in _pieces(sample.sections)]))
    several = [one for one in sets if one]
    if pieces > PIECES_OF_IDS:
        return "classes", f"each of its {len(values)} numbers has {pieces:.1f} pieces in a section"
    if says(name, IDS):
        return "ids", f"its name is {name}, and a number is one piece in a section"
    if len(several) > 1 and all(one == several[0] for one in several):
        return "classes", f"all cases have the same {len(values)} numbers"
    return "ids", f"each of its {len(values)} numbers is one piece in a section"


def _pieces(sections: NDArray[Any]) -> Iterator[int]:
    """Yield in how many pieces each number of each section is."""
    for section in sections:
        for value in np.unique(section[section != 0])[:MOST_LOOKED_AT]:
            yield int(connected_components(section == value).max())


def _touching(samples: Sequence[Sample]) -> float:
    """Return the fraction of objects of the sections that have another one near, along y or x."""
    near = total = 0
    for sample in samples:
        for section in sample.sections:
            touched: set[int] = set()
            for axis in (0, 1):
                along = np.moveaxis(section, axis, 0)
                for distance in range(1, min(NEAR, len(along) - 1) + 1):
                    first, second = along[:-distance], along[distance:]
                    pairs = (first != second) & (first != 0) & (second != 0)
                    touched.update(first[pairs].tolist(), second[pairs].tolist())
            near += len(touched)
            total += len(np.unique(section[section != 0]))
    return near / total if total else 0.0


def _continuing(samples: Sequence[Sample]) -> float | None:
    """Return the fraction of ids whose place in the next section has the same id somewhere."""
    same = total = 0
    for sample in samples:
        for at, follows in enumerate(sample.follows):
            if follows:
                first, second = sample.sections[at], sample.sections[at + 1]
                total += len(np.unique(first[first != 0]))
                same += len(np.unique(first[(first != 0) & (first == second)]))
    return same / total if total else None
