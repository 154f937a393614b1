"""A small picture of a scan: the middle coronal and the middle axial slice, side by side, in the lung window."""

from __future__ import annotations

from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fedlung.imaging.volume import CTVolume, HounsfieldArray

HEIGHT = 256
GAP = 4
LEVEL_HU, WIDTH_HU = -600, 1500
"""The usual lung window."""


def thumbnail_png(volume_lps: CTVolume) -> bytes:
    """PNG, 256 pixels high, of a volume in LPS order; as radiologists look at it, from the feet and from the front.

    ::

        coronal: up = Superior, left of the picture = the patient's Right     axial: up = Anterior, the same left
    """
    voxels_zyx = volume_lps.voxels_zyx
    spacing_z, spacing_y, spacing_x = volume_lps.geometry.spacing_zyx_mm
    d, h, _ = voxels_zyx.shape
    # x grows to Left, which is the right of the picture, and y to Posterior, which is its lower end: only z is flipped.
    coronal = _picture(voxels_zyx[::-1, h // 2], spacing_z, spacing_x)
    axial = _picture(voxels_zyx[d // 2], spacing_y, spacing_x)
    sheet = Image.new("L", (coronal.width + GAP + axial.width, HEIGHT))
    sheet.paste(coronal, (0, (HEIGHT - coronal.height) // 2))
    sheet.paste(axial, (coronal.width + GAP, (HEIGHT - axial.height) // 2))
    buffer = BytesIO()
    sheet.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _picture(plane: HounsfieldArray, row_mm: float, column_mm: float) -> Image.Image:
    """A plane at equal scale along rows and columns, its longer side 256 pixels."""
    rows, columns = plane.shape
    height_mm, width_mm = rows * row_mm, columns * column_mm
    scale = HEIGHT / max(height_mm, width_mm)
    size = max(round(width_mm * scale), 1), max(round(height_mm * scale), 1)
    return Image.fromarray(_grey(plane)).resize(size, Image.Resampling.BILINEAR)


def _grey(plane: HounsfieldArray) -> NDArray[np.uint8]:
    low = LEVEL_HU - WIDTH_HU / 2
    scaled: NDArray[np.uint8] = ((plane.astype(np.float32) - low) * (255 / WIDTH_HU)).clip(0, 255).astype(np.uint8)
    return scaled
