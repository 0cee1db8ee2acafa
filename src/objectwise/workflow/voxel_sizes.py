"""Whether the voxels of a run have one size: a network knows objects as large as it has learnt them."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence

from objectwise.config.volumes import VolumeConfig
from objectwise.errors import ArgumentError, ObjectwiseError, ObjectwiseWarning
from objectwise.workflow.job import Job
from objectwise.workflow.preflight import Problems

WARNED, REFUSED = 1.1, 2.0
"""The factor between two voxel sizes, along any axis, above which it is mentioned or not accepted."""
_ROUNDING = 1e-6
_AXES = ("z", "y", "x")


def check_voxel_sizes(job: Job, volumes: Iterable[VolumeConfig], problems: Problems) -> None:
    """Compare voxel sizes with that of the training: warn above a tenth, refuse above a factor of 2.

    What cannot be read is a problem of others, and not compared.
    """
    known = _learnt_size(job)
    if known is None:
        return
    name, reference = known
    for volume in volumes:
        key = job.raw(volume)[0].key
        size = _size_of(job, volume)
        if key == name or size is None:
            continue
        with problems.at(key):
            allowed = job.config.data.allow_different_voxel_sizes
            sentence = voxel_size_warning(size, reference, of=name, allowed=allowed)
            if sentence is not None:
                warnings.warn(f"{key}: {sentence}", ObjectwiseWarning, stacklevel=2)


def _learnt_size(job: Job) -> tuple[str, Sequence[float]] | None:
    """Return the first size that a training volume states; of volumes out of reach, that in network.pt."""
    sizes = {job.raw(volume)[0].key: _size_of(job, volume) for volume in job.config.data.train}
    known = [(key, size) for key, size in sizes.items() if size is not None]
    if known or not job.directory.network.is_file():
        return next(((key, size) for key, size in known if states_size(size)), None)
    from objectwise.networks import load_network

    record = load_network(job.directory.network).record
    return None if record is None else ("the training", record.voxel_size[-job.config.dimensions :])


def _size_of(job: Job, volume: VolumeConfig) -> Sequence[float] | None:
    """Return the size along the axes that count: a stack of images has none along z."""
    if volume.voxel_size is not None:
        return volume.voxel_size[-job.config.dimensions :]
    try:
        return job.raw(volume)[0].describe().voxel_size[-job.config.dimensions :]
    except ObjectwiseError:
        return None


def states_size(voxel_size: Sequence[float]) -> bool:
    """Say whether a voxel size was stated: 1 along every axis stands for none, as in `check_pair`."""
    return any(size != 1 for size in voxel_size)


def voxel_size_warning(
    voxel_size: Sequence[float], reference: Sequence[float], *, of: str, allowed: bool
) -> str | None:
    """Compare the voxel size of a volume with that of another.

    Parameters
    ----------
    voxel_size, reference : one positive number per axis, the last ones of z, y, x
    of : str
        Name of the reference, for people.
    allowed : bool
        Whether any factor is accepted, with a warning.

    Returns
    -------
    str or None
        A sentence where they differ by more than a tenth; None where they do not, or one is not stated.

    Raises
    ------
    ArgumentError
        If they differ by more than a factor of 2, and that is not allowed.
    """
    if not (states_size(voxel_size) and states_size(reference)):
        return None
    factors = [max(one / other, other / one) for one, other in zip(voxel_size, reference, strict=True)]
    worst = max(factors)
    if worst <= WARNED + _ROUNDING:
        return None
    axis = _AXES[-len(factors) :][factors.index(worst)]
    sizes = f"{_text(voxel_size)} against {_text(reference)}, a factor of {worst:.3g} along {axis}"
    if worst > REFUSED + _ROUNDING and not allowed:
        raise ArgumentError(
            f"`voxel_size` must be that of {of} within a factor of {REFUSED:g}, got {sizes}; "
            "resample the volume, or set data.allow_different_voxel_sizes=true"
        )
    return f"voxel size differs from that of {of}: {sizes}"


def _text(voxel_size: Sequence[float]) -> str:
    return "(" + ", ".join(f"{size:g}" for size in voxel_size) + ")"
