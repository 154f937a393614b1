"""From a patient's anatomy to voxels: paint every tissue in the order in which it covers the others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from fedlung.imaging.phantom.anatomy import FIELDS, HALF_EXTENT_ZYX_MM, STEP_MM, Anatomy
from fedlung.imaging.phantom.bones import CORTEX_MM, Skeleton, draw_spine
from fedlung.imaging.phantom.cases import FAINT
from fedlung.imaging.phantom.drawing import Field, Grid, Tubes, covered, draw_tubes
from fedlung.imaging.phantom.nodules import Nodule
from fedlung.imaging.phantom.shapes import draw_shape
from fedlung.imaging.phantom.tree import LungTrees

Indices = NDArray[np.intp]

AIR_HU, FAT_HU, MEDIASTINAL_FAT_HU, SKIN_HU = -1000.0, -105.0, -85.0, 10.0
CORTEX_HU, MARROW_HU, BLOOD_HU, LUMEN_HU = 650.0, 220.0, 42.0, -985.0
FISSURE_HU, GRAIN_HU = 110.0, 14.0
CLOSED_MM = 4.0
"""No airway lumen within this distance of the lung surface: at the hilum soft tissue parts windpipe and lung, so
that a plain threshold finds two lungs."""


@dataclass(frozen=True)
class Patient:
    """Everything that is drawn of one patient."""

    anatomy: Anatomy
    skeleton: Skeleton
    trees: LungTrees
    distractors: Tubes
    nodules: list[Nodule]
    disc_phase: float
    grain: Field
    """Fine texture of the parenchyma: a periodic block, unit variance."""


def make_grain(rng: np.random.Generator, edge: int = 48) -> Field:
    """A periodic block of texture with a grain of about two voxels."""
    block = ndimage.gaussian_filter(rng.standard_normal((edge,) * 3), 1.0, mode="wrap")
    return np.asarray(block / block.std(), dtype=np.float32)


def paint(patient: Patient, grid: Grid, table: bool) -> Field:
    """HU on the thin planes of a scanner, shape ``grid.shape_zyx``: no blur, no noise yet."""
    hounsfield = _paint_tissues(patient, grid, table)
    draw_spine(hounsfield, grid, patient.anatomy, patient.disc_phase)
    for nodule in patient.nodules:
        if nodule.kind in FAINT:
            draw_shape(hounsfield, grid, nodule.shape, nodule.shape_hu, patient.anatomy)
    _paint_trees(hounsfield, patient, grid)
    for nodule in patient.nodules:
        if nodule.core is not None:
            draw_shape(hounsfield, grid, nodule.core, nodule.core_hu, patient.anatomy)
        if nodule.kind not in FAINT:
            draw_shape(hounsfield, grid, nodule.shape, nodule.shape_hu, patient.anatomy)
    return hounsfield


def _paint_tissues(patient: Patient, grid: Grid, table: bool) -> Field:
    """Body wall, inner organs, ribs and lungs, plane by plane."""
    bones = np.zeros(grid.shape_zyx, dtype=np.float32)
    draw_tubes(bones, grid, patient.skeleton.bones)
    planes = _Planes(patient.anatomy, grid)
    outside = _surroundings(patient.anatomy, grid, table)
    hounsfield = np.empty(grid.shape_zyx, dtype=np.float32)
    for number in range(grid.shape_zyx[0]):
        hounsfield[number] = _tissue_plane(
            planes.at(number), outside, bones[number], grid.pixel_mm, _tiled(patient.grain, number, grid)
        )
    return hounsfield


def _tissue_plane(field: dict[str, Field], outside: Field, bone_mm: Field, width: float, grain: Field) -> Field:
    """One plane: later tissues cover earlier ones by the part of a voxel that they fill."""
    image = outside.copy()
    body, soft = field["body"], field["soft_hu"]
    _cover(image, covered(body, width), SKIN_HU)
    _cover(image, covered(body + 2, width), FAT_HU)
    _cover(image, covered(np.maximum(field["muscle"], body + 4), width), soft)
    inside_cage = field["cage"] + 1
    _cover(image, covered(inside_cage, width), MEDIASTINAL_FAT_HU)
    _cover(image, covered(np.maximum(field["organs"], inside_cage), width), soft)
    _cover(image, np.minimum(bone_mm * np.float32(1 / width), 1), CORTEX_HU)
    _cover(image, np.clip((bone_mm - CORTEX_MM) * np.float32(1 / width), 0, 1), MARROW_HU)
    fissure: Field = np.clip(1 - np.abs(field["fissure"]) * np.float32(1 / width), 0, 1)
    _cover(image, covered(field["lung"], width), field["lung_hu"] + GRAIN_HU * grain + FISSURE_HU * fissure)
    return image


def _cover(image: Field, part: Field, value_hu: Field | float) -> None:
    change = np.subtract(value_hu, image, dtype=np.float32)
    change *= part
    image += change


def _paint_trees(hounsfield: Field, patient: Patient, grid: Grid) -> None:
    """Vessels, airway walls, rib sheaths and distractors in soft tissue, then the air in the airways."""
    soft, air = np.zeros((2, *grid.shape_zyx), dtype=np.float32)
    spikes = [nodule.spikes for nodule in patient.nodules if nodule.spikes is not None]
    trees, sheaths = patient.trees, patient.skeleton.sheaths
    for tubes in (trees.vessels, trees.walls, sheaths, patient.distractors, *spikes):
        draw_tubes(soft, grid, tubes)
    draw_tubes(air, grid, patient.trees.lumina)
    planes = _Planes(patient.anatomy, grid, ("lung", "organs"))
    width = np.float32(grid.pixel_mm)
    for number, image in enumerate(hounsfield):
        part = np.minimum(soft[number] / width, 1)
        image += part * np.maximum(BLOOD_HU - image, 0)
        if air[number].any():
            field = planes.at(number)
            open_part = np.clip(np.minimum(np.abs(field["lung"]) - CLOSED_MM, field["organs"]), 0, 1)
            _cover(image, np.minimum(air[number] / width, 1) * open_part, LUMEN_HU)


class _Planes:
    """Fields of an anatomy on the planes of a grid, interpolated one plane at a time."""

    def __init__(self, anatomy: Anatomy, grid: Grid, names: tuple[str, ...] = FIELDS) -> None:
        self._fields = {
            name: anatomy.fields[name] * np.float32(1.0 if name.endswith("_hu") else anatomy.size) for name in names
        }
        self._z, self._y, self._x = (_places(grid, anatomy, axis) for axis in range(3))
        self._refined: dict[int, dict[str, Field]] = {}

    def at(self, number: int) -> dict[str, Field]:
        """Every field on plane ``number``, distances in patient mm."""
        below, part = int(self._z[0][number]), self._z[1][number]
        # Neighbouring planes lie between the same two planes of the anatomy: keep those two.
        self._refined = {coarse: self._refined.get(coarse) or self._refine(coarse) for coarse in (below, below + 1)}
        low, high = self._refined[below], self._refined[below + 1]
        return {name: low[name] + part * (high[name] - low[name]) for name in low}

    def _refine(self, coarse: int) -> dict[str, Field]:
        return {name: _between(_between(field[coarse].T, *self._y).T, *self._x) for name, field in self._fields.items()}


def _between(image: Field, below: Indices, part: Field) -> Field:
    """Linear interpolation of the columns of an image: ``below`` and the one after it, mixed by ``part``."""
    low, high = image[:, below], image[:, below + 1]
    mixed: Field = low + part * (high - low)
    return mixed


def _places(grid: Grid, anatomy: Anatomy, axis: int) -> tuple[Indices, Field]:
    """Anatomy index below each voxel along an axis, and the way to the next one, 0 to 1."""
    last = 2 * HALF_EXTENT_ZYX_MM[axis] / STEP_MM
    index = np.clip((grid.axis_mm(axis) / anatomy.size + HALF_EXTENT_ZYX_MM[axis]) / STEP_MM, 0, last - 1e-6)
    below = index.astype(np.intp)
    return below, (index - below).astype(np.float32)


def _tiled(block: Field, number: int, grid: Grid) -> Field:
    """One plane of the periodic block, repeated over the whole plane of the grid."""
    edge = len(block)
    rows, columns = (np.arange(count) % edge for count in grid.shape_zyx[1:])
    plane: Field = block[number % edge][np.ix_(rows, columns)]
    return plane


def _surroundings(anatomy: Anatomy, grid: Grid, table: bool) -> Field:
    """Air, and under the back the table: a thin shell filled with foam, wider than the picture."""
    y, x = np.meshgrid(grid.axis_mm(1), grid.axis_mm(2), indexing="ij")
    image = np.full(y.shape, AIR_HU, dtype=np.float32)
    if table:
        middle = np.array([0.0, 0.0, -40.0]) * anatomy.size
        column = middle + np.stack([0 * grid.axis_mm(1), grid.axis_mm(1), 0 * grid.axis_mm(1)], axis=1)
        back = float(grid.axis_mm(1)[anatomy.sample("body", column) < 0].max())
        depth = (back + 5 - 0.0006 * x**2 - y).astype(np.float32)
        _cover(image, covered(np.maximum(depth, -depth - 26), grid.pixel_mm), -250.0)
        _cover(image, covered(np.maximum(depth + 2, -depth - 24), grid.pixel_mm), -920.0)
    return image
