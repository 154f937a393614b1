"""Where in the lungs a point lies, in three words: side, height, near the pleura or not.

Read off the region that was searched (the lungs and a margin), so it is a hint for finding the place, not anatomy:
lobes and segments are not known. Where the lungs were not found, nothing but "unknown" is said.
"""

from __future__ import annotations

import zlib
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from fedlung.imaging.geometry import Geometry
from fedlung.imaging.preprocessing import CELL, RECIPE, PreparedScan

LEFT, RIGHT, MIDDLE = "left", "right", "middle"
UPPER, LOWER = "upper", "lower"  # thirds of the lungs' height, with MIDDLE
PLEURA, INSIDE = "pleura", "inside"
UNKNOWN = "unknown"

MIDDLE_MM = 10.0
"""A point this near to the plane between the lungs is on neither side."""
NEAR_MM = 5.0
"""From the edge of the nodule to the lung's surface."""
CUT_LUNG_CM2 = 30.0
"""A searched region that is still as wide on its first or last slice goes on outside the scan."""
VALLEY_SHARE = 0.8
"""Between two lungs there are fewer cells than this share of the smaller lung's widest column."""


@dataclass(frozen=True)
class Position:
    """Codes of this module: ``side`` is left, right, middle or unknown; ``height`` upper, middle, lower or unknown;
    ``near`` pleura, inside or unknown."""

    side: str = UNKNOWN
    height: str = UNKNOWN
    near: str = UNKNOWN


class LungMap:
    """The searched region of one scan, prepared for many questions; empty where the lungs were not found.

    Args:
        search_zyx: one per cell of 2x2x2 voxels of ``geometry``.
        geometry: grid of the prepared scan.
    """

    def __init__(self, search_zyx: NDArray[np.bool_], geometry: Geometry) -> None:
        self._geometry = geometry
        self._search = search_zyx
        self._is_known = bool(search_zyx.any())
        if self._is_known:
            (z, _, x) = ndimage.find_objects(search_zyx.astype(np.int8))[0]
            self._z_range, self._middle_x = (z.start, z.stop), (x.start + x.stop) / 2
            self._has_two_lungs = _has_valley(search_zyx.sum(axis=(0, 1)))
            self._cut_ends = cut_ends(search_zyx)

    @classmethod
    def of(cls, scan: PreparedScan) -> LungMap:
        return cls(scan.search_zyx & (not scan.warnings), scan.geometry)

    def to_json(self) -> dict[str, Any]:
        """For ``json``, a few kilobytes; the grid is not in it."""
        packed = zlib.compress(np.packbits(self._search).tobytes())
        return {"shape_zyx": list(self._search.shape), "cells": b64encode(packed).decode()}

    @classmethod
    def from_json(cls, fields: Mapping[str, Any], geometry: Geometry) -> LungMap:
        """What `to_json` gave."""
        packed = np.frombuffer(zlib.decompress(b64decode(fields["cells"])), dtype=np.uint8)
        shape = tuple(fields["shape_zyx"])
        cells = np.unpackbits(packed, count=int(np.prod(shape))).astype(bool)
        return cls(cells.reshape(shape), geometry)

    def position(self, center_xyz_mm: tuple[float, float, float], diameter_mm: float) -> Position:
        """Where a nodule lies; "unknown" for what cannot be told."""
        if not self._is_known:
            return Position()
        # Cell c covers voxels 2c and 2c + 1: its middle is at voxel 2c + 0.5.
        z, y, x = (self._geometry.world_to_index(center_xyz_mm) + 0.5) / CELL
        return Position(self._side(float(x)), self._height(float(z)), self._near((z, y, x), diameter_mm))

    def _side(self, x: float) -> str:
        if not self._has_two_lungs:
            return UNKNOWN
        offset_mm = (x - self._middle_x) * CELL * RECIPE.spacing_mm
        if abs(offset_mm) < MIDDLE_MM:
            return MIDDLE
        return LEFT if offset_mm > 0 else RIGHT  # LPS: x grows to the patient's left

    def _height(self, z: float) -> str:
        if any(self._cut_ends):
            return UNKNOWN  # a third of what was scanned is no third of the lungs
        low, high = self._z_range
        share = (z - low) / (high - low)
        return LOWER if share < 1 / 3 else UPPER if share > 2 / 3 else MIDDLE

    def _near(self, center: tuple[float, float, float], diameter_mm: float) -> str:
        """Distance to the region's surface, less the margin that it was grown by, less the radius."""
        cell_mm = CELL * RECIPE.spacing_mm
        limit_mm = NEAR_MM + diameter_mm / 2 + RECIPE.search_margin_mm
        depth_mm = _depth(self._search, np.asarray(center), limit_mm / cell_mm + 1, self._cut_ends) * cell_mm
        return PLEURA if depth_mm <= limit_mm else INSIDE


def cut_ends(search_zyx: NDArray[np.bool_]) -> tuple[bool, bool]:
    """Whether the lungs go on below the first and above the last slice: else a margin without lungs ends the box."""
    areas_cm2 = search_zyx.sum(axis=(1, 2)) * ((CELL * RECIPE.spacing_mm) ** 2 / 100)
    return bool(areas_cm2[0] > CUT_LUNG_CM2), bool(areas_cm2[-1] > CUT_LUNG_CM2)


def _has_valley(profile: NDArray[np.integer]) -> bool:
    """Whether cells per sagittal plane have two hills, one in each half, with a valley between them."""
    half = len(profile) // 2
    if half == 0:
        return False
    first, second = int(np.argmax(profile[:half])), half + int(np.argmax(profile[half:]))
    return bool(profile[first : second + 1].min() < VALLEY_SHARE * min(profile[first], profile[second]))


def _depth(search: NDArray[np.bool_], center: NDArray[np.float64], reach: float, goes_on: tuple[bool, bool]) -> float:
    """Cells from ``center`` to the nearest cell that is not searched, as far as ``reach``; outside counts as not, but
    for the ends at which the lungs go on: there the last plane is repeated."""
    middle, steps = np.floor(center).astype(int), int(np.ceil(reach))
    offsets = np.stack(np.meshgrid(*[np.arange(-steps, steps + 1)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    cells = middle + offsets
    looked_at = cells.copy()
    below, above = goes_on
    if below:
        looked_at[:, 0] = np.maximum(looked_at[:, 0], 0)
    if above:
        looked_at[:, 0] = np.minimum(looked_at[:, 0], len(search) - 1)
    inside = ((looked_at >= 0) & (looked_at < search.shape)).all(axis=1)
    free = np.ones(len(cells), dtype=bool)
    free[inside] = ~search[tuple(looked_at[inside].T)]
    distances = np.linalg.norm(cells[free] + 0.5 - center, axis=1)
    return float(distances.min(initial=np.inf))
