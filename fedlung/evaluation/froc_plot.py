"""The FROC curve as a picture, drawn without a display."""

from __future__ import annotations

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from fedlung.evaluation.bootstrap import BootstrapInterval
from fedlung.evaluation.curve import OPERATING_POINT_NAMES, OPERATING_POINTS_FPS, FrocResult

DOTS_PER_INCH = 150


def draw_froc(path: Path, result: FrocResult, interval: BootstrapInterval | None = None) -> None:
    """Write a PNG to ``path``: curve, seven operating points and, when given, the 95 % band.

    Raises:
        OSError: the file cannot be written.
    """
    figure = Figure(figsize=(6.4, 4.8), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    if interval is not None:
        axes.fill_between(
            interval.band_fps_per_scan, interval.band_lower, interval.band_upper, alpha=0.2, label="95 % of resamples"
        )
    # The curve is flat behind its last point, as the operating points are read.
    fps = [*result.fps_per_scan, max(OPERATING_POINTS_FPS[-1], result.fps_per_scan[-1])]
    axes.plot(fps, [*result.sensitivity, result.sensitivity[-1]], label=f"CPM {result.cpm:.3f}")
    axes.plot(OPERATING_POINTS_FPS, list(result.operating_points.values()), "o", clip_on=False)
    _label(axes, result)
    figure.savefig(path, format="png", dpi=DOTS_PER_INCH)


def _label(axes: Axes, result: FrocResult) -> None:
    axes.set_xscale("log", base=2)
    axes.set_xticks(OPERATING_POINTS_FPS, OPERATING_POINT_NAMES)
    axes.set_xlim(OPERATING_POINTS_FPS[0], OPERATING_POINTS_FPS[-1])
    axes.set_ylim(0.0, 1.0)
    axes.set_xlabel("false positives per scan")
    axes.set_ylabel("sensitivity")
    axes.set_title(f"FROC, {result.num_scans} scans, {result.num_nodules} nodules")
    axes.grid(visible=True, alpha=0.4)
    axes.legend(loc="lower right")
