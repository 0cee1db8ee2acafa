"""One rule for raw intensities, fixed by the training, the same wherever its network goes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from objectwise.checks import check_choice, check_finite, check_not_empty, check_number
from objectwise.errors import ArgumentError, DtypeError, ShapeError

METHODS = ("auto", "range", "percentiles", "zscore")
PERCENTILES = (0.1, 99.9)
"""Where black and white lie when the dtype does not say: robust to a few hot or dead voxels."""

MAXIMUM_VOXELS = 1_000_000
"""Voxels that the percentiles are estimated from; enough for a thousand in each tail."""

FAR = 0.25
"""A volume lies far from the training with more than this fraction of its voxels outside of it."""
FLAT = 0.2
"""So does one that spans less than this fraction of its intensities."""


@dataclass(frozen=True)
class Normalisation:
    """How raw intensities become the input of a network.

    Parameters
    ----------
    method : "auto", "range", "percentiles" or "zscore"
        What it was made by; see `fit_normalisation`.
    low, high : float
        These intensities become 0 and 1; what lies outside is clipped.
    seen_low, seen_high : float
        The 0.1 and 99.9 percentile of the training volumes: what a new volume is compared with.
    mean, deviation : float, optional
        After clipping, the mean becomes 0 and the standard deviation 1 instead.
    each : (low, high) in 0..100, optional
        Every volume goes by its own intensities, with these percentiles; the numbers above are then those of
        all training volumes together, and only described by them.

    Raises
    ------
    ArgumentError
        If a number is not finite, the range does not ascend, or the deviation is not positive.
    """

    method: str
    low: float
    high: float
    seen_low: float
    seen_high: float
    mean: float | None = None
    deviation: float | None = None
    each: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        check_choice(self.method, METHODS, name="method")
        for name in ("low", "high", "seen_low", "seen_high", "mean", "deviation"):
            number = getattr(self, name)
            if number is None and name in ("mean", "deviation"):
                continue
            check_number(number, name=name)
            if not math.isfinite(number):
                raise ArgumentError(f"`{name}` must be finite, got {number}")
        if not (self.low < self.high and math.isfinite(self.high - self.low)):
            raise ArgumentError(f"`low` and `high` must ascend, got {self.low} and {self.high}")
        spread = self.deviation
        if (self.mean is None) != (spread is None) or (spread is not None and spread <= 0):
            raise ArgumentError(
                f"`deviation` must be positive beside a mean, got {spread} beside {self.mean}"
            )

        if self.each is not None:
            low, high = self.each
            object.__setattr__(self, "each", (float(low), float(high)))

    def of(self, raw: NDArray[Any]) -> Normalisation:
        """Return the normalisation of a whole volume: its own, or that of the training."""
        if self.each is None:
            return self
        return _fit([raw], method=self.method, percentiles=self.each)

    def __call__(self, raw: NDArray[Any]) -> NDArray[np.float32]:
        """Return what the network sees of (*spatial) raw intensities."""
        return self.finished(self.unit(raw))

    def unit(self, raw: NDArray[Any]) -> NDArray[np.float32]:
        """Return raw intensities as 0..1, where augmentation changes them."""
        return normalise_raw(raw, (self.low, self.high))

    def finished(self, unit: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return what the network sees of intensities in 0..1."""
        if self.mean is None or self.deviation is None:
            return unit
        scale, shift = (self.high - self.low) / self.deviation, (self.low - self.mean) / self.deviation
        return unit * np.float32(scale) + np.float32(shift)

    def as_plain(self) -> dict[str, Any]:
        """Return the fields as text and numbers, for a file."""
        plain = asdict(self) | {"each": None if self.each is None else list(self.each)}
        return {name: value for name, value in plain.items() if value is not None}

    @classmethod
    def from_plain(cls, content: Mapping[str, Any]) -> Self:
        """Return the normalisation that a file holds.

        Raises
        ------
        ArgumentError
            If it holds none.
        """
        try:
            return cls(**content)
        except TypeError as error:
            raise ArgumentError(f"`normalisation` must hold {cls.__name__}, got {dict(content)}") from error

    def distance(self, raw: NDArray[Any]) -> str | None:
        """Say how a volume lies far from those of the training, or return None.

        It does if more than a quarter of its voxels lie outside the range that the training has seen, or if
        it spans less than a fifth of that. Where each volume goes by its own intensities, none is far.
        """
        if self.each is not None:
            return None
        grid = _grid([raw])
        low, high = _percentiles(grid, PERCENTILES)
        outside = float(np.mean((grid < self.seen_low) | (grid > self.seen_high)))
        here, there = f"{low:.4g}..{high:.4g}", f"{self.seen_low:.4g}..{self.seen_high:.4g}"
        if outside > FAR:
            return f"{outside:.0%} of its intensities ({here}) lie outside those of the training ({there})"
        if high - low < FLAT * (self.seen_high - self.seen_low):
            return f"its intensities ({here}) span a small part of those of the training ({there})"
        return None


