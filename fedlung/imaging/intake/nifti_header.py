"""The header of a NIfTI-1 file (``.nii``), read strictly: where voxels are and how they are stored, nothing else.

NIfTI may say twice where voxels are (qform and sform), and in RAS: x grows to the patient's Right, y to Anterior.
Our world is LPS, so x and y of every position change sign.

Format: https://nifti.nimh.nih.gov/pub/dist/src/niftilib/nifti1.h (348 bytes, then extensions up to ``vox_offset``).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from fedlung.errors import BadScan
from fedlung.imaging.geometry import DIRECTION_TOLERANCE, FloatArray, Geometry
from fedlung.imaging.metaimage_header import MAX_OFFSET_MM, MAX_VOXELS, MAX_VOXELS_PER_AXIS, SPACING_RANGE_MM

HEADER_BYTES = 348
MAX_VOXEL_OFFSET = 2**20
"""Extensions hold processing histories of a few kilobytes."""
DATA_TYPES = {2: "u1", 4: "i2", 8: "i4", 16: "f4", 64: "f8", 256: "i1", 512: "u2", 768: "u4"}
MAX_SLOPE = 100.0
MAX_INTERCEPT = 1e5
SAME_PLACE_MM = 0.5
"""How far the places that qform and sform give to a corner may differ; both are rounded to 32 bits."""

_MILLIMETRES = 2
_FIELDS = np.dtype(
    [
        ("sizeof_hdr", "<i4"),
        ("unused_1", "S35"),
        ("dim_info", "<u1"),
        ("dim", "<i2", 8),
        ("intent_p", "<f4", 3),
        ("intent_code", "<i2"),
        ("datatype", "<i2"),
        ("bitpix", "<i2"),
        ("slice_start", "<i2"),
        ("pixdim", "<f4", 8),
        ("vox_offset", "<f4"),
        ("scl_slope", "<f4"),
        ("scl_inter", "<f4"),
        ("unused_2", "S3"),
        ("xyzt_units", "<u1"),
        ("unused_3", "<f4", 4),
        ("unused_4", "<i4", 2),
        ("descrip", "S80"),
        ("aux_file", "S24"),
        ("qform_code", "<i2"),
        ("sform_code", "<i2"),
        ("quatern_bcd", "<f4", 3),
        ("qoffset_xyz", "<f4", 3),
        ("srow_xyz", "<f4", (3, 4)),
        ("intent_name", "S16"),
        ("magic", "S4"),
    ]
)
_TEXT_FIELDS = ("descrip", "aux_file", "intent_name")


@dataclass(frozen=True)
class NiftiHeader:
    """A header that passed every check.

    Attributes:
        geometry: the voxel grid, LPS.
        dtype: how one stored voxel looks, byte order included.
        slope, intercept: HU = stored value * slope + intercept.
        pixel_offset: where the voxels begin.
        texts: names of the fields with free text in them, which are dropped.
    """

    geometry: Geometry
    dtype: np.dtype[Any]
    slope: float
    intercept: float
    pixel_offset: int
    texts: tuple[str, ...]


def parse_nifti_header(content: bytes) -> NiftiHeader:
    """Check the first 348 bytes of a (decompressed) file.

    Raises:
        BadScan: a field is wrong or the place of the voxels is not told; the message names it.
    """
    fields, byte_order = _fields(content)
    geometry = _geometry(fields)
    code = int(fields["datatype"])
    if code not in DATA_TYPES:
        raise BadScan(f"datatype must be a plain number type, got {code}")
    dtype = np.dtype(byte_order + DATA_TYPES[code])
    if int(fields["bitpix"]) != dtype.itemsize * 8:
        raise BadScan(f"bitpix must be {dtype.itemsize * 8} for datatype {code}, got {fields['bitpix']}")
    offset = float(fields["vox_offset"])
    if not HEADER_BYTES + 4 <= offset <= MAX_VOXEL_OFFSET or offset != int(offset):
        raise BadScan(f"vox_offset must be a whole number of {HEADER_BYTES + 4} to {MAX_VOXEL_OFFSET}, got {offset:g}")
    slope, intercept = _scaling(fields)
    texts = tuple(name for name in _TEXT_FIELDS if bytes(fields[name]).strip(b"\0 "))
    extended = ("extensions",) if offset > HEADER_BYTES + 4 else ()
    return NiftiHeader(geometry, dtype, slope, intercept, int(offset), (*texts, *extended))


def _fields(content: bytes) -> tuple[Any, str]:
    """The fields as a record, and the byte order, which ``sizeof_hdr`` tells."""
    if len(content) < HEADER_BYTES:
        raise BadScan(f"the file is cut off: a NIfTI header has {HEADER_BYTES} bytes, got {len(content)}")
    byte_order = "<" if content[:4] == HEADER_BYTES.to_bytes(4, "little") else ">"
    fields = np.frombuffer(content, _FIELDS if byte_order == "<" else _FIELDS.newbyteorder(">"), count=1)[0]
    if fields["sizeof_hdr"] != HEADER_BYTES:
        raise BadScan(f"not a NIfTI-1 file: sizeof_hdr must be {HEADER_BYTES}")
    magic = bytes(fields["magic"])
    if magic == b"ni1":
        raise BadScan("the header of a pair (.hdr and .img) is not read; store the scan as one .nii file")
    if magic != b"n+1":
        raise BadScan("not a NIfTI-1 file: magic must be n+1")
    return fields, byte_order


def _geometry(fields: Any) -> Geometry:
    count, *sizes = (int(number) for number in fields["dim"])
    if not 3 <= count <= 7 or any(size != 1 for size in sizes[3:count]):
        raise BadScan(f"dim must be a single volume of three axes, got {[count, *sizes]}")
    x, y, z = sizes[:3]
    if not all(1 <= size <= MAX_VOXELS_PER_AXIS for size in (x, y, z)) or x * y * z > MAX_VOXELS:
        raise BadScan(f"dim must be 1 to {MAX_VOXELS_PER_AXIS} per axis and {MAX_VOXELS} in all, got {x} x {y} x {z}")
    # 0 says "unknown"; every tool that leaves it so writes millimetres.
    if int(fields["xyzt_units"]) & 7 not in (0, _MILLIMETRES):
        raise BadScan(f"xyzt_units must be millimetres, got {int(fields['xyzt_units']) & 7}")
    spacing_xyz = np.asarray(fields["pixdim"][1:4], dtype=float)
    low, high = SPACING_RANGE_MM
    if not np.isfinite(spacing_xyz).all() or not ((spacing_xyz >= low) & (spacing_xyz <= high)).all():
        raise BadScan(f"pixdim must be {low:g} to {high:g} mm along each axis, got {spacing_xyz.tolist()}")
    ras = _placement(fields, spacing_xyz, np.array([x, y, z]))
    to_lps = np.diag([-1.0, -1.0, 1.0])
    direction = to_lps @ ras[:, :3] / spacing_xyz
    origin_x, origin_y, origin_z = (to_lps @ ras[:, 3]).tolist()
    spacing_x, spacing_y, spacing_z = spacing_xyz.tolist()
    return Geometry(
        (z, y, x),
        (spacing_z, spacing_y, spacing_x),
        (origin_x, origin_y, origin_z),
        tuple(direction.ravel().tolist()),
    )


def _placement(fields: Any, spacing_xyz: FloatArray, shape_xyz: Any) -> FloatArray:
    """The 3x4 matrix from a voxel index (x, y, z, 1) to RAS mm; where both forms are given, they agree.

    Raises:
        BadScan: neither form is given, one is no rotation of the grid, or they tell different places.
    """
    forms: dict[str, FloatArray] = {}
    if int(fields["qform_code"]) > 0:
        forms["qform"] = _from_quaternion(fields, spacing_xyz)
    if int(fields["sform_code"]) > 0:
        forms["sform"] = np.asarray(fields["srow_xyz"], dtype=float)
    if not forms:
        raise BadScan("qform_code and sform_code are 0: the header does not say where and which way round the scan is")
    for name, matrix in forms.items():
        _check_rotation(name, matrix, spacing_xyz)
    *_, preferred = forms.values()
    for other in forms.values():
        corners = np.array([[0, 0, 0, 1], [*(shape_xyz - 1), 1]])
        apart_mm = float(np.abs(corners @ (other - preferred).T).max())
        if apart_mm > SAME_PLACE_MM:
            raise BadScan(f"qform and sform place the scan {apart_mm:.1f} mm apart, so one of them is wrong")
    return preferred


def _check_rotation(name: str, matrix: FloatArray, spacing_xyz: FloatArray) -> None:
    if not np.isfinite(matrix).all() or np.abs(matrix).max() > MAX_OFFSET_MM:
        raise BadScan(f"{name} must be finite and within {MAX_OFFSET_MM:g} mm")
    axes = matrix[:, :3] / spacing_xyz
    if not np.allclose(axes.T @ axes, np.eye(3), atol=DIRECTION_TOLERANCE / 4):
        raise BadScan(f"{name} must be a rotation of the grid with the steps of pixdim, without shear")


def _from_quaternion(fields: Any, spacing_xyz: FloatArray) -> FloatArray:
    """``nifti1.h``, method 2: a unit quaternion (a, b, c, d), and a flip of the third axis in ``pixdim[0]``."""
    b, c, d = (float(number) for number in fields["quatern_bcd"])
    rest = 1.0 - (b * b + c * c + d * d)
    if not rest > -DIRECTION_TOLERANCE:  # NaN compares false
        raise BadScan("quatern_b, quatern_c and quatern_d must be a rotation")
    a = math.sqrt(max(rest, 0.0))
    rotation = np.array(
        [
            [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
            [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
            [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - b * b - c * c],
        ]
    )
    flip = -1.0 if float(fields["pixdim"][0]) < 0 else 1.0
    offset = np.asarray(fields["qoffset_xyz"], dtype=float)
    return np.column_stack([rotation * spacing_xyz * (1.0, 1.0, flip), offset])


def _scaling(fields: Any) -> tuple[float, float]:
    slope, intercept = float(fields["scl_slope"]), float(fields["scl_inter"])
    # nifti1.h: a slope of 0 says that there is no scaling; some writers put NaN there.
    if slope == 0 or math.isnan(slope):
        return 1.0, 0.0
    if not 0 < slope <= MAX_SLOPE or not abs(intercept) <= MAX_INTERCEPT:
        raise BadScan(f"scl_slope and scl_inter must be a plain rescale to HU, got {slope:g} and {intercept:g}")
    return slope, intercept
