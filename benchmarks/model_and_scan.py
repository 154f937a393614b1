"""What the speed benchmarks read: the shipped model and a real CT where they are at hand, else stand-ins."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
from scipy import ndimage

from benchmarks.tables import ROOT
from fedlung.detection.sliding_window import GRID
from fedlung.imaging.metaimage import read_metaimage
from fedlung.imaging.preprocessing import CELL, RECIPE, PreparedScan
from fedlung.imaging.resampling import reorient_to_lps
from fedlung.stores.checkpoints import save_checkpoint
from train_simple_model import ARCHITECTURE, initial_weights

REAL_SCAN = ROOT.parent / "shared" / "data" / "real_ct" / "scans" / "LIDC-IDRI-0001"


def a_scan(work: Path) -> Path:
    """A real CT, or one phantom."""
    return next(iter(sorted(REAL_SCAN.glob("*.mhd"))), None) or phantoms(work, scans=1)[0]


def phantoms(work: Path, *, scans: int) -> list[Path]:
    """Scans of one phantom hospital in ``work/../phantoms``, made once for all benchmarks."""
    folder = work.parent / "phantoms" / f"{scans}_scans"
    if not folder.is_dir():
        folder.parent.mkdir(exist_ok=True)
        partial = folder.with_suffix(".partial")
        command = ["-m", "fedlung.imaging.phantom", "--out", str(partial), "--hospitals", "1", "--scans", str(scans)]
        subprocess.run([sys.executable, *command], cwd=ROOT, check=True)
        partial.rename(folder)
    return sorted(folder.glob("*/scans/*.mhd"))


def a_model(work: Path) -> Path:
    """The shipped model, else the one that ``federated_vs_alone`` trained, else random weights out of a seed."""
    shipped = sorted((ROOT / "models" / "pretrained").glob("*.pth"))
    trained = work.parent / "federated_vs_alone" / "federated.pth"
    for model in (*shipped, trained):
        if model.is_file():
            return model
    path = work / "random_weights.pth"
    save_checkpoint(path, weights=initial_weights(0), architecture=ARCHITECTURE, metadata={"seed": 0})
    return path


def whole_scan(scan: Path, prepared: PreparedScan) -> PreparedScan:
    """The scan on the grid of ``prepared``, continued to the borders of the scan; the search region stays the same.

    ::

        scan voxels     |....|....|....|....|....|....|
        prepared                   |.|.|.|.|.|.|
        this            |.|.|.|.|.|.|.|.|.|.|.|.|.|.|.|     multiples of 16 voxels before ``prepared`` and in all

    The network answers alike wherever its grid of 16 voxels lies alike; up to 15 mm of the borders are left out at
    the start and repeated at the end.
    """
    volume = reorient_to_lps(read_metaimage(scan))
    spacing_zyx_mm = np.asarray(volume.geometry.spacing_zyx_mm)
    extent_mm = (np.asarray(volume.geometry.shape_zyx) - 1) * spacing_zyx_mm
    start_mm = volume.geometry.world_to_index(prepared.geometry.origin_xyz_mm) * spacing_zyx_mm
    before = np.floor(start_mm / RECIPE.spacing_mm / GRID).astype(int) * GRID
    after = np.maximum(np.ceil((extent_mm - start_mm) / RECIPE.spacing_mm), prepared.hu_zyx.shape)
    shape = before + np.ceil(after / GRID).astype(int) * GRID
    first_index = (start_mm - before * RECIPE.spacing_mm) / spacing_zyx_mm
    clipped = np.clip(volume.voxels_zyx, *RECIPE.window_hu).astype(np.float32)
    step = RECIPE.spacing_mm / spacing_zyx_mm
    hu = ndimage.affine_transform(clipped, step, first_index, tuple(shape.tolist()), order=1, mode="nearest")
    search = np.zeros(shape // CELL, np.bool_)
    inside = tuple(slice(a, a + n) for a, n in zip(before // CELL, prepared.search_zyx.shape, strict=True))
    search[inside] = prepared.search_zyx
    z, y, x = (-before).tolist()
    d, h, w = shape.tolist()
    geometry = prepared.geometry.crop((z, y, x), (d, h, w))
    return PreparedScan(
        prepared.series_uid, np.rint(hu).astype(np.int16), geometry, search, prepared.lung_volume_l, prepared.warnings
    )
