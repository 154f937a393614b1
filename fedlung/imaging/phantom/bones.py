"""Ribs, breastbone, collarbones, shoulder blades and the vertebral column."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce

import numpy as np

from fedlung.imaging.geometry import FloatArray
from fedlung.imaging.phantom.anatomy import HALF_HEIGHT_MM, Anatomy, spine_y_mm
from fedlung.imaging.phantom.drawing import Field, Grid, Tubes, covered, joined, polyline

RIB_PAIRS = 10
CORTEX_MM = 1.6
VERTEBRA_MM = 24.0
"""Height of a vertebra with its disc."""
DISC_MM = 5.0


@dataclass(frozen=True)
class Skeleton:
    """What is drawn as tubes, in patient mm.

    Attributes:
        bones: ribs, breastbone, collarbones, shoulder blades (cortex outside, marrow inside).
        sheaths: soft tissue around the ribs and their cartilage; it dents the lung a little between.
    """

    bones: Tubes
    sheaths: Tubes


def make_skeleton(anatomy: Anatomy, rng: np.random.Generator) -> Skeleton:
    """Bones of one patient, laid on the surface of the rib cage."""
    size = anatomy.size
    ribs, cartilage = [], []
    for side in (-1, 1):
        for pair in range(RIB_PAIRS):
            line = _rib_line(pair, side, rng) * size
            on_cage = _on_cage(anatomy, line, rng.uniform(4.5, 6.0) * size)
            radius = rng.uniform(3.8, 4.8) * size * (0.85 if pair == 0 else 1)
            bony = len(line) if pair == RIB_PAIRS - 1 else round(0.82 * len(line))
            ribs.append(polyline(on_cage[:bony], radius))
            if bony < len(line):
                cartilage.append(polyline(on_cage[bony - 1 :], radius))
    plates = [
        polyline(_on_cage(anatomy, line * size, depth * size), radius * size) for line, depth, radius in _plates()
    ]
    bones = joined([*ribs, *plates])
    return Skeleton(bones, joined([*(rib.thickened(1, rng.uniform(1.5, 3.2) * size) for rib in ribs), *cartilage]))


def _rib_line(pair: int, side: int, rng: np.random.Generator) -> FloatArray:
    """About where a rib runs, reference mm: from the spine round the side, falling, to the front."""
    along = np.linspace(0, 1, 30)
    last_angle = np.interp(pair, [0, 5, RIB_PAIRS - 1], [172, 168, 118])
    angle = np.radians(8 + (last_angle - 8) * along)
    fall = np.interp(pair, [0, 3, RIB_PAIRS], [22, 50, 62]) + rng.uniform(-3, 3)
    cartilage_rise = np.interp(pair, [0, 5, 7, 9], [0, 12, 25, 0]) * np.maximum(along - 0.8, 0) / 0.2
    z = 104 - 19.5 * pair + rng.uniform(-1.5, 1.5) - fall * np.sin(0.5 * np.pi * along) + cartilage_rise
    width = 118 * np.sqrt(np.clip(1 - (np.maximum(z + 35, 0) / 150) ** 2.6, 0.15, 1))
    return np.stack([side * width * np.sin(angle), -2 + 0.72 * width * np.cos(angle), z], axis=1)


def _plates() -> list[tuple[FloatArray, float, float]]:
    """Flat bones as neighbouring tubes: (reference line, distance from the cage, radius), mm."""
    parts: list[tuple[FloatArray, float, float]] = []
    for x in np.linspace(-11, 11, 6):
        parts.append((np.array([[x, -80, z] for z in np.linspace(62, -28, 10)]), 6.5, 4.6))
    for side in (-1, 1):
        collarbone = np.array([[14, -70, 72], [45, -74, 88], [80, -50, 100], [104, -20, 110.0]])
        parts.append((collarbone * [side, 1, 1], 14.0, 5.0))
        shoulder = np.array([108.0, 30, 96])
        for z in np.linspace(104, 22, 12):
            inner = np.array([58 + 0.08 * (100 - z), 84.0, z])
            line = inner + np.linspace(0, 1, 5)[:, None] * (shoulder - inner) * np.interp(z, [22, 70], [0.3, 1.0])
            parts.append((line * [side, 1, 1], 15.5, 2.4))
    return parts


def _on_cage(anatomy: Anatomy, points_xyz_mm: FloatArray, distance_mm: float) -> FloatArray:
    """Points moved along x and y until they are ``distance_mm`` outside the rib cage."""
    moved = np.array(points_xyz_mm)
    step = 2.0 * anatomy.size
    for _ in range(4):
        gap = distance_mm - anatomy.sample("cage", moved)
        slopes = [
            anatomy.sample("cage", moved + offset) - anatomy.sample("cage", moved - offset)
            for offset in step * np.eye(3)[:2]
        ]
        gradient = np.stack([*slopes, np.zeros_like(gap)], axis=1) / (2 * step)
        move = gradient * (gap / np.maximum((gradient**2).sum(axis=1), 0.2))[:, None]
        moved += np.clip(move, -12, 12)
    return moved


def draw_spine(hounsfield: Field, grid: Grid, anatomy: Anatomy, disc_phase: float) -> None:
    """Draw the vertebral column into ``hounsfield`` (shape ``grid.shape_zyx``), changed in place."""
    size, half_height = anatomy.size, HALF_HEIGHT_MM + 10
    box = grid.box(np.array([-40, 15, -half_height]) * size, np.array([40, 108, half_height]) * size)
    if box is None:
        return
    z, y, x = (grid.axis_mm(axis)[box[axis]] / size for axis in range(3))
    width = grid.pixel_mm / size
    # Height within a vertebra, 0 to 1, the disc first; behind the bodies everything hangs lower.
    behind = (y[None, :] - spine_y_mm(z, anatomy.spine_bow_mm)[:, None])[..., None]
    height = (z[:, None, None] + 0.5 * np.maximum(behind - 20, 0)) / VERTEBRA_MM + disc_phase
    from_middle = VERTEBRA_MM * (np.abs(height % 1 - 0.5))
    body = np.sqrt((x / 1.2) ** 2 + behind**2) - 14.5
    bone_body = np.maximum(body, from_middle - (VERTEBRA_MM - DISC_MM) / 2)
    arch = np.abs(np.hypot(x, behind - 21) - 10.5) - 2.2
    spinous = _common(np.abs(x) - 2.6, np.abs(behind - 37) - 8, from_middle - 7)
    transverse = _common(np.abs(np.abs(x) - 22) - 11, np.abs(behind - 20 - 0.15 * np.abs(x)) - 3.8, from_middle - 6)
    processes = np.minimum(spinous, transverse)
    local = hounsfield[box]
    for distance, value in ((body, 75), (bone_body, 430), (bone_body + 1.6, 190), (arch, 380), (processes, 400)):
        local += covered(distance.astype(np.float32), width) * (np.float32(value) - local)


def _common(*distances_mm: FloatArray) -> FloatArray:
    """Intersection of shapes given as signed distances that broadcast against each other."""
    return reduce(np.maximum, distances_mm)
