"""The header of one DICOM CT slice, read strictly: where its voxels are and what they mean, and nothing else.

Every number is checked before anything is done with it; what is not understood is refused, with one sentence
that names the element and never quotes one that could identify a patient.

Format: DICOM PS3.10 section 7 (file meta information), PS3.3 C.7.6.2 (image plane), C.7.6.3 (image pixel),
C.8.2.1 (CT image). The pixels are the business of ``fedlung.imaging.dicom_pixels``.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path

import numpy as np

from fedlung.errors import BadScan
from fedlung.imaging.dicom_elements import PIXEL_DATA, UNDEFINED_LENGTH, ElementWalk
from fedlung.imaging.geometry import DIRECTION_TOLERANCE
from fedlung.imaging.metaimage_header import MAX_OFFSET_MM, SPACING_RANGE_MM, naming_scan, open_regular_file

MAX_FILE_BYTES = 64 * 2**20
PIXELS_PER_AXIS = (16, 2048)
MAX_RESCALE_SLOPE = 100.0
MAX_RESCALE_INTERCEPT = 1e5
SLICE_SUFFIXES = (".dcm", ".dicom", ".ima")
"""A file that is named like a slice and is not DICOM is a slice that was lost, not a file to pass over."""

CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"
ENHANCED_CT_IMAGES = ("1.2.840.10008.5.1.4.1.1.2.1", "1.2.840.10008.5.1.4.1.1.2.2")

IMPLICIT = "1.2.840.10008.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
RLE = "1.2.840.10008.1.2.5"
JPEG_2000 = "1.2.840.10008.1.2.4.90"
_READ_SYNTAXES = (IMPLICIT, EXPLICIT, RLE, JPEG_2000)
_UNREADABLE_HEADERS = {"1.2.840.10008.1.2.1.99": "deflated", "1.2.840.10008.1.2.2": "big endian"}
_OTHER_SYNTAXES = {
    "1.2.840.10008.1.2.4.50": "lossy JPEG",
    "1.2.840.10008.1.2.4.51": "lossy JPEG",
    "1.2.840.10008.1.2.4.57": "JPEG Lossless",
    "1.2.840.10008.1.2.4.70": "JPEG Lossless",
    "1.2.840.10008.1.2.4.80": "JPEG-LS",
    "1.2.840.10008.1.2.4.81": "lossy JPEG-LS",
    "1.2.840.10008.1.2.4.91": "lossy JPEG 2000",
}

_PREFIX_BYTES = 128
_META_TAGS = {0x00020002: "MediaStorageSOPClassUID", 0x00020010: "TransferSyntaxUID"}
_LAST_META_TAG = 0x0002FFFF
_TAGS = {
    0x00080008: "ImageType",
    0x00080060: "Modality",
    0x0020000E: "SeriesInstanceUID",
    0x00200032: "ImagePositionPatient",
    0x00200037: "ImageOrientationPatient",
    0x00280002: "SamplesPerPixel",
    0x00280008: "NumberOfFrames",
    0x00280010: "Rows",
    0x00280011: "Columns",
    0x00280030: "PixelSpacing",
    0x00280100: "BitsAllocated",
    0x00280101: "BitsStored",
    0x00280102: "HighBit",
    0x00280103: "PixelRepresentation",
    0x00280120: "PixelPaddingValue",
    0x00281052: "RescaleIntercept",
    0x00281053: "RescaleSlope",
    0x00281054: "RescaleType",
}
_UID = re.compile(r"[0-9.]{1,64}", re.ASCII)
_DECIMAL = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)


@dataclass(frozen=True)
class SliceHeader:
    """One slice of a CT series whose header passed every check.

    Attributes:
        spacing_yx_mm: distance between rows, distance between columns.
        orientation_xyz: world direction (LPS) along a row, then down a column: six cosines.
        position_xyz_mm: world position of the centre of the first pixel.
        signed: stored values are two's complement.
        slope, intercept: HU = stored value * slope + intercept.
        padding: stored value of pixels outside the field of view, or None.
        pixel_offset, pixel_bytes: where the value of ``PixelData`` lies in the file; when it is compressed, to
            the end of the file.
    """

    path: Path
    series_uid: str
    transfer_syntax: str
    rows: int
    columns: int
    spacing_yx_mm: tuple[float, float]
    orientation_xyz: tuple[float, ...]
    position_xyz_mm: tuple[float, float, float]
    bits_stored: int
    signed: bool
    slope: float
    intercept: float
    padding: int | None
    pixel_offset: int
    pixel_bytes: int

    @property
    def compressed(self) -> bool:
        return self.transfer_syntax not in (IMPLICIT, EXPLICIT)


def read_slice_header(path: Path) -> SliceHeader | None:
    """Header of a CT slice, or None for anything else: no DICOM, another kind of object, a localizer.

    Raises:
        BadScan: a CT slice, or something that is named like one, that cannot be used.
    """
    with naming_scan(path), open_regular_file(path) as file:
        if file.read(_PREFIX_BYTES + 4)[_PREFIX_BYTES:] != b"DICM":
            if path.suffix.lower() in SLICE_SUFFIXES or not os.fstat(file.fileno()).st_size:
                raise BadScan("is not a DICOM file")
            return None
        meta = ElementWalk(file, explicit=True).collect(_META_TAGS, _LAST_META_TAG)
        sop_class = _text(meta, "MediaStorageSOPClassUID")
        if sop_class in ENHANCED_CT_IMAGES:
            raise BadScan("an Enhanced CT file with several frames is not read, only one slice per file")
        return _ct_slice(path, file, _text(meta, "TransferSyntaxUID")) if sop_class == CT_IMAGE else None


def _ct_slice(path: Path, file: BufferedReader, transfer_syntax: str) -> SliceHeader | None:
    file_bytes = os.fstat(file.fileno()).st_size
    if file_bytes > MAX_FILE_BYTES:
        raise BadScan(f"a slice must be at most {MAX_FILE_BYTES} bytes long, got {file_bytes}")
    if transfer_syntax in _UNREADABLE_HEADERS:
        raise _unread_syntax(_UNREADABLE_HEADERS[transfer_syntax])
    walk = ElementWalk(file, explicit=transfer_syntax != IMPLICIT)
    values = walk.collect(_TAGS, PIXEL_DATA - 1)
    if _text(values, "Modality") != "CT" or "LOCALIZER" in _text(values, "ImageType", "").split("\\"):
        return None
    if transfer_syntax not in _READ_SYNTAXES:
        raise _unread_syntax(_OTHER_SYNTAXES.get(transfer_syntax, f"transfer syntax {transfer_syntax!r:.70}"))
    _check_fixed_values(values)
    tag, length = walk.next_element()
    if tag != PIXEL_DATA:
        raise BadScan("PixelData is missing")
    offset = file.tell()
    header = _slice_header(path, values, transfer_syntax, offset, file_bytes - offset)
    return _with_checked_length(header, length)


def _unread_syntax(what: str) -> BadScan:
    return BadScan(f"the file is {what}, which is not read; export the series uncompressed (Explicit VR Little Endian)")


def _check_fixed_values(values: Mapping[str, bytes]) -> None:
    """Elements of which this project reads one value only."""
    for name, allowed in (("SamplesPerPixel", 1), ("BitsAllocated", 16)):
        if (number := _unsigned(values, name)) != allowed:
            raise BadScan(f"{name} must be {allowed}, got {number}")
    if (frames := _text(values, "NumberOfFrames", "1")) != "1":
        raise BadScan(f"NumberOfFrames must be 1, got {frames!r:.20}")
    if (unit := _text(values, "RescaleType", "HU")) not in ("HU", ""):
        raise BadScan(f"RescaleType must be HU, got {unit!r:.20}")
    if (high, stored := (_unsigned(values, "HighBit"), _unsigned(values, "BitsStored")))[0] != stored - 1:
        raise BadScan(f"HighBit must be BitsStored - 1 = {stored - 1}, got {high}")
