"""Figures and the self-contained HTML report."""

from objectwise.curves import read_curves
from objectwise.report.content import RunContent, VolumeContent
from objectwise.report.errors_found import ErrorRegion, largest_errors
from objectwise.report.mask_content import MaskRun, MaskVolume
from objectwise.report.masks import render_mask_report, write_mask_report
from objectwise.report.page import render_report, write_report

__all__ = [
    "ErrorRegion",
    "MaskRun",
    "MaskVolume",
    "RunContent",
    "VolumeContent",
    "largest_errors",
    "read_curves",
    "render_mask_report",
    "render_report",
    "write_mask_report",
    "write_report",
]
