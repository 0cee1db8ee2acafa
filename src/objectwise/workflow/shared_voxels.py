"""Voxels that a run scores although it has learnt from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from objectwise.config.volumes import VolumeConfig
from objectwise.errors import ArgumentError
from objectwise.pipeline.stacks import Sections
from objectwise.workflow.job import Job
from objectwise.workflow.preflight import Problems

Digests = Mapping[str, str | None]
"""Of the content of inputs, by their name."""


@dataclass(frozen=True)
class Voxels:
    """The raw voxels of one volume of a run.

    Parameters
    ----------
    place : str
        Location, the same from every working directory.
    sections : (int, int), optional
        All by default.
    digest : str, optional
        Of their content; None where that is not known.
    section_digests : of the content of each section; empty where that is not known
        Empty text for a section of a single value, which any volume may have.
    """

    place: str
    sections: Sections | None = None
    digest: str | None = None
    section_digests: Sequence[str] = ()

    def shared_with(self, other: Voxels) -> str | None:
        """Say which voxels both hold, or None: by place, or by content wherever it lies."""
        if self.place == other.place and (both := _cut(self.sections, other.sections)):
            return f"{both} of {self.place} in both"
        if self.digest is not None and self.digest == other.digest:
            return f"the same voxels in {self.place} and {other.place}"
        first, theirs = self.sections[0] if self.sections else 0, set(other.section_digests) - {""}
        equal = [first + z for z, digest in enumerate(self.section_digests) if digest in theirs]
        if not equal:
            return None
        which = (
            f"section {equal[0]}" if len(equal) == 1 else f"{len(equal)} sections (the first is {equal[0]})"
        )
        return f"{which} of {self.place} also in {other.place}"


def refuse_training_data(job: Job, digests: Digests, problems: Problems) -> None:
    """Refuse volumes to evaluate that the run has learnt from, unless the configuration says it is meant."""
    if job.config.evaluation.allow_training_data:
        return
    data = job.config.data
    for volume in data.evaluate:
        for other in (*data.train, *data.tune) if volume.has_truth else ():
            words = _voxels(job, volume, digests).shared_with(_voxels(job, other, digests))
            with problems.at(job.raw(volume)[0].key):
                if words is not None:
                    raise ArgumentError(
                        f"must hold no voxels of {job.raw(other)[0].key}, got {words}; evaluate others, or "
                        "set evaluation.allow_training_data=true to score what was learnt by heart"
                    )


def learnt_from(job: Job, volume: VolumeConfig, digests: Digests) -> str:
    """Say in sentences what the run has learnt from the voxels of a volume; nothing where it has not."""
    groups = {
        "The network was trained": job.config.data.train,
        "Its weights were chosen": job.validated if job.config.prediction.weights == "best" else (),
        "The threshold was chosen": job.swept,
    }
    sentences = []
    for event, others in groups.items():
        for other in others:
            words = _voxels(job, volume, digests).shared_with(_voxels(job, other, digests))
            if words is not None:
                sentences.append(
                    f"{event} on it." if other == volume else f"{event} on voxels of it ({words})."
                )
    return " ".join(sentences)


def _voxels(job: Job, volume: VolumeConfig, digests: Digests) -> Voxels:
    raw = job.raw(volume)[0]
    digest = digests.get(raw.name)
    return Voxels(raw.where()["place"], volume.sections, digest, job.digests.sections_of(digest))


def _cut(one: Sections | None, other: Sections | None) -> str:
    """Name the sections that both ranges hold, or return nothing."""
    ranges = [sections for sections in (one, other) if sections is not None]
    if not ranges:
        return "all sections"
    first, stop = max(low for low, _ in ranges), min(high for _, high in ranges)
    if first >= stop:
        return ""
    return f"section {first}" if first + 1 == stop else f"sections {first} to {stop - 1}"
