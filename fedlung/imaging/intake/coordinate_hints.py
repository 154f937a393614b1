"""Do these points look like world millimetres in LPS? Coordinates of another kind are never converted, only told."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fedlung.imaging.geometry import FloatArray, Geometry
from fedlung.imaging.intake.scan_facts import Check
from fedlung.imaging.intake.texts import N_
from fedlung.imaging.lungs import LungMask

NEAR_CELLS = 2
"""A point up to two cells of 2 mm beside the mask still counts as in the lung: nodules sit at the pleura."""
BETTER_BY = 0.3
GOOD_SHARE = 0.6
FEW_SHARE = 0.5


@dataclass(frozen=True)
class ScanPlace:
    """Where a stored scan is: ``read_header(path).geometry``, and its lungs when they are known."""

    geometry: Geometry
    lungs: LungMask | None = None


Points = Mapping[str, FloatArray]
"""scan_id -> points, (n, 3), as they stand in the file."""

Meaning = Callable[[FloatArray, Geometry], FloatArray]
"""What points could mean: from numbers in a file to world mm."""

_OTHER_MEANINGS: dict[str, tuple[Meaning, str]] = {
    "ras": (
        lambda points, grid: points * (-1.0, -1.0, 1.0),
        N_("The points seem to be in RAS; here x grows to the patient's left and y to the back (LPS): negate x and y."),
    ),
    "voxel_indices": (
        lambda points, grid: grid.index_to_world(points[:, ::-1]),
        N_("The points seem to be voxel indices (x, y, z); here they are millimetres in the world (LPS)."),
    ),
    "voxel_indices_zyx": (
        lambda points, grid: grid.index_to_world(points),
        N_("The points seem to be voxel indices (z, y, x); here they are millimetres in the world (LPS)."),
    ),
}


def in_lungs_share(points: Points, scans: Mapping[str, ScanPlace]) -> float | None:
    """Share of the points that lie in the lungs, over the scans whose lungs are known; None without any."""
    hits = [
        hit
        for scan_id, found in points.items()
        if (lungs := scans[scan_id].lungs) is not None
        for hit in _in_lungs(found, lungs)
    ]
    return float(np.mean(hits)) if hits else None


def coordinate_hints(points: Points, scans: Mapping[str, ScanPlace]) -> list[Check]:
    """At most one hint: the other meaning that fits clearly better, or that few points are in the lungs."""
    as_given = _fit(points, scans, lambda found, grid: found)
    if as_given is None:
        return []
    fits = {code: _fit(points, scans, meaning) or 0.0 for code, (meaning, _) in _OTHER_MEANINGS.items()}
    best = max(fits, key=lambda code: fits[code])
    if fits[best] >= GOOD_SHARE and fits[best] >= as_given + BETTER_BY:
        return [Check(best, "warning", _OTHER_MEANINGS[best][1])]
    share = in_lungs_share(points, scans)
    if share is not None and share < FEW_SHARE:
        text = N_("Only %(percent)d %% of the nodules lie in the lungs; do they belong to these scans?")
        return [Check("few_in_lungs", "warning", text, {"percent": round(100 * share)})]
    return []


def _fit(points: Points, scans: Mapping[str, ScanPlace], meaning: Meaning) -> float | None:
    """Share of points in the lungs, or inside the volume of scans whose lungs are unknown."""
    hits: list[bool] = []
    for scan_id, found in points.items():
        place = scans[scan_id]
        world = meaning(found, place.geometry)
        inside = place.geometry.contains(world) if place.lungs is None else _in_lungs(world, place.lungs)
        hits += [bool(hit) for hit in inside]
    return float(np.mean(hits)) if hits else None


def _in_lungs(center_xyz_mm: FloatArray, lungs: LungMask) -> Sequence[bool]:
    cells = np.rint(lungs.geometry.world_to_index(center_xyz_mm)).clip(-1e6, 1e6).astype(int)
    return [
        bool(lungs.mask_zyx[tuple(slice(max(0, i - NEAR_CELLS), max(0, i + NEAR_CELLS + 1)) for i in cell)].any())
        for cell in cells.tolist()
    ]
