"""A CT volume: voxels in Hounsfield units with their place in the world."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fedlung.imaging.geometry import Geometry

HounsfieldArray = NDArray[np.int16]


@dataclass(frozen=True, eq=False)
class CTVolume:
    """Voxels of one CT scan.

    Attributes:
        series_uid: the name of the scan (LUNA16: the DICOM SeriesInstanceUID), never empty.
        voxels_zyx: int16 Hounsfield units, shape ``geometry.shape_zyx``. Read-only by convention: no
            function of this package writes into a volume that it was given.
        geometry: spacing, origin and axes.

    Raises:
        ValueError: dtype is not int16, or the shape differs from the geometry's.
    """

    series_uid: str
    voxels_zyx: HounsfieldArray
    geometry: Geometry

    def __post_init__(self) -> None:
        if not self.series_uid:
            raise ValueError("series_uid must not be empty")
        if self.voxels_zyx.dtype != np.int16:
            raise ValueError(f"voxels_zyx must be int16 HU, got {self.voxels_zyx.dtype}")
        if self.voxels_zyx.shape != self.geometry.shape_zyx:
            raise ValueError(f"voxels_zyx has shape {self.voxels_zyx.shape}, geometry says {self.geometry.shape_zyx}")
