"""Nodules: where they sit, how they look, and the ball that annotates them.

An annotation is measured on what was drawn: the centre of mass and the diameter of a ball of the same volume.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from fedlung.imaging.geometry import FloatArray
from fedlung.imaging.phantom.anatomy import Anatomy
from fedlung.imaging.phantom.cases import FAINT, Kind, Wish
from fedlung.imaging.phantom.distractors import lung_points, to_depth
from fedlung.imaging.phantom.drawing import Tubes, joined, polyline
from fedlung.imaging.phantom.shapes import Shape, of_diameter, random_shape, unit_vectors

GAP_MM = 3.0
"""Least distance between the surfaces of two nodules."""
OUTER_RADIUS = 1.25
"""Lumps and stretching bring a surface about this many radii from the middle."""
TRIES = 400
SPECK_KEEPS_MM = 5.0
"""A finding of unknown diameter is judged as a ball of this radius: keep it off the nodules."""


@dataclass(frozen=True)
class Nodule:
    """One finding, ready to be drawn.

    Attributes:
        kind: what it is.
        center_xyz_mm: centre of mass of the visible part, patient mm, shape (3,).
        diameter_mm: diameter of a ball of the volume of the visible part.
        shape, shape_hu: outline and density.
        core, core_hu: the solid middle of a part-solid nodule.
        spikes: spicules around it, not counted in its volume.
    """

    kind: Kind
    center_xyz_mm: FloatArray
    diameter_mm: float
    shape: Shape
    shape_hu: float
    core: Shape | None
    core_hu: float
    spikes: Tubes | None


def place_nodules(
    wanted: Sequence[Wish], anatomy: Anatomy, vessels: Tubes, others: Tubes, rng: np.random.Generator
) -> list[Nodule]:
    """Find a place for each wish in turn; one that fits nowhere is left out.

    All kinds stay clear of ``others`` (airways, scars); those that should stand free, of ``vessels`` too.
    """
    points = lung_points(anatomy, 0.0)
    placed: list[Nodule] = []
    for wish in wanted:
        center = _find_center(wish, points, anatomy, vessels, others, placed, rng)
        if center is not None:
            placed.append(_make_nodule(wish, center, anatomy, rng))
    return placed


def _find_center(
    wish: Wish,
    points: FloatArray,
    anatomy: Anatomy,
    vessels: Tubes,
    others: Tubes,
    placed: list[Nodule],
    rng: np.random.Generator,
) -> FloatArray | None:
    """Middle for a nodule: the first try that is clear of everything, or the clearest one."""
    outer = OUTER_RADIUS * wish.diameter_mm / 2
    large = vessels.select(vessels.start_radii_mm > 0.9)
    free = wish.kind not in (Kind.VESSEL_ATTACHED, Kind.PLEURAL)
    best, best_gap = None, -np.inf
    for _ in range(TRIES):
        point = _candidate(wish, points, anatomy, vessels, rng)
        if point is None or not _fits(wish, point, anatomy, placed):
            continue
        gap = float(others.clearance_mm(point).min(initial=np.inf)) - outer
        if free:
            gap = min(gap, float(large.clearance_mm(point).min(initial=np.inf)) - outer)
        if gap > 1.0:
            return point
        if gap > best_gap:
            best, best_gap = point, gap
    return best


def _candidate(
    wish: Wish, points: FloatArray, anatomy: Anatomy, vessels: Tubes, rng: np.random.Generator
) -> FloatArray | None:
    """A random place of the right sort, not yet checked; None where there is none this time."""
    radius = wish.diameter_mm / 2
    if wish.kind is Kind.VESSEL_ATTACHED:
        number = int(rng.integers(len(vessels)))
        vessel_radius = float(vessels.start_radii_mm[number])
        if not 0.9 <= vessel_radius <= min(3.0, 0.7 * radius):
            return None
        start, end = vessels.starts_xyz_mm[number], vessels.ends_xyz_mm[number]
        aside = np.cross(end - start, rng.standard_normal(3))
        aside *= (0.7 * radius + 0.6 * vessel_radius) / max(float(np.linalg.norm(aside)), 1e-9)
        beside: FloatArray = start + rng.uniform() * (end - start) + aside
        return beside
    point: FloatArray = points[int(rng.integers(len(points)))] + rng.uniform(-2, 2, 3) * anatomy.size
    if wish.kind is Kind.PLEURAL and -float(anatomy.sample("lung", point)) < 4 * radius + 8:
        return to_depth(anatomy, point, rng.uniform(0.2, 0.7) * radius)
    return point


def _fits(wish: Wish, point: FloatArray, anatomy: Anatomy, placed: list[Nodule]) -> bool:
    """Whether a nodule is at the right depth and far enough from the others."""
    radius = wish.diameter_mm / 2
    depth = -float(anatomy.sample("lung", point))
    if wish.kind is Kind.PLEURAL:
        at_the_ribs = float(anatomy.sample("cage", point)) > -depth - 3 * anatomy.size
        if not (at_the_ribs and 0.15 * radius < depth < 0.8 * radius):
            return False
    elif depth < OUTER_RADIUS * radius + 2:
        return False
    keeps = max(OUTER_RADIUS * radius, SPECK_KEEPS_MM if wish.kind is Kind.SPECK else 0)
    return all(
        np.linalg.norm(point - other.center_xyz_mm) > keeps + OUTER_RADIUS * other.diameter_mm / 2 + GAP_MM
        for other in placed
    )


def _make_nodule(wish: Wish, center: FloatArray, anatomy: Anatomy, rng: np.random.Generator) -> Nodule:
    """Shape, density and annotation of a nodule of the wished volume."""
    radius = wish.diameter_mm / 2
    outline = random_shape(center, radius, rng.uniform(0.03, 0.1), rng)
    outline = replace(outline, inside_lung_only=wish.kind is Kind.PLEURAL)
    shape, diameter_mm, mass_center = of_diameter(outline, wish.diameter_mm, anatomy)
    core = None
    if wish.kind is Kind.PART_SOLID:
        core = random_shape(center + rng.uniform(-0.2, 0.2, 3) * radius, rng.uniform(0.35, 0.6) * radius, 0.08, rng)
    return Nodule(
        wish.kind,
        mass_center,
        diameter_mm,
        shape,
        _density_hu(wish.kind, rng),
        core,
        rng.uniform(-40, 60),
        _spikes(wish, center, rng),
    )


def _density_hu(kind: Kind, rng: np.random.Generator) -> float:
    """HU of the main part of a nodule."""
    low, high = {Kind.GROUND_GLASS: (-640, -380), Kind.PART_SOLID: (-640, -440)}.get(kind, (-50, 80))
    if kind is Kind.SPECK and rng.uniform() < 0.4:
        low, high = 200, 500
    return float(rng.uniform(low, high))


def _spikes(wish: Wish, center: FloatArray, rng: np.random.Generator) -> Tubes | None:
    """Fine spicules of about half of the larger nodules with a solid part."""
    radius = wish.diameter_mm / 2
    if radius < 4 or wish.kind in FAINT or rng.uniform() < 0.5:
        return None
    count = int(rng.integers(4, 10))
    lengths = rng.uniform(1.15, 1.6, count) * radius
    return joined(
        polyline(center + direction * np.array([[0.8 * radius], [length]]), np.array([0.7, 0.25]))
        for direction, length in zip(unit_vectors(rng, count), lengths, strict=True)
    )
