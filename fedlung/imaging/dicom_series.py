"""One CT series from a folder of DICOM files: every slice found, none twice, none missing, in the right place.

Slices come in any order and under any name; their place follows from ``ImagePositionPatient`` alone. What a
regular grid cannot hold (a missing slice, a tilted gantry, two series) is refused: the usual readers average the
gap away, and every nodule behind it moves.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import islice, pairwise
from pathlib import Path

import numpy as np

from fedlung.errors import BadScan
from fedlung.imaging.dicom_header import SliceHeader, read_slice_header
from fedlung.imaging.dicom_pixels import read_hounsfield
from fedlung.imaging.geometry import FloatArray, Geometry
from fedlung.imaging.jpeg_ls import jpeg_ls_decoder
from fedlung.imaging.metaimage_header import MAX_VOXELS, SPACING_RANGE_MM, naming_scan
from fedlung.imaging.volume import CTVolume

MAX_FILES = 3000
MIN_SLICES = 2
ORIENTATION_TOLERANCE = 1e-4
"""How far a cosine may differ between slices: headers carry about six digits."""
SPACING_TOLERANCE_MM = 1e-4
SAME_POSITION_MM = 1e-3
STEP_TOLERANCE = 0.01
"""How far a step may differ from the median step, as a share of it."""
MIN_STEP_TOLERANCE_MM = 0.01
"""Some scanners write positions with two decimals."""
MAX_TILT_DEGREES = 0.5
MAX_SIDEWAYS_MM = 1.0
"""How far a slice may lie beside the line along the normal through the first one: about a pixel and a half."""


def read_dicom_series(folder: Path) -> CTVolume:
    """Read the CT series in ``folder``; its ``series_uid`` is the ``SeriesInstanceUID``.

    Localizers, other kinds of DICOM objects (secondary captures, ``DICOMDIR``, reports), other files, hidden files,
    links and sub-folders are passed over.

    Returns:
        int16 HU, slices ordered along the normal (row direction x column direction).

    Raises:
        BadScan: no CT series or several, a slice that cannot be used, or slices that make no regular grid; the
            message names the file or the place.
    """
    return assemble_series(_the_series([header for path in _files(folder) if (header := read_slice_header(path))]))


def assemble_series(slices: Sequence[SliceHeader]) -> CTVolume:
    """The volume that the slices of one series make, in whatever order they come.

    Raises:
        BadScan: too few slices, pixels that cannot be used, or slices that make no regular grid.
    """
    if len(slices) < MIN_SLICES:
        raise BadScan(f"the series has {len(slices)} CT slice(s), expected at least {MIN_SLICES}")
    _check_alike(slices)
    ordered, geometry = _place(slices)
    voxels_zyx = np.empty(geometry.shape_zyx, np.int16)
    with jpeg_ls_decoder() as jpeg_ls:
        for voxels_yx, header in zip(voxels_zyx, ordered, strict=True):
            with naming_scan(header.path):
                voxels_yx[:] = read_hounsfield(header, jpeg_ls)
    return CTVolume(ordered[0].series_uid, voxels_zyx, geometry)


def _files(folder: Path) -> list[Path]:
    """Regular files, sorted by name; anything that could hang or lead elsewhere is not even opened."""
    try:
        with os.scandir(folder) as found:
            entries = list(islice(found, MAX_FILES + 1))
    except OSError as error:
        raise BadScan(f"{folder.name!r:.80} is not a folder that can be read: {error.strerror}") from None
    if len(entries) > MAX_FILES:
        raise BadScan(f"the folder holds more than {MAX_FILES} files, expected the slices of one CT series")
    plain = (entry for entry in entries if entry.is_file(follow_symlinks=False) and not entry.name.startswith("."))
    return sorted(folder / entry.name for entry in plain)


def _the_series(slices: Sequence[SliceHeader]) -> list[SliceHeader]:
    counts: dict[str, int] = {}
    for header in slices:
        counts[header.series_uid] = counts.get(header.series_uid, 0) + 1
    if len(counts) > 1:
        found = ", ".join(f"{uid} ({count} slices)" for uid, count in islice(counts.items(), 4))
        raise BadScan(f"the folder holds {len(counts)} CT series, expected one: {found}")
    if len(slices) < MIN_SLICES:
        raise BadScan(
            f"the folder holds {len(slices)} CT slices, expected at least {MIN_SLICES}"
            " (one slice per file; sub-folders and links are not followed)"
        )
    return list(slices)


def _check_alike(slices: Sequence[SliceHeader]) -> None:
    """Rows, columns, pixel spacing and orientation are the same in all slices, or it is no single grid."""
    first = slices[0]
    for other in slices[1:]:
        differences = {
            "Rows and Columns": (other.rows, other.columns) != (first.rows, first.columns),
            "PixelSpacing": _differ(other.spacing_yx_mm, first.spacing_yx_mm, SPACING_TOLERANCE_MM),
            "ImageOrientationPatient": _differ(other.orientation_xyz, first.orientation_xyz, ORIENTATION_TOLERANCE),
        }
        for name, differs in differences.items():
            if differs:
                raise BadScan(f"{name} differ between {first.path.name} and {other.path.name}")


def _differ(values: Sequence[float], others: Sequence[float], tolerance: float) -> bool:
    return not np.allclose(values, others, rtol=0, atol=tolerance)


def _place(slices: Sequence[SliceHeader]) -> tuple[list[SliceHeader], Geometry]:
    """Slices in their order along the normal, and the grid that they make.

    ``ImageOrientationPatient`` first gives the direction along a row, in which the column index (x) grows, then the
    direction down a column, in which the row index (y) grows; ``PixelSpacing`` first gives the distance between
    rows (y), then the distance between columns (x).
    """
    first = slices[0]
    x_axis, y_axis = np.reshape(first.orientation_xyz, (2, 3))
    normal = np.cross(x_axis, y_axis)
    normal /= np.linalg.norm(normal)
    ordered = sorted(slices, key=lambda header: float(np.dot(header.position_xyz_mm, normal)))
    positions = np.array([header.position_xyz_mm for header in ordered])
    _check_tilt(positions, normal)
    step_mm = _common_step_mm(ordered, positions, normal)
    shape_zyx = (len(ordered), first.rows, first.columns)
    if shape_zyx[0] * shape_zyx[1] * shape_zyx[2] > MAX_VOXELS:
        raise BadScan(f"the series must be {MAX_VOXELS} voxels in all at most, got {shape_zyx}")
    x, y, z = positions[0].tolist()
    direction_xyz = tuple(np.stack([x_axis, y_axis, normal], axis=1).ravel().tolist())
    return ordered, Geometry(shape_zyx, (step_mm, *first.spacing_yx_mm), (x, y, z), direction_xyz)


def _check_tilt(positions_xyz_mm: FloatArray, normal: FloatArray) -> None:
    """The stack must grow along the normal of its slices; a tilted gantry shears it."""
    offsets = positions_xyz_mm - positions_xyz_mm[0]
    along = offsets @ normal
    sideways = np.linalg.norm(offsets - along[:, None] * normal, axis=1)
    tilt_degrees = float(np.degrees(np.arctan2(sideways[-1], along[-1])))
    if sideways.max() > SAME_POSITION_MM and tilt_degrees > MAX_TILT_DEGREES:
        raise BadScan(
            f"the gantry was tilted: the slices follow each other at {tilt_degrees:.1f} degrees to their normal,"
            f" at most {MAX_TILT_DEGREES} is read"
        )
    if sideways.max() > MAX_SIDEWAYS_MM:
        raise BadScan(f"slices lie up to {sideways.max():.1f} mm beside each other, at most {MAX_SIDEWAYS_MM} is read")


def _common_step_mm(ordered: Sequence[SliceHeader], positions_xyz_mm: FloatArray, normal: FloatArray) -> float:
    """Distance between neighbouring slices along the normal, which must be the same everywhere."""
    along = positions_xyz_mm @ normal
    steps = np.diff(along)
    # The world axis nearest to the normal: z for the usual axial slices.
    axis = int(np.argmax(np.abs(normal)))
    median = float(np.median(steps))
    tolerance = max(STEP_TOLERANCE * median, MIN_STEP_TOLERANCE_MM)
    for step, (before, after) in zip(steps.tolist(), pairwise(ordered), strict=True):
        if step < SAME_POSITION_MM:
            raise BadScan(f"{before.path.name} and {after.path.name} are slices at the same position")
        if abs(step - median) <= tolerance:
            continue
        low, high = sorted((before.position_xyz_mm[axis], after.position_xyz_mm[axis]))
        place = f"between {'xyz'[axis]} = {low:.2f} and {high:.2f} mm"
        if step > 1.5 * median:
            raise BadScan(f"a slice is missing {place}: a step of {step:.2f} mm, elsewhere {median:.2f} mm")
        raise BadScan(f"the slices are unevenly spaced {place}: a step of {step:.2f} mm, elsewhere {median:.2f} mm")
    mean_mm = float(along[-1] - along[0]) / len(steps)
    if not SPACING_RANGE_MM[0] <= mean_mm <= SPACING_RANGE_MM[1]:
        raise BadScan(f"the slices must be {SPACING_RANGE_MM[0]} to {SPACING_RANGE_MM[1]} mm apart, got {mean_mm:g}")
    return mean_mm
