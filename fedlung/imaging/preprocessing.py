"""The one preprocessing recipe. Training and inference both call ``prepare`` and nothing else.

LPS order -> HU window -> lungs -> crop to the lungs with a margin -> 1 mm cubes. The world coordinates stay
valid all the way, so annotations never need to be transformed.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedlung.errors import BadScan
from fedlung.imaging.geometry import Geometry
from fedlung.imaging.lungs import BoolArray, LungMask, dilate, find_lungs
from fedlung.imaging.resampling import reorient_to_lps, resample_isotropic
from fedlung.imaging.volume import CTVolume, HounsfieldArray

CELL = 2
"""Edge of a search cell in voxels: the lung mask and the network's output live on cells of 2 mm."""

MOST_VOXELS = 2**28
"""Of a prepared scan (645 mm cubed at 1 mm). A few thick voxels of an upload could else ask for any memory."""


@dataclass(frozen=True)
class Recipe:
    """Numbers of the recipe; part of every cache key and of every checkpoint.

    Attributes:
        spacing_mm: edge of the resampled voxels.
        window_hu: values are clipped to this range before interpolation (padding of -2000 or -3024 and
            metal would bleed into their neighbours otherwise), and scaled from it to [0, 1] for the network.
        margin_mm: kept around the lungs, so that a nodule at the pleura has its surroundings.
        search_margin_mm: candidates count up to this far outside the lung mask.
        version: raised when the code changes what comes out for the same numbers.
    """

    spacing_mm: float = 1.0
    window_hu: tuple[int, int] = (-1000, 400)
    margin_mm: float = 10.0
    search_margin_mm: float = 5.0
    version: int = 1

    def fingerprint(self) -> str:
        """Hex digest that changes when any number of the recipe does."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:16]

    def to_json(self) -> dict[str, Any]:
        """Plain values for checkpoints and reports."""
        return json.loads(json.dumps(asdict(self)))  # type: ignore[no-any-return]


RECIPE = Recipe()


@dataclass(frozen=True, eq=False)
class PreparedScan:
    """A scan as the network sees it.

    Attributes:
        series_uid: name of the scan.
        hu_zyx: int16 HU inside the window, 1 mm cubes, cropped to the lungs; even number of voxels per axis.
        geometry: placement of ``hu_zyx`` in the world (LPS order).
        search_zyx: bool, one per cell of 2x2x2 voxels: where a nodule centre may be (lungs + margin).
        lung_volume_l: litres, of the lung mask.
        warnings: sentences to show with any result on this scan.
    """

    series_uid: str
    hu_zyx: HounsfieldArray
    geometry: Geometry
    search_zyx: BoolArray
    lung_volume_l: float
    warnings: tuple[str, ...] = ()


def prepare(volume: CTVolume, recipe: Recipe = RECIPE) -> PreparedScan:
    """Apply the recipe to one scan. Pure: the volume is not changed.

    Raises:
        BadScan: the box around the lungs is too large to be resampled.
    """
    volume = reorient_to_lps(volume)
    lungs = find_lungs(volume.voxels_zyx, volume.geometry)
    start, shape = _box_around(lungs, volume.geometry, recipe.margin_mm)
    region = volume.geometry.crop(start, shape)
    _check_size(volume.series_uid, region, recipe.spacing_mm)
    box = tuple(slice(a, a + n) for a, n in zip(start, shape, strict=True))
    cropped = np.clip(volume.voxels_zyx[box], *recipe.window_hu)
    hu, geometry = resample_isotropic(cropped, region, recipe.spacing_mm)
    hu, geometry = _pad_to_cells(hu, geometry)
    search = _on_cells(_grown(lungs, recipe.search_margin_mm), geometry)
    warnings = () if lungs.warning is None else (lungs.warning,)
    return PreparedScan(volume.series_uid, hu, geometry, search, lungs.volume_l, warnings)


def prepare_piece(volume: CTVolume, recipe: Recipe = RECIPE) -> PreparedScan:
    """The recipe for a piece of a scan around a nodule: no lungs to find, no crop, the rest is the same.

    Every cell is searched. The far faces that would not fill a cell are cut off, never padded: a repeated face
    would tell the network where a piece ends.
    """
    volume = reorient_to_lps(volume)
    clipped = np.clip(volume.voxels_zyx, *recipe.window_hu)
    hu, geometry = resample_isotropic(clipped, volume.geometry, recipe.spacing_mm)
    d, h, w = (n - n % CELL for n in hu.shape)
    search = np.ones((d // CELL, h // CELL, w // CELL), dtype=bool)
    return PreparedScan(
        volume.series_uid, hu[:d, :h, :w], geometry.crop((0, 0, 0), (d, h, w)), search, lung_volume_l=0.0
    )


def to_unit_interval(hu: NDArray[Any], recipe: Recipe = RECIPE) -> NDArray[np.float32]:
    """The network's input: the HU window mapped to [0, 1]."""
    low, high = recipe.window_hu
    return (hu.astype(np.float32) - np.float32(low)) / np.float32(high - low)


