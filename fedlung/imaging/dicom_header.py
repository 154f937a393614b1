"""The header of one DICOM CT slice, read strictly: where its voxels are and what they mean, and nothing else.

Every number is checked before anything is done with it; what is not understood is refused, with one sentence
that names the element and never quotes one that could identify a patient.

Format: DICOM PS3.10 section 7 (file meta information), PS3.3 C.7.6.2 (image plane), C.7.6.3 (image pixel),
C.8.2.1 (CT image). The pixels are the business of ``fedlung.imaging.dicom_pixels``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
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
MAX_COMPRESSED_OVERHEAD = 2**16
"""Lossless compression never doubles a slice; this much is left for stream headers and what follows the pixels."""
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
JPEG_LOSSLESS = "1.2.840.10008.1.2.4.70"
JPEG_LOSSLESS_ANY_PREDICTOR = "1.2.840.10008.1.2.4.57"
JPEG_LS = "1.2.840.10008.1.2.4.80"
_READ_SYNTAXES = (IMPLICIT, EXPLICIT, RLE, JPEG_2000, JPEG_LOSSLESS, JPEG_LOSSLESS_ANY_PREDICTOR, JPEG_LS)
_UNREADABLE_HEADERS = {"1.2.840.10008.1.2.1.99": "deflated", "1.2.840.10008.1.2.2": "big endian"}
_OTHER_SYNTAXES = {
    "1.2.840.10008.1.2.4.50": "lossy JPEG",
    "1.2.840.10008.1.2.4.51": "lossy JPEG",
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


def is_dicom(path: Path) -> bool:
    """Whether the file begins as PS3.10 wants it; says nothing about what it holds.

    Raises:
        BadScan: not a regular file.
    """
    with open_regular_file(path) as file:
        return file.read(_PREFIX_BYTES + 4)[_PREFIX_BYTES:] == b"DICM"


def collect_elements(path: Path, wanted: Mapping[int, str]) -> dict[str, bytes]:
    """The raw values of top-level elements before the pixels (tag -> name in, name -> value out), nothing checked.

    Raises:
        BadScan: no DICOM file whose header can be walked.
    """
    with open_regular_file(path) as file:
        if file.read(_PREFIX_BYTES + 4)[_PREFIX_BYTES:] != b"DICM":
            raise BadScan("is not a DICOM file")
        meta = ElementWalk(file, explicit=True).collect(_META_TAGS, _LAST_META_TAG)
        transfer_syntax = _text(meta, "TransferSyntaxUID")
        if transfer_syntax in _UNREADABLE_HEADERS:
            raise _unread_syntax(_UNREADABLE_HEADERS[transfer_syntax])
        return ElementWalk(file, explicit=transfer_syntax != IMPLICIT).collect(wanted, PIXEL_DATA - 1)


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
        raise _unread_syntax(_OTHER_SYNTAXES.get(transfer_syntax, f"in the transfer syntax {transfer_syntax!r:.70}"))
    _check_fixed_values(values)
    tag, length = walk.next_element()
    if tag != PIXEL_DATA:
        raise BadScan("PixelData is missing")
    return _slice_header(path, values, transfer_syntax, offset=file.tell(), declared=length, file_bytes=file_bytes)


def _unread_syntax(what: str) -> BadScan:
    return BadScan(f"the file is {what}, which is not read; export the series uncompressed (Explicit VR Little Endian)")


def _check_fixed_values(values: Mapping[str, bytes]) -> None:
    """Elements of which this project reads one value only."""
    for name, allowed in (("SamplesPerPixel", 1), ("BitsAllocated", 16)):
        if (number := _unsigned(values, name)) != allowed:
            raise BadScan(f"{name} must be {allowed}, got {number}")
    if (frames := _text(values, "NumberOfFrames", "1")) != "1":
        raise BadScan(f"NumberOfFrames must be 1, got {frames!r:.20}")
    # US says "unspecified": GDCM writes it over the HU of the file that it converts.
    if (unit := _text(values, "RescaleType", "HU")) not in ("HU", "US"):
        raise BadScan(f"RescaleType must be HU, got {unit!r:.20}")
    high_bit, bits_stored = _unsigned(values, "HighBit"), _unsigned(values, "BitsStored")
    if high_bit != bits_stored - 1:
        raise BadScan(f"HighBit must be one less than BitsStored, got {high_bit} and {bits_stored}")


def _slice_header(
    path: Path, values: Mapping[str, bytes], transfer_syntax: str, *, offset: int, declared: int, file_bytes: int
) -> SliceHeader:
    """``offset`` and ``declared``: where the value of PixelData begins, and its length according to the header."""
    series_uid = _text(values, "SeriesInstanceUID")
    if not _UID.fullmatch(series_uid):
        raise BadScan("SeriesInstanceUID must be digits and dots, at most 64")
    rows, columns = (_unsigned(values, name, *PIXELS_PER_AXIS) for name in ("Rows", "Columns"))
    spacing_y, spacing_x = _decimals(values, "PixelSpacing", 2, *SPACING_RANGE_MM)
    x, y, z = _decimals(values, "ImagePositionPatient", 3, -MAX_OFFSET_MM, MAX_OFFSET_MM)
    signed = bool(_unsigned(values, "PixelRepresentation", 0, 1))
    compressed = transfer_syntax not in (IMPLICIT, EXPLICIT)
    pixel_bytes = _pixel_bytes(rows * columns * 2, compressed, declared, file_bytes - offset)
    return SliceHeader(
        path=path,
        series_uid=series_uid,
        transfer_syntax=transfer_syntax,
        rows=rows,
        columns=columns,
        spacing_yx_mm=(spacing_y, spacing_x),
        orientation_xyz=_orientation_xyz(values),
        position_xyz_mm=(x, y, z),
        bits_stored=_unsigned(values, "BitsStored", 8, 16),
        signed=signed,
        slope=_slope(values),
        intercept=_decimals(values, "RescaleIntercept", 1, -MAX_RESCALE_INTERCEPT, MAX_RESCALE_INTERCEPT)[0],
        padding=_padding(values, signed),
        pixel_offset=offset,
        pixel_bytes=pixel_bytes,
    )


def _orientation_xyz(values: Mapping[str, bytes]) -> tuple[float, ...]:
    cosines = _decimals(values, "ImageOrientationPatient", 6, -1 - DIRECTION_TOLERANCE, 1 + DIRECTION_TOLERANCE)
    axes = np.reshape(cosines, (2, 3))
    if not np.allclose(axes @ axes.T, np.eye(2), atol=DIRECTION_TOLERANCE):
        raise BadScan(f"ImageOrientationPatient must be two perpendicular unit vectors, got {cosines}")
    return cosines


def _slope(values: Mapping[str, bytes]) -> float:
    (slope,) = _decimals(values, "RescaleSlope", 1, 0, MAX_RESCALE_SLOPE)
    if slope == 0:
        raise BadScan("RescaleSlope must be positive, got 0")
    return slope


def _padding(values: Mapping[str, bytes], signed: bool) -> int | None:
    """Two bytes, read as the pixels are: writers disagree on whether its VR is US or SS."""
    content = values.get("PixelPaddingValue", b"")
    return int.from_bytes(content, "little", signed=signed) if len(content) == 2 else None


def _pixel_bytes(native: int, compressed: bool, declared: int, available: int) -> int:
    """How many bytes to read; never more than the file holds, nor many more than the pixels take."""
    if compressed != (declared == UNDEFINED_LENGTH):
        raise BadScan("PixelData is compressed and TransferSyntaxUID says it is not, or the other way round")
    if compressed:
        if available > 2 * native + MAX_COMPRESSED_OVERHEAD:
            raise BadScan(f"{available} bytes of compressed pixels are too many for {native} bytes of pixels")
        return available
    if declared != native:
        raise BadScan(f"Rows and Columns ask for {native} pixel bytes, PixelData has {declared}")
    if available < native:
        raise BadScan(f"the file is cut off: PixelData has {native} bytes, {available} are there")
    return native


def _text(values: Mapping[str, bytes], name: str, default: str | None = None) -> str:
    if name not in values:
        if default is None:
            raise BadScan(f"{name} is missing")
        return default
    try:
        return values[name].decode("ascii").strip(" \0")
    except UnicodeDecodeError:
        raise BadScan(f"{name} must be plain text") from None


def _unsigned(values: Mapping[str, bytes], name: str, low: int = 0, high: int = 2**16 - 1) -> int:
    """A value of VR US."""
    content = values.get(name)
    if content is None:
        raise BadScan(f"{name} is missing")
    number = int.from_bytes(content, "little")
    if len(content) != 2 or not low <= number <= high:
        raise BadScan(f"{name} must be {low} to {high}, got {number:.6g}")
    return number


def _decimals(values: Mapping[str, bytes], name: str, count: int, low: float, high: float) -> tuple[float, ...]:
    """A value of VR DS: ``count`` numbers with backslashes between them."""
    words = [word.strip() for word in _text(values, name).split("\\")]
    numbers = tuple(float(word) for word in words if _DECIMAL.fullmatch(word))
    if len(words) != count or len(numbers) != count or not all(low <= number <= high for number in numbers):
        raise BadScan(f"{name} must be {count} number(s) of {low:g} to {high:g}, got {_text(values, name)!r:.80}")
    return numbers
