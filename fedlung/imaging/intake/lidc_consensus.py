"""From what several radiologists drew to one list of findings, by LUNA16's rule.

Nodules of different readers that are closer than the sum of their radii are one; its centre and diameter are the
means. With three readers of four or more it is a nodule, with fewer, and for all smaller marks, a place to ignore
(Setio et al. 2017, "Validation, comparison, and combination of algorithms for automatic detection of pulmonary
nodules in CT images: the LUNA16 challenge", Med Image Anal 42).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fedlung.errors import BadAnnotations
from fedlung.imaging.annotations import UNSIZED_DIAMETER_MM
from fedlung.imaging.geometry import FloatArray, Geometry
from fedlung.imaging.intake.lidc_xml import Contour, LidcMessage, equivalent_diameter_mm, inner_pixels

AGREEING_SHARE = 0.75
SMALLEST_OUTLINED_MM = 3.0
"""LIDC's rule: outlines are drawn from 3 mm on, so a coarser estimate never makes a nodule smaller."""
STRAIGHT_COSINE = 0.999


@dataclass(frozen=True, eq=False)
class Ball:
    """A finding of one reader or of several, world mm (LPS)."""

    center_xyz_mm: FloatArray
    diameter_mm: float


def consensus(message: LidcMessage, grid: Geometry) -> tuple[list[Ball], list[Ball]]:
    """Nodules, and places to ignore, of a message on the pixel grid that it was drawn on.

    Raises:
        BadAnnotations: the slices of ``grid`` are not axial, so that a slice has no single z.
    """
    if abs(grid.direction[2, 2]) < STRAIGHT_COSINE:
        raise BadAnnotations("LIDC outlines need axial slices, and those of this scan are oblique")
    clusters: list[dict[int, Ball]] = []
    for reader, reading in enumerate(message.readings):
        for nodule in reading.nodules:
            _join(clusters, reader, _ball(nodule, grid))
    needed = math.ceil(AGREEING_SHARE * len(message.readings))
    nodules = [_mean(list(cluster.values())) for cluster in clusters if len(cluster) >= needed]
    ignored = [_mean(list(cluster.values())) for cluster in clusters if len(cluster) < needed]
    for reading in message.readings:
        for mark in reading.points:
            point = Ball(_world(mark, grid), UNSIZED_DIAMETER_MM)
            if not any(_distance(point, nodule) < nodule.diameter_mm / 2 for nodule in nodules):
                ignored.append(point)
    return nodules, ignored


def _join(clusters: list[dict[int, Ball]], reader: int, ball: Ball) -> None:
    """Put a reader's nodule to those of the others, or begin a new cluster; a reader counts once in each."""
    for cluster in clusters:
        others = _mean(list(cluster.values()))
        if reader not in cluster and _distance(ball, others) < (ball.diameter_mm + others.diameter_mm) / 2:
            cluster[reader] = ball
            return
    clusters.append({reader: ball})


def _ball(contours: Sequence[Contour], grid: Geometry) -> Ball:
    """The ball of a reader's outlines: centre weighted by area, diameter of a ball of their volume."""
    voxel_mm3 = float(np.prod(grid.spacing_zyx_mm))
    pixels = [inner_pixels(contour.pixels_xy) * (-1 if contour.is_hole else 1) for contour in contours]
    centers = np.array([_world(contour, grid) for contour in contours])
    # One more pixel each, so that outlines around nothing still have a centre.
    weights = np.abs(pixels) + 1
    center = (centers * weights[:, None]).sum(axis=0) / weights.sum()
    diameter_mm = equivalent_diameter_mm(max(sum(pixels), 0.0) * voxel_mm3)
    return Ball(center, max(diameter_mm, SMALLEST_OUTLINED_MM))


def _world(contour: Contour, grid: Geometry) -> FloatArray:
    """World place of the middle of an outline; its slice is told by z in mm, its pixels by column and row."""
    x, y = contour.pixels_xy.mean(axis=0).tolist()
    first = grid.index_to_world((0.0, y, x))
    z = (contour.z_mm - float(first[2])) / (grid.spacing_zyx_mm[0] * float(grid.direction[2, 2]))
    return grid.index_to_world((z, y, x))


def _mean(balls: Sequence[Ball]) -> Ball:
    center = np.mean([ball.center_xyz_mm for ball in balls], axis=0)
    return Ball(center, float(np.mean([ball.diameter_mm for ball in balls])))


def _distance(ball: Ball, other: Ball) -> float:
    return float(np.linalg.norm(ball.center_xyz_mm - other.center_xyz_mm))