def _box_around(
    lungs: LungMask, geometry: Geometry, margin_mm: float
) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    """Start and shape, in voxels of the scan, of the box around the lungs with its margin."""
    marked = np.argwhere(lungs.mask_zyx)
    # Borders of the outer coarse voxels (index -+ 0.5), in fractional voxels of the scan.
    corners = lungs.geometry.index_to_world([marked.min(axis=0) - 0.5, marked.max(axis=0) + 0.5])
    low, high = geometry.world_to_index(corners)
    margin = margin_mm / np.asarray(geometry.spacing_zyx_mm)
    first = np.clip(np.floor(low - margin), 0, None).astype(int)
    last = np.minimum(np.ceil(high + margin).astype(int), np.asarray(geometry.shape_zyx) - 1)
    z, y, x = first.tolist()
    d, h, w = (last - first + 1).tolist()
    return (z, y, x), (d, h, w)


def _check_size(series_uid: str, region: Geometry, spacing_mm: float) -> None:
    edges_mm = np.asarray(region.shape_zyx) * np.asarray(region.spacing_zyx_mm)
    if np.prod(edges_mm / spacing_mm) > MOST_VOXELS:
        edges = " x ".join(f"{edge:.0f}" for edge in edges_mm)
        raise BadScan(f"{series_uid}: the box to read of {edges} mm is larger than any chest; check ElementSpacing")


def _pad_to_cells(hu: HounsfieldArray, geometry: Geometry) -> tuple[HounsfieldArray, Geometry]:
    """Repeat the far faces so that each axis holds whole cells."""
    padding = [(0, -n % CELL) for n in hu.shape]
    padded = np.pad(hu, padding, mode="edge")
    d, h, w = padded.shape
    return padded, geometry.crop((0, 0, 0), (d, h, w))


def _grown(lungs: LungMask, margin_mm: float) -> LungMask:
    mask = dilate(lungs.mask_zyx, lungs.geometry.spacing_zyx_mm, margin_mm)
    return LungMask(mask, lungs.geometry, lungs.volume_l, lungs.warning)


def _on_cells(lungs: LungMask, geometry: Geometry) -> BoolArray:
    """The coarse mask read at the cell centres of the 1 mm grid (nearest coarse voxel).

    ::

        voxels 0 1 | 2 3 | 4 5      cell c covers voxels 2c and 2c+1; its centre is at index 2c + 0.5

    Both grids have the same axes, so each axis is looked up by itself.
    """
    center = (CELL - 1) / 2
    first = lungs.geometry.world_to_index(geometry.index_to_world((center, center, center)))
    step = CELL * np.asarray(geometry.spacing_zyx_mm) / np.asarray(lungs.geometry.spacing_zyx_mm)
    rows = []
    for axis in range(3):
        positions = first[axis] + step[axis] * np.arange(geometry.shape_zyx[axis] // CELL)
        rows.append(np.clip(np.rint(positions), 0, lungs.geometry.shape_zyx[axis] - 1).astype(int))
    found: BoolArray = lungs.mask_zyx[np.ix_(*rows)]
    return found
