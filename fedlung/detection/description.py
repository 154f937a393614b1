"""A prediction in numbers and words, without its voxels: what is kept, shown and exported.

`describe` needs the prediction while its voxels are at hand; what it gives is plain values for ``json``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedlung.detection.attenuation import attenuation_of
from fedlung.detection.candidates import Candidate
from fedlung.detection.categories import category_of
from fedlung.detection.position import LungMap, cut_ends
from fedlung.detection.prediction import Prediction
from fedlung.imaging.geometry import Geometry

THICK_SLICE_MM = 3.0
TRAINED_SPACING_ZYX_MM = ((0.4, 2.6), (0.4, 1.0), (0.4, 1.0))
"""What LUNA16's 888 scans have, rounded outwards: slices 0.45 to 2.5 mm apart, pixels of 0.46 to 0.98 mm."""
MARKS_THAT_COUNT = 5  # for the uncertainty of a scan


def describe(prediction: Prediction, viewed: Geometry) -> list[dict[str, Any]]:
    """Every candidate, best first, with what can be said about its place and kind.

    Args:
        prediction: with its voxels.
        viewed: grid of the scan in the order that the viewer shows (see ``reorient_to_lps``); slices are counted
            on it from 1, from the feet.
    """
    lungs = LungMap.of(prediction.scan)
    return [_candidate(number, item, prediction, lungs, viewed) for number, item in enumerate(prediction.candidates, 1)]


def _candidate(
    number: int, item: Candidate, prediction: Prediction, lungs: LungMap, viewed: Geometry
) -> dict[str, Any]:
    position = lungs.position(item.center_xyz_mm, item.diameter_mm)
    category = category_of(item.diameter_mm)
    component, low = item.outline(prediction.mask, prediction.scan.geometry)
    return {
        "id": f"m{number}",
        "center_xyz_mm": [round(value, 4) for value in item.center_xyz_mm],
        "diameter_mm": round(item.diameter_mm, 3),
        "volume_mm3": round(item.volume_mm3, 1),
        "probability": round(item.probability, 6),
        "measured": item.measured,
        "slice_number": slice_number(viewed, item.center_xyz_mm),
        "position": asdict(position),
        "attenuation": attenuation_of(prediction.scan.hu_zyx, component, low, item.diameter_mm),
        "category": {"occasion": category.occasion, "rule": category.rule, "value": category.value},
    }


def slice_number(viewed: Geometry, center_xyz_mm: Iterable[float]) -> int:
    """The axial slice through a point, counted from 1, from the feet; the nearest one for a point outside."""
    z = float(viewed.world_to_index(list(center_xyz_mm))[0])
    return min(max(round(z), 0), viewed.shape_zyx[0] - 1) + 1


def uncertainty(probabilities: Iterable[float]) -> float:
    """How much a person's look would teach, 0 to 1: mean binary entropy, in bits, of the five best marks.

    A mark that is not there is certain (Settles 2009, "Active Learning Literature Survey", section 3.1: entropy).
    """
    best = sorted(probabilities, reverse=True)[:MARKS_THAT_COUNT]
    return round(sum(_entropy(value) for value in best) / MARKS_THAT_COUNT, 4)


def _entropy(probability: float) -> float:
    shares = [share for share in (probability, 1 - probability) if share > 0]
    return -sum(share * math.log2(share) for share in shares)


def quality_warnings(prediction: Prediction, slice_thickness_mm: float | None = None) -> list[dict[str, Any]]:
    """What makes the marks of this scan less sure: codes with their numbers; the web has a sentence for each."""
    found: list[dict[str, Any]] = []
    spacing = prediction.original.spacing_zyx_mm
    thickest = max(slice_thickness_mm or 0.0, max(spacing))
    if thickest > THICK_SLICE_MM:
        values = {"thickness_mm": round(thickest, 2), "limit_mm": THICK_SLICE_MM}
        found.append({"code": "thick_slices", "values": values})
    ranges = zip(sorted(spacing, reverse=True), TRAINED_SPACING_ZYX_MM, strict=True)
    if any(not low <= value <= high for value, (low, high) in ranges):
        shown = " x ".join(f"{value:.2f}" for value in spacing[::-1])
        found.append({"code": "unusual_spacing", "values": {"spacing_mm": shown}})
    if not prediction.scan.warnings:
        codes = zip(("lungs_cut_below", "lungs_cut_above"), cut_ends(prediction.scan.search_zyx), strict=True)
        found += [{"code": code, "values": {}} for code, is_cut in codes if is_cut]
    found += [{"code": "lungs_not_found", "values": {"reason": text}} for text in prediction.scan.warnings]
    return found


def label_grid(prediction: Prediction) -> NDArray[np.uint8]:
    """Label i where candidate i is, 0 elsewhere, on the voxels of the prepared scan.

    Each is its part of the mask; where the mask has none, its ball. Where two touch, the better one keeps its voxels.
    """
    labels = np.zeros(prediction.scan.hu_zyx.shape, dtype=np.uint8)
    for number, item in reversed(list(enumerate(prediction.candidates, start=1))):
        center = prediction.scan.geometry.world_to_index(item.center_xyz_mm)
        component, low = item.outline(prediction.mask, prediction.scan.geometry)
        if component is None:
            component, low = _ball(center, item.diameter_mm, labels.shape)
        box = tuple(slice(a, a + n) for a, n in zip(low, component.shape, strict=True))
        labels[box][component] = number
    return labels


def _ball(
    center: NDArray[np.float64], diameter_mm: float, shape: tuple[int, ...]
) -> tuple[NDArray[np.bool_], NDArray[np.intp]]:
    """Voxels of 1 mm within the radius, at least the nearest one, and the start of their box."""
    reach = int(np.ceil(diameter_mm / 2)) + 1
    middle = np.clip(np.rint(center).astype(np.intp), 0, np.asarray(shape) - 1)
    low, high = np.maximum(middle - reach, 0), np.minimum(middle + reach + 1, shape)
    grid = np.stack(np.meshgrid(*map(np.arange, low, high), indexing="ij"), axis=-1)
    inside = np.linalg.norm(grid - center, axis=-1) <= diameter_mm / 2
    inside[tuple(middle - low)] = True
    return inside, low
