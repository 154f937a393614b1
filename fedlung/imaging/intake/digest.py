"""One digest for one scan, whatever form it came in."""

from __future__ import annotations

import hashlib

import numpy as np

from fedlung.imaging.volume import CTVolume


def voxels_sha256(volume_lps: CTVolume) -> str:
    """SHA-256 (hex) of the shape and of the HU, little-endian, of a volume in LPS order, slice by slice.

    Spacing and position stay out: a copy with another rounding in its header is the same scan.
    """
    digest = hashlib.sha256(np.asarray(volume_lps.geometry.shape_zyx, "<i4").tobytes())
    for plane in volume_lps.voxels_zyx:
        digest.update(plane.astype("<i2").tobytes())
    return digest.hexdigest()
