"""Branching vessels and airways that fill a lung.

A tree is grown top-down: the points to be supplied are split in two again and again, a branch runs part of
the way to the middle of its share, and its radius follows Murray's law (C. D. Murray, "The physiological
principle of minimum work", PNAS 12, 1926: r^k is conserved at a branching, k about 3).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fedlung.imaging.geometry import FloatArray
from fedlung.imaging.phantom.anatomy import STEP_MM, Anatomy
from fedlung.imaging.phantom.distractors import lung_points
from fedlung.imaging.phantom.drawing import Tubes, joined, polyline

MURRAY_EXPONENT = 2.7
THINNEST_MM = 0.65
ARTERY_ENDS, VEIN_ENDS = 480, 370
END_DEPTH_MM = 5.0
"""Vessels end this far below the pleura."""
AIRWAY_FROM_ARTERY_MM = 1.6
"""A bronchus accompanies each artery that is at least this thick (radius)."""


@dataclass(frozen=True)
class LungTrees:
    """Vessels of both lungs, airway lumina and the tubes of airway wall around them, patient mm."""

    vessels: Tubes
    lumina: Tubes
    walls: Tubes


def make_trees(anatomy: Anatomy, rng: np.random.Generator) -> LungTrees:
    """Arteries, veins and airways of both lungs, and the windpipe."""
    vessels, airways = [], [anatomy.trachea]
    for hilum, side in zip(anatomy.hila_xyz_mm, (-1, 1), strict=True):
        artery, vein = hilum + np.array([4 * side, -4, 4]), hilum + np.array([2 * side, -8, -16])
        # A smaller lung has fewer branches.
        counts = [round(ends * anatomy.size**2) for ends in (ARTERY_ENDS, VEIN_ENDS)]
        arteries = grow_tree(artery, _points_in_lung(anatomy, side, counts[0], rng), rng)
        veins = grow_tree(vein, _points_in_lung(anatomy, side, counts[1], rng), rng)
        airways.append(_airways_along(arteries, hilum))
        vessels += [_bent(arteries, rng), _bent(veins, rng)]
    lumina = joined(airways)
    size = anatomy.size
    return LungTrees(joined(vessels).scaled(size), lumina.scaled(size), lumina.thickened(1.08, 0.45).scaled(size))


def grow_tree(root_xyz_mm: FloatArray, targets_xyz_mm: FloatArray, rng: np.random.Generator) -> Tubes:
    """A binary tree from ``root_xyz_mm`` to every one of the targets, shape (n, 3): 2 n - 1 straight pieces."""
    starts, ends, radii = [], [], []
    waiting = [(root_xyz_mm, targets_xyz_mm)]
    while waiting:
        start, share = waiting.pop()
        middle = share.mean(axis=0)
        end = middle if len(share) == 1 else start + rng.uniform(0.32, 0.5) * (middle - start)
        starts.append(start)
        ends.append(end)
        radii.append(THINNEST_MM * len(share) ** (1 / MURRAY_EXPONENT))
        if len(share) > 1:
            farthest = share[np.argmax(((share - middle) ** 2).sum(axis=1))]
            order = np.argsort((share - middle) @ (farthest - middle), kind="stable")
            cut = int(np.clip(round(len(share) * rng.uniform(0.3, 0.7)), 1, len(share) - 1))
            waiting += [(end, share[order[:cut]]), (end, share[order[cut:]])]
    thickness = np.array(radii)
    return Tubes(np.array(starts), np.array(ends), thickness, 0.92 * thickness)


def _points_in_lung(anatomy: Anatomy, side: int, count: int, rng: np.random.Generator) -> FloatArray:
    """``count`` points spread over one lung (side -1 is right), ``END_DEPTH_MM`` below its surface, reference mm."""
    points = lung_points(anatomy, END_DEPTH_MM) / anatomy.size
    points = points[points[:, 0] * side > 0]
    # A share of the points in each of `count` runs of the scan order: even, and never twice the same.
    place = (np.arange(count) + rng.uniform(0, 1, count)) / count * len(points)
    chosen: FloatArray = points[place.astype(int)] + rng.uniform(-STEP_MM / 2, STEP_MM / 2, (count, 3))
    return chosen


def _bent(tubes: Tubes, rng: np.random.Generator) -> Tubes:
    """Each long straight piece replaced by two that bow sideways."""
    axis = tubes.ends_xyz_mm - tubes.starts_xyz_mm
    length = np.linalg.norm(axis, axis=1)
    keep = length < 6
    long = tubes.select(~keep)
    sideways = np.cross(axis[~keep], rng.standard_normal((len(long), 3)))
    bow = rng.uniform(0.03, 0.12, len(long)) * length[~keep]
    sideways *= (bow / np.maximum(np.linalg.norm(sideways, axis=1), 1e-9))[:, None]
    middle = 0.5 * (long.starts_xyz_mm + long.ends_xyz_mm) + sideways
    radius = 0.5 * (long.start_radii_mm + long.end_radii_mm)
    return joined(
        [
            tubes.select(keep),
            Tubes(long.starts_xyz_mm, middle, long.start_radii_mm, radius),
            Tubes(middle, long.ends_xyz_mm, radius, long.end_radii_mm),
        ]
    )


def _airways_along(arteries: Tubes, hilum_xyz_mm: FloatArray) -> Tubes:
    """Bronchi beside the thick arteries, shifted to one side so that the two touch (lumen only)."""
    thick = arteries.select(arteries.start_radii_mm >= AIRWAY_FROM_ARTERY_MM)
    axis = thick.ends_xyz_mm - thick.starts_xyz_mm
    axis /= np.maximum(np.linalg.norm(axis, axis=1), 1e-9)[:, None]
    aside = np.array([0.0, 0.75, 0.66])
    aside = aside - 0.8 * (axis @ aside)[:, None] * axis
    shift = aside * (1.85 * thick.start_radii_mm + 0.8)[:, None]
    starts, ends = _with_joints(thick, shift)
    radii = 0.8 * thick.start_radii_mm
    branches = Tubes(starts, ends, radii, 0.92 * radii)
    return joined([polyline(np.array([hilum_xyz_mm, starts[0]]), radii[0]), branches])


def _with_joints(tubes: Tubes, shift_mm: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Shifted starts and ends of pieces, where each start takes the shift of the piece that it continues."""
    ends = tubes.ends_xyz_mm + shift_mm
    starts = tubes.starts_xyz_mm + shift_mm
    place = {tuple(end): index for index, end in enumerate(tubes.ends_xyz_mm.tolist())}
    for index, start in enumerate(tubes.starts_xyz_mm.tolist()):
        parent = place.get(tuple(start))
        if parent is not None:
            starts[index] = ends[parent]
    return starts, ends
