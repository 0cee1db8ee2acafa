"""One module a file format; `objectwise.data.volumes` is the door, and checks what goes through it."""

from __future__ import annotations

from objectwise.data.formats.common import KNOWN, Format, Location
from objectwise.errors import ArgumentError


def format_of(place: Location) -> Format:
    """Import one format: each needs a library of its own.

    Raises
    ------
    ArgumentError
        If it is none of them; nothing is taken for a folder of PNGs that `parse_location` does not call one.
    """
    match place.format:
        case "HDF5":
            from objectwise.data.formats import hdf5

            return hdf5
        case "Zarr":
            from objectwise.data.formats import zarr

            return zarr
        case "TIFF":
            from objectwise.data.formats import tiff

            return tiff
        case "NIfTI":
            from objectwise.data.formats import nifti

            return nifti
        case "PNG":
            from objectwise.data.formats import png

            return png
        case "PNG folder":
            from objectwise.data.formats import png_folder

            return png_folder
    raise ArgumentError(f"`{place}` must be {KNOWN}, got the format {place.format!r}")
