"""Which file of images goes with which file of truth, by their names."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from objectwise.data.formats.common import FILES
from objectwise.workflow.proposal.words import LABELS, says

_AFTER = re.compile(r"[^A-Za-z0-9]+|(?<=[A-Za-z])(?=[0-9])")
"""Where a prefix may end: after a separator, and before a number."""
_BEFORE = re.compile(r"[^A-Za-z0-9]+|(?<=[0-9])(?=[A-Za-z])")
"""Where a suffix may begin."""
Affix = tuple[str, str]
"""What stands before and after the name of a case."""


class Pairing(NamedTuple):
    """Names of files that belong together, `*` being the name of the case."""

    raw: tuple[str, ...]
    """A pattern for each channel."""
    truth: str
    n_cases: int
    """How many have all channels and a truth."""


def extension_of(path: Path) -> str | None:
    """Return the extension as the file has it, if it is one of a volume; hidden files are none."""
    name = path.name
    known = [len(end) for end in FILES if name.lower().endswith(end)]
    return name[-max(known) :] if known and not name.startswith(".") else None


def images_in(folder: Path) -> list[str]:
    """Return the names of the files of a folder that hold a volume, in order."""
    return sorted(path.name for path in folder.iterdir() if extension_of(path) and path.is_file())


def pair(images: Sequence[str], truths: Sequence[str]) -> Pairing | None:
    """Pair names such as `a.png` and `a_mask.png`, or `a_t1.nii.gz`, `a_flair.nii.gz` and `a_seg.nii.gz`.

    Of all ways to cut the name of a case out of the names, the one with most cases is taken, then the one
    that cuts off least. None if there is none.
    """
    stems, ending = _of_one_kind(images)
    truth_stems, truth_ending = _of_one_kind(truths)
    best: tuple[int, int, Pairing] | None = None
    for before, after in _affixes(truth_stems[0]):
        cases = {
            stem[len(before) : len(stem) - len(after)]
            for stem in truth_stems
            if stem.startswith(before) and stem.endswith(after) and len(stem) >= len(before + after)
        }
        if len(stems) > 1 or len(truth_stems) > 1:
            cases.discard("")
        n_cases, channels = _channels(stems, cases)
        rank = (n_cases, -len(before + after))
        if n_cases and (best is None or rank > best[:2]):
            raw = tuple(f"{first}*{last}{ending}" for first, last in channels)
            best = (*rank, Pairing(raw, f"{before}*{after}{truth_ending}", n_cases))
    return None if best is None else best[2]


def _of_one_kind(names: Iterable[str]) -> tuple[list[str], str]:
    """Return the names without their extension, of those that have the most frequent one."""
    by_ending = {name: extension_of(Path(name)) or "" for name in names}
    ending = Counter(by_ending.values()).most_common(1)[0][0]
    return [name[: len(name) - len(ending)] for name, own in by_ending.items() if own == ending], ending


def _affixes(stem: str) -> Iterator[Affix]:
    """Yield what may stand around the name of a case in the name of a truth, nothing among it."""
    yield "", ""
    ends, starts = _places(stem)
    for word in re.finditer(r"[A-Za-z]+", stem):
        if says(word[0], LABELS):
            # From the word on, or from one before it as well: case_mask, case_lesion_mask.
            yield from (("", stem[start:]) for start in starts if start <= word.start())
            yield from ((stem[:end], "") for end in ends if end >= word.end())


def _channels(stems: Sequence[str], cases: set[str]) -> tuple[int, list[Affix]]:
    """Return in how many cases the images have the most frequent affixes, and these."""
    of_case: dict[str, set[Affix]] = {}
    for stem in stems:
        cuts = [cut for cut in _cuts(stem) if stem[len(cut[0]) : len(stem) - len(cut[1])] in cases]
        if cuts:
            before, after = min(cuts, key=lambda cut: len(cut[0] + cut[1]))
            case = stem[len(before) : len(stem) - len(after)]
            of_case.setdefault(case, set()).add((before, after))
    counts = Counter(frozenset(one) for one in of_case.values())
    if not counts:
        return 0, []
    most, n_cases = max(counts.items(), key=lambda item: (item[1], sorted(item[0])))
    return n_cases, sorted(most)


def _cuts(stem: str) -> Iterator[Affix]:
    """Yield all ways to cut a name into a case and what stands around it; the case may be empty."""
    ends, starts = _places(stem)
    yield from ((stem[:end], stem[start:]) for end in (0, *ends) for start in starts if end <= start)


def _places(stem: str) -> tuple[list[int], list[int]]:
    """Return where a prefix may end and a suffix may begin; the whole name may be either."""
    ends = [*(at.end() for at in _AFTER.finditer(stem)), len(stem)]
    starts = [0, *(at.start() for at in _BEFORE.finditer(stem)), len(stem)]
    return ends, starts
