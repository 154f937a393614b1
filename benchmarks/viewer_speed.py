"""How fast the viewer is on a plain machine: a CT of 512 x 512 x 300 voxels in headless Chromium without a GPU.

The real server process and the page on which staff mark nodules. Times of opening are those that the page itself
notes; pictures per second are counted while slices turn, the window changes and the picture is zoomed, one step asked
for with every picture. Server, browser and whatever else runs share the cores.
"""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from benchmarks.tables import table
from benchmarks.timing import conditions, load
from fedlung.imaging.geometry import Geometry
from fedlung.imaging.metaimage import write_metaimage
from fedlung.imaging.volume import CTVolume, HounsfieldArray
from tests.e2e.browser import empty_hospitals
from tests.e2e.viewer_pace import pace_of
from tests.web.browsers import Server, free_port

PASSWORD = "a window over the wide field"
SHAPE_ZYX, SPACING_ZYX_MM = (300, 512, 512), (1.0, 0.7, 0.7)
SCAN = "large"
OPENINGS = ("first time: the server packs the voxels", "again: they are packed")


def run(work: Path) -> str:
    """Start server and browser, measure, and return the tables."""
    before = load()
    data = work / "data"
    write_large_scan(data)
    shutil.rmtree(data / "cache", ignore_errors=True)  # of an earlier benchmark
    with served(data) as url:
        pace = pace_of(url, SCAN, "staff_a", PASSWORD, openings=len(OPENINGS))
    opened = zip(OPENINGS, pace.openings, strict=True)
    openings = [(title, f"{one.first_slice:.2f}", f"{one.all_voxels:.1f}") for title, one in opened]
    rates = [(title, *(f"{number:.0f}" for number in numbers)) for title, numbers in pace.pictures.items()]
    voxels = int(np.prod(SHAPE_ZYX)) * 2
    note = (
        f"Arrays of the page: {pace.array_bytes / 1e6:.0f} MB, of which the voxels are {voxels / 1e6:.0f} MB; its "
        f"process as a whole: {pace.renderer_bytes / 1e6:.0f} MB."
    )
    header = ("opening a scan of 512 x 512 x 300", "first slice, s", "all voxels, s")
    pictures = ("while", "pictures per second", "95 % within, ms", "longest, ms")
    return "\n\n".join([table(header, openings), table(pictures, rates), note, conditions(before)])


def write_large_scan(data: Path) -> None:
    """A body with lungs, bones and noise: as large, and as hard to pack, as a thin-slice chest CT."""
    if not data.exists():
        file = empty_hospitals(data) / "hospital_a" / "scans" / f"{SCAN}.mhd"
        write_metaimage(file, CTVolume(SCAN, chest(), Geometry(SHAPE_ZYX, SPACING_ZYX_MM)))


def chest() -> HounsfieldArray:
    y, x = np.mgrid[-1:1:512j, -1:1:512j]
    body, lungs = (x / 0.9) ** 2 + (y / 0.7) ** 2 < 1, ((abs(x) - 0.42) / 0.3) ** 2 + (y / 0.5) ** 2 < 1
    spine = x**2 + (y - 0.5) ** 2 < 0.01
    flat = np.select([spine, lungs, body], [500, -850, 40], -1000).astype(np.int16)
    noise = np.random.default_rng(0).normal(0, 25, (32, 512, 512)).astype(np.int16)
    return np.stack([np.maximum(flat + np.roll(noise[z % 32], 7 * z, axis=1), -1024) for z in range(SHAPE_ZYX[0])])


@contextmanager
def served(data: Path) -> Iterator[str]:
    environment = {**os.environ, "FEDLUNG_DEMO_PASSWORD": PASSWORD, "FEDLUNG_LOG_LEVEL": "ERROR"}
    server = Server(["app.py", "--demo", "--data", str(data)], free_port(), environment)
    try:
        server.wait_until_ready(120)
        yield server.url
    finally:
        server.end(signal.SIGTERM, 60)
