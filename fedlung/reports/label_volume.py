"""The reported marks of a scan as one label map, on any grid: what a DICOM segmentation is made of."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fedlung.imaging.geometry import Geometry
from fedlung.reports.marked_scan import ReportedMark


def label_volume(
    marks: Sequence[ReportedMark], mask_zyx: NDArray[np.uint8], prepared: Geometry, target: Geometry
) -> NDArray[np.uint8]:
    """Label i where ``marks[i - 1]`` is, 0 elsewhere.

    Args:
        marks: at most 255, the best first: where two touch, it keeps its voxels.
        mask_zyx: label j = candidate j, on the grid ``prepared``.
        target: grid of the result.

    Returns:
        uint8, shape ``target.shape_zyx``; every mark that lies in the grid has a voxel at least.
    """
    labels = np.zeros(target.shape_zyx, dtype=np.uint8)
    numbered = list(enumerate(marks, start=1))
    for number, item in reversed(numbered):
        box, world = _around(item, target)
        inside = _in_mask(item, world, mask_zyx, prepared) if item.label is not None else _in_ball(item, world)
        labels[box][inside] = number
    for number, item in reversed(numbered):
        middle = np.rint(target.world_to_index(item.mark.center_xyz_mm)).astype(int)
        # A small nodule between two thick slices, or one that a better mark covers.
        if target.contains(item.mark.center_xyz_mm) and not (labels[_around(item, target)[0]] == number).any():
            labels[tuple(np.clip(middle, 0, np.asarray(labels.shape) - 1))] = number
    return labels


def _around(item: ReportedMark, target: Geometry) -> tuple[tuple[slice, ...], NDArray[np.float64]]:
    """The box of ``target`` that can hold the nodule, and the world points (…, 3) of its voxels."""
    reach = np.ceil(item.mark.diameter_mm / np.asarray(target.spacing_zyx_mm)).astype(int) + 1
    middle = np.rint(target.world_to_index(item.mark.center_xyz_mm)).astype(int)
    low = np.clip(middle - reach, 0, target.shape_zyx)
    high = np.clip(middle + reach + 1, low, target.shape_zyx)
    grid = np.stack(np.meshgrid(*map(np.arange, low, high), indexing="ij"), axis=-1)
    return tuple(slice(a, b) for a, b in zip(low.tolist(), high.tolist(), strict=True)), target.index_to_world(grid)


def _in_ball(item: ReportedMark, world: NDArray[np.float64]) -> NDArray[np.bool_]:
    distances_mm = np.linalg.norm(world - np.asarray(item.mark.center_xyz_mm), axis=-1)
    return np.asarray(distances_mm <= item.mark.diameter_mm / 2)


def _in_mask(
    item: ReportedMark, world: NDArray[np.float64], mask_zyx: NDArray[np.uint8], prepared: Geometry
) -> NDArray[np.bool_]:
    """Whether the nearest voxel of the mask is this candidate's."""
    index = np.rint(prepared.world_to_index(world)).astype(int)
    known = ((index >= 0) & (index < mask_zyx.shape)).all(axis=-1)
    inside = np.zeros(known.shape, dtype=bool)
    inside[known] = mask_zyx[tuple(index[known].T)] == item.label
    return inside
