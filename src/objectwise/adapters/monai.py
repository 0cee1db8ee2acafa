"""Region-wise maps in MONAI's dictionary transforms; importing this imports MONAI."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from objectwise import maps
from objectwise.checks import check_options, check_some_spacing
from objectwise.errors import ArgumentError, DtypeError, needs_extra

with needs_extra("objectwise.adapters.monai"):
    from monai.config.type_definitions import KeysCollection
    from monai.data.meta_tensor import MetaTensor
    from monai.transforms.transform import MapTransform


class RegionMapd(MapTransform):
    """Add the map of a label image to a sample: `item["label"]` to `item["label_map"]`.

    Place it before random crops, flips and turns by 90 degrees, and name the map among their keys: the map is
    then that of the whole image. After a change of scale or an elastic deformation a map has to be made anew.

    Parameters
    ----------
    keys : str or sequence of str
        Label images, channel first: (1, *spatial) class indices, or one-hot (c, *spatial).
    function
        A region-wise map of `objectwise.maps`, the rectified one by default.
    n_classes : int, optional
        Needed for class indices.
    postfix : str
        Of the key of a map, which must be new in the sample.
    cache_dir : path, optional
        Keep the maps there, as `objectwise.maps.MapCache` does.
    spacing : (ndim,) float or "pixdim", optional
        Size of a voxel; "pixdim" takes what the meta data of the label image say.
    allow_missing_keys : bool
        Do nothing where a key is missing.
    **options
        Further keyword arguments of the function.

    Raises
    ------
    ArgumentError
        If the function has no such option.
    DtypeError, ShapeError, ArgumentError
        When called, as the function does; labels have to be cast to integers before
        (`CastToTyped("label", torch.uint8)`), for MONAI reads them as float32.
    """

    def __init__(
        self,
        keys: KeysCollection,
        function: Callable[..., Any] = maps.rectified_region_wise_map,
        *,
        n_classes: int | None = None,
        postfix: str = "map",
        cache_dir: str | Path | None = None,
        spacing: Sequence[float] | str | None = None,
        allow_missing_keys: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        if spacing != "pixdim" if isinstance(spacing, str) else spacing is not None and not np.ndim(spacing):
            raise ArgumentError(f"`spacing` must be numbers, 'pixdim' or None, got {spacing!r}")
        given = {} if n_classes is None else {"n_classes": n_classes}
        measured = () if spacing is None else ("spacing",)
        check_options([*options, *given, *measured], function, taken=("spatial_dims",))
        if not isinstance(spacing, str):
            check_some_spacing(spacing)
        if not isinstance(postfix, str):
            raise DtypeError(f"`postfix` must be a word, got {postfix!r}")
        if cache_dir is not None:  # says now what is wrong with the function
            maps.MapCache(cache_dir, function, **options, **given)
        self.function = function
        self.options = {**options, **given}
        self.spacing = spacing
        self.postfix = postfix
        self.cache_dir = cache_dir

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Return the sample with its maps."""
        sample = dict(data)
        for key in self.key_iterator(sample):
            name = f"{key}_{self.postfix}"
            if name in sample:
                raise ArgumentError(f"`postfix` must make a new key of a sample, got {name!r}")
            sample[name] = self._map(sample[key], key)
        return sample

    def _map(self, labels: Any, key: Hashable) -> Any:
        plain = labels.as_tensor() if isinstance(labels, MetaTensor) else labels
        options = {**self.options, "spatial_dims": plain.ndim - 1}
        spacing = self._spacing(labels, key)
        if spacing is not None:
            options["spacing"] = spacing
        try:
            if self.cache_dir is None:
                made = self.function(plain, **options)
            else:
                made = maps.MapCache(self.cache_dir, self.function, **options)(plain)
        except DtypeError as error:
            hint = f"for `{key}`, put CastToTyped({key!r}, torch.uint8) before"
            raise DtypeError(f"{error}; {hint}") from error
        return MetaTensor(made, meta=labels.meta) if isinstance(labels, MetaTensor) else made

    def _spacing(self, labels: Any, key: Hashable) -> list[float] | None:
        if self.spacing is None:
            return None
        if not isinstance(self.spacing, str):
            return [float(size) for size in self.spacing]
        if not isinstance(labels, MetaTensor):
            raise ArgumentError(f"`spacing` must be numbers for `{key}` without meta data, got 'pixdim'")
        return [float(size) for size in labels.pixdim]