@dataclass(frozen=True)
class ChannelNormalisation:
    """A `Normalisation` for each channel of (channels, *spatial) intensities: colours and stains differ.

    Parameters
    ----------
    channels : tuple of Normalisation
        In the order of the channels.

    Raises
    ------
    ArgumentError
        If there is none.
    """

    channels: tuple[Normalisation, ...]

    def __post_init__(self) -> None:
        if not self.channels:
            raise ArgumentError("`channels` must hold a normalisation for each channel, got none")

    def of(self, raw: NDArray[Any]) -> ChannelNormalisation:
        """Return the normalisation of a whole volume: its own, or that of the training."""
        self._require_channels(raw)
        return ChannelNormalisation(
            tuple(one.of(channel) for one, channel in zip(self.channels, raw, strict=True))
        )

    def __call__(self, raw: NDArray[Any]) -> NDArray[np.float32]:
        """Return what the network sees of (channels, *spatial) raw intensities."""
        return self._by_channel(raw, Normalisation.__call__)

    def unit(self, raw: NDArray[Any]) -> NDArray[np.float32]:
        """Return raw intensities as 0..1, where augmentation changes them."""
        return self._by_channel(raw, Normalisation.unit)

    def finished(self, unit: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return what the network sees of intensities in 0..1."""
        return self._by_channel(unit, Normalisation.finished)

    def as_plain(self) -> dict[str, Any]:
        """Return the fields as text and numbers, for a file."""
        return {"channels": [one.as_plain() for one in self.channels]}

    def distance(self, raw: NDArray[Any]) -> str | None:
        """Say how a volume lies far from those of the training in its first such channel, or return None."""
        self._require_channels(raw)
        for index, (one, channel) in enumerate(zip(self.channels, raw, strict=True)):
            found = one.distance(channel)
            if found is not None:
                return f"in channel {index}, {found}"
        return None

    def _by_channel(
        self, raw: NDArray[Any], change: Callable[[Normalisation, NDArray[Any]], NDArray[np.float32]]
    ) -> NDArray[np.float32]:
        self._require_channels(raw)
        result = np.empty(raw.shape, np.float32)
        for one, channel, out in zip(self.channels, raw, result, strict=True):
            out[...] = change(one, channel)
        return result

    def _require_channels(self, raw: NDArray[Any]) -> None:
        if raw.ndim < 2 or len(raw) != len(self.channels):
            raise ShapeError(f"`raw` must have {len(self.channels)} channels in front, got shape {raw.shape}")


AnyNormalisation = Normalisation | ChannelNormalisation


def normalisation_from_plain(content: Mapping[str, Any]) -> AnyNormalisation:
    """Return the normalisation that a file holds, of one channel or of each.

    Raises
    ------
    ArgumentError
        If it holds none.
    """
    if "channels" not in content:
        return Normalisation.from_plain(content)
    channels = content["channels"]
    if len(content) > 1 or not isinstance(channels, list | tuple):
        raise ArgumentError(f"`normalisation` must hold channels alone, a list, got {dict(content)}")
    if not all(isinstance(one, Mapping) for one in channels):
        raise ArgumentError(f"`normalisation` must hold names and values for each channel, got {channels}")
    return ChannelNormalisation(tuple(map(Normalisation.from_plain, channels)))


def fit_normalisation(
    volumes: Sequence[NDArray[Any]],
    *,
    method: str = "auto",
    limits: tuple[float, float] | None = None,
    percentiles: tuple[float, float] = PERCENTILES,
    each: bool = False,
) -> AnyNormalisation:
    """Return the normalisation of the volumes of a training: one, or with several channels one for each.

    Parameters
    ----------
    volumes : (*spatial) or (channels, z, y, x) integer, bool or floating point, finite
        Shapes may differ, numbers of channels not. Percentiles, mean and deviation are estimated from about a
        million voxels of all of them on one regular grid: the same numbers every time.
    method : "auto", "range", "percentiles" or "zscore"
        `auto` takes the whole range of uint8 (0 to 255) and bool, and the percentiles of every other dtype:
        12 bits stored in 16, signed MRI or floating point of any unit say little about where the image lies.
        `range` takes `limits`, `percentiles` the percentiles. `zscore` clips to the percentiles, then takes
        the mean to 0 and the standard deviation to 1.
    limits : (low, high), optional
        Of the method `range`.
    percentiles : (low, high) in 0..100
        A constant image becomes black.
    each : bool
        Every volume goes by its own percentiles, mean and deviation, see `Normalisation.of`.

    Raises
    ------
    DtypeError, ShapeError, ArgumentError
        If an array is not numeric, is empty, or has no finite range; if `each` or `limits` do not belong to
        the method; or if uint8 (or bool) volumes stand beside others with `auto`: no one range suits them.
    """
    counts = {len(volume) if volume.ndim == 4 else 1 for volume in volumes}
    if len(counts) > 1:
        raise ShapeError(f"`volumes` must have one number of channels, got {sorted(counts)}")
    fit = partial(_fit, method=method, limits=limits, percentiles=percentiles, each=each)
    if counts <= {1}:
        return fit(volumes)
    return ChannelNormalisation(
        tuple(fit([volume[channel] for volume in volumes]) for channel in range(counts.pop()))
    )


def _fit(
    volumes: Sequence[NDArray[Any]],
    *,
    method: str = "auto",
    limits: tuple[float, float] | None = None,
    percentiles: tuple[float, float] = PERCENTILES,
    each: bool = False,
) -> Normalisation:
    """Return the one normalisation of all the voxels of volumes."""
    check_choice(method, METHODS, name="method")
    if (limits is None) == (method == "range"):
        raise ArgumentError(
            f"`limits` must be given with the method 'range' alone, got {limits} with {method!r}"
        )
    if each and method not in ("percentiles", "zscore"):
        raise ArgumentError(f"`each` must be left out with the method {method!r}, which is one for all")
    if not 0 <= percentiles[0] < percentiles[1] <= 100:
        raise ArgumentError(f"`percentiles` must ascend in 0..100, got {percentiles}")
    if method == "auto":
        limits = _whole_range(volumes)
    grid = _grid(volumes)
    seen_low, seen_high = _percentiles(grid, PERCENTILES)
    low, high = limits or _percentiles(grid, percentiles)
    if limits is None and low == high:
        high = low + max(1.0, 1e-9 * abs(low))
    mean = deviation = None
    if method == "zscore":
        clipped = np.clip(grid, low, high)
        mean, deviation = float(clipped.mean()), float(clipped.std()) or 1.0
    own = percentiles if each else None
    return Normalisation(method, float(low), float(high), seen_low, seen_high, mean, deviation, own)


def raw_range(raw: NDArray[Any]) -> tuple[float, float]:
    """Return the intensities that become 0 and 1 in the normalisation `auto` of a single volume.

    Parameters
    ----------
    raw : (*spatial) integer, bool or floating point, finite
        The whole volume: windows of one volume must share one range.

    Returns
    -------
    (low, high) float
        With low < high; a constant image becomes black.

    Raises
    ------
    DtypeError, ShapeError, ArgumentError
        If the array is not numeric, is empty, or has no finite range.
    """
    fitted = _fit([raw])
    return (fitted.low, fitted.high)


def normalise_raw(
    raw: NDArray[Any], intensity_range: tuple[float, float] | None = None
) -> NDArray[np.float32]:
    """Map raw intensities to float32 in 0..1; what lies outside the range is clipped.

    Parameters
    ----------
    raw : (*spatial) integer, bool or floating point
    intensity_range : (low, high), optional
        `raw_range` of the whole volume when `raw` is a part of it; by default that of `raw` itself.

    Returns
    -------
    (*spatial) float32
    """
    low, high = raw_range(raw) if intensity_range is None else intensity_range
    if not low < high:
        raise ArgumentError(f"`intensity_range` must ascend, got {(low, high)}")
    result = np.empty(raw.shape, np.float32)
    for section, out in zip(np.atleast_2d(raw), np.atleast_2d(result), strict=True):
        # float64 between: float32 would round large offsets (an int32 image around 2^30) to a staircase.
        # Section by section: the temporary stays small beside the volume.
        scaled = (section.astype(np.float64) - low) / (high - low)
        check_finite(scaled, name="raw")
        out[...] = np.clip(scaled, 0, 1)
    return result


def _whole_range(volumes: Sequence[NDArray[Any]]) -> tuple[float, float] | None:
    """Return the range of a dtype that says where the image lies, or None."""
    ranges = {np.dtype(np.uint8): (0.0, 255.0), np.dtype(np.bool_): (0.0, 1.0)}
    found = {ranges.get(volume.dtype) for volume in volumes}
    if len(found) > 1:
        dtypes = sorted({str(volume.dtype) for volume in volumes})
        raise ArgumentError(
            f"`volumes` must have one range of intensities to be normalised by, got the dtypes {dtypes}; "
            "convert them, or choose another `normalisation` than auto"
        )
    return found.pop() if found else None


def _grid(volumes: Sequence[NDArray[Any]]) -> NDArray[np.float64]:
    """Return about a million voxels of all volumes, taken at equal distances."""
    for raw in volumes:
        if raw.dtype.kind not in "biuf":
            raise DtypeError(f"`raw` must hold integers or floating point numbers, got dtype {raw.dtype}")
        check_not_empty(raw, name="raw")
    if not volumes:
        raise ArgumentError("`volumes` must hold at least one volume, got none")
    total, ndim = sum(raw.size for raw in volumes), max(1, *(_spatial_axes(raw) for raw in volumes))
    step = slice(None, None, max(1, int(np.ceil((total / MAXIMUM_VOXELS) ** (1 / ndim)))))
    taken: list[Any] = [(..., *(step,) * _spatial_axes(raw)) for raw in volumes]
    grid = np.concatenate(
        [raw[index].astype(np.float64).ravel() for raw, index in zip(volumes, taken, strict=True)]
    )
    check_finite(grid, name="raw")
    return grid


def _spatial_axes(raw: NDArray[Any]) -> int:
    return min(raw.ndim, 3)  # of four axes the first are channels, none of which is left out


def _percentiles(grid: NDArray[np.float64], percentiles: tuple[float, float]) -> tuple[float, float]:
    low, high = (float(value) for value in np.percentile(grid, percentiles))
    return low, high
