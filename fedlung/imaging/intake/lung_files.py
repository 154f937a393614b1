"""A scan's coarse lung mask in a small file, so that later questions ("is this point in a lung?") cost nothing."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

import numpy as np

from fedlung.imaging.geometry import Geometry
from fedlung.imaging.lungs import LungMask


def save_lungs(path: Path, lungs: LungMask) -> None:
    """Write the mask as ``.npz`` (about 20 kB); a failed search is not written, because it says nothing."""
    if lungs.warning is not None:
        return
    grid = lungs.geometry
    with path.open("wb") as file:
        np.savez_compressed(
            file,
            mask=np.packbits(lungs.mask_zyx),
            shape_zyx=grid.shape_zyx,
            spacing_zyx_mm=grid.spacing_zyx_mm,
            origin_xyz_mm=grid.origin_xyz_mm,
            direction_xyz=grid.direction_xyz,
        )


def load_lungs(path: Path) -> LungMask | None:
    """The mask, or None where there is no file or it cannot be read: it can always be made again."""
    try:
        # np.load would leave a file open that it cannot read.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            d, h, w = stored["shape_zyx"].tolist()
            mask = np.unpackbits(stored["mask"], count=d * h * w).reshape(d, h, w).astype(bool)
            spacing, origin, direction = (
                tuple(stored[name].tolist()) for name in ("spacing_zyx_mm", "origin_xyz_mm", "direction_xyz")
            )
            grid = Geometry((d, h, w), spacing, origin, direction)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error):
        return None
    return LungMask(mask, grid, float(mask.sum()) * float(np.prod(grid.spacing_zyx_mm)) / 1e6)
