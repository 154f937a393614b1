"""Pictures of places in a scan, cut from the scan itself: also of places that no model looked at."""

from __future__ import annotations

import numpy as np
from PIL import Image

from fedlung.detection.pictures import FIELD_MM, draw_planes
from fedlung.imaging.preprocessing import prepare_piece
from fedlung.imaging.volume import CTVolume

REACH_MM = 0.75 * FIELD_MM
"""Half of the field, and what an oblique grid needs on top (at most a factor of sqrt(2))."""


def picture_of(volume: CTVolume, center_xyz_mm: tuple[float, float, float], diameter_mm: float) -> Image.Image:
    """Three planes of 64 mm through a place of ``volume``; black where the scan ends."""
    return draw_planes(prepare_piece(_piece(volume, center_xyz_mm)), center_xyz_mm, diameter_mm)


def _piece(volume: CTVolume, center_xyz_mm: tuple[float, float, float]) -> CTVolume:
    """The box around the place, as much of it as lies in the scan; at least two voxels along each axis."""
    shape, spacing = np.asarray(volume.geometry.shape_zyx), np.asarray(volume.geometry.spacing_zyx_mm)
    middle = volume.geometry.world_to_index(center_xyz_mm)
    reach = REACH_MM / spacing
    low = np.clip(np.floor(middle - reach).astype(int), 0, np.maximum(shape - 2, 0))
    high = np.clip(np.ceil(middle + reach).astype(int) + 1, low + 2, np.maximum(shape, low + 1))
    z, y, x = low.tolist()
    d, h, w = (np.minimum(high, shape) - low).tolist()
    voxels = volume.voxels_zyx[z : z + d, y : y + h, x : x + w]
    return CTVolume(volume.series_uid, voxels, volume.geometry.crop((z, y, x), (d, h, w)))
