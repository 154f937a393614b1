"""MetaImage headers (``.mhd``, and the head of ``.mha``), read strictly and without ITK.

A header comes from outside and decides which file is opened and how much memory is taken. MetaIO, ITK's
own reader, has open memory-safety defects that 93 bytes of header reach (Kitware/MetaIO issue 150), opens
any path that the header names, and fills a missing spacing with 1 mm. So every field is checked here
first; what is not understood is refused, with one sentence that names the field.

Format: https://itk.org/Wiki/ITK/MetaIO/Documentation. Pixels are the business of ``fedlung.imaging.metaimage``.
"""

from __future__ import annotations

import errno
import math
import os
import re
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import Any

import numpy as np

from fedlung.errors import BadScan
from fedlung.imaging.geometry import DIRECTION_TOLERANCE, Geometry

MAX_HEADER_BYTES = 64 * 1024
MAX_VOXELS_PER_AXIS = 2048
MAX_VOXELS = 2**29
"""1 GiB of int16: about three times the largest chest CT in use (512 x 512 x 700)."""
SPACING_RANGE_MM = (0.05, 20.0)
MAX_OFFSET_MM = 1e5
"""Scanner coordinates stay within a few metres; the bound only has to catch nonsense."""

ELEMENT_TYPES = {
    "MET_CHAR": "i1",
    "MET_UCHAR": "u1",
    "MET_SHORT": "i2",
    "MET_USHORT": "u2",
    "MET_INT": "i4",
    "MET_FLOAT": "f4",
}
MODALITIES = ("MET_MOD_CT", "MET_MOD_OTHER", "MET_MOD_UNKNOWN")

_ALIASES = {
    "Position": "Offset",
    "Origin": "Offset",
    "Orientation": "TransformMatrix",
    "Rotation": "TransformMatrix",
    "ElementByteOrderMSB": "BinaryDataByteOrderMSB",
}
"""MetaIO's other names for a field; two names of one field in a header count as a duplicate."""
_UNDERSTOOD = re.compile(
    "ObjectType|NDims|BinaryData(ByteOrderMSB)?|CompressedData(Size)?|TransformMatrix|Offset|CenterOfRotation|Modality"
    "|DimSize|Element(Spacing|Type|NumberOfChannels|DataFile)"
)
# Fields without a say in where voxels are or what they mean. SimpleITK copies the metadata of the file that
# an image came from into the header: NIfTI and NRRD fields, DICOM tags such as 0008|0060. They are dropped.
_CARRIED_ALONG = re.compile(
    r"AnatomicalOrientation|Comment|ElementSize|(ITK|NRRD)_\w+(\[\d\])?|[0-9a-fA-F]{4}\|[0-9a-fA-F]{4}"
    r"|(pix)?dim\[\d\]|dim_info|bitpix|datatype|nifti_type|cal_(max|min)|intent_(code|name|p[123])|[qs]form_code(_name)?"
    r"|qfac|qoffset_[xyz]|quatern_[bcd]|srow_[xyz]|scl_(inter|slope)|slice_(code|duration|end|start)|toffset|vox_offset"
    r"|xyzt_units|aux_file|descrip",
    re.ASCII,
)
# Letters of any script and the brackets and marks that people put around dates and remarks, full-width ones too, so
# 病人.raw and CT [2].raw are fine; no slash, backslash, colon, percent sign, leading dot or control character, so the
# name cannot leave the folder, be a pattern, or be an address.
_MARKS = r"\-+(). \[\],&=#" + r"\uff08\uff09\u3010\u3011\u300a\u300b\uff0c\u3001\uff1b\u00b7\u2014"
_PLAIN_FILE_NAME = re.compile(rf"\w[\w{_MARKS}]{{0,199}}\.(raw|zraw)", re.IGNORECASE)
_WHOLE_NUMBER = re.compile(r"[+-]?\d{1,18}", re.ASCII)
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,4})?", re.ASCII)
_CONTROL_CHARACTER = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


@dataclass(frozen=True)
class MetaImageHeader:
    """A header that passed every check.

    Attributes:
        geometry: shape, spacing, origin and direction of the voxel grid.
        dtype: how one stored voxel looks, byte order included.
        compressed: the pixels are one zlib stream.
        compressed_bytes: length of that stream, or None when the header does not tell.
        pixel_file: plain name of the pixel file, or None when the pixels follow the header (``LOCAL``).
        header_bytes: length of the header, where ``LOCAL`` pixels begin.
        carried_along: names of the fields that say nothing about voxels and are dropped.
    """

    geometry: Geometry
    dtype: np.dtype[Any]
    compressed: bool
    compressed_bytes: int | None
    pixel_file: str | None
    header_bytes: int
    carried_along: tuple[str, ...]

    @property
    def pixel_bytes(self) -> int:
        """Length of the uncompressed pixels."""
        return math.prod(self.geometry.shape_zyx) * self.dtype.itemsize


def read_header(path: Path) -> MetaImageHeader:
    """Read and check the header of a ``.mhd`` or ``.mha`` file; no pixel is touched.

    Raises:
        BadScan: the file is missing, is not a regular file, or a field is wrong; the message names it.
    """
    with naming_scan(path), open_regular_file(path) as file:
        header = parse_header(file.read(MAX_HEADER_BYTES + 1))
    return header


@contextmanager
def naming_scan(path: Path) -> Iterator[None]:
    """Put the scan's file name (not its folder: the message may reach a browser) before a refusal."""
    try:
        yield
    except BadScan as error:
        raise BadScan(f"{path.name}: {error}") from None


def open_regular_file(path: Path) -> BufferedReader:
    """Open a regular file for reading, never a link, pipe, socket or device.

    Raises:
        BadScan: the file is missing, unreadable or of another kind.
    """
    try:
        # O_NONBLOCK: opening a pipe without a writer would wait for ever. The kind is asked of the open
        # file, not of the path, so that nobody can exchange the file in between.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        raise BadScan(f"the file {path.name!r:.80} {_why_not_opened(error)}") from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise BadScan(f"the file {path.name!r:.80} must be a regular file")
    return os.fdopen(descriptor, "rb")


def _why_not_opened(error: OSError | ValueError) -> str:
    code = error.errno if isinstance(error, OSError) else None
    reasons = {errno.ENOENT: "is missing", errno.ELOOP: "must be a regular file, not a link"}
    return reasons.get(code or 0, "cannot be opened")


def parse_header(content: bytes) -> MetaImageHeader:
    """Check a header given as the first ``MAX_HEADER_BYTES + 1`` bytes (or all) of its file.

    Raises:
        BadScan: a field is missing, doubled, unknown or wrong; the message names it.
    """
    fields, header_bytes = _split_fields(content)
    pixel_file = _pixel_file(fields)
    if pixel_file is not None and (content[header_bytes:].strip() or len(content) > MAX_HEADER_BYTES):
        raise BadScan("ElementDataFile must be the last line of the header")
    _check_fixed_fields(fields)
    byte_order = ">" if _flag(fields, "BinaryDataByteOrderMSB") else "<"
    compressed_bytes = _whole_numbers(fields, "CompressedDataSize", 1)[0] if "CompressedDataSize" in fields else None
    return MetaImageHeader(
        geometry=_geometry(fields),
        dtype=np.dtype(byte_order + ELEMENT_TYPES[_choice(fields, "ElementType", tuple(ELEMENT_TYPES))]),
        compressed=_flag(fields, "CompressedData"),
        compressed_bytes=compressed_bytes,
        pixel_file=pixel_file,
        header_bytes=header_bytes,
        carried_along=tuple(name for name in fields if not _UNDERSTOOD.fullmatch(name)),
    )


def _split_fields(content: bytes) -> tuple[dict[str, str], int]:
    """Fields in the order of the file, up to ``ElementDataFile``, and the offset of the byte after its line."""
    fields: dict[str, str] = {}
    end = len(b"\xef\xbb\xbf") if content.startswith(b"\xef\xbb\xbf") else 0
    line_number = 0
    while end < len(content):
        start, line_number = end, line_number + 1
        end = content.find(b"\n", start) + 1 or len(content)
        if end > MAX_HEADER_BYTES:
            raise BadScan(f"the header is longer than {MAX_HEADER_BYTES} bytes")
        line = _text(content[start:end], line_number)
        if not line:
            continue
        key, equals, value = (part.strip() for part in line.partition("="))
        if not equals:
            raise BadScan(f"not a MetaImage header, line {line_number} is not of the form 'Key = value'")
        key = _ALIASES.get(key, key)
        if not _UNDERSTOOD.fullmatch(key) and not _CARRIED_ALONG.fullmatch(key):
            raise BadScan(f"the field {key!r:.60} is unknown")
        if key in fields:
            raise BadScan(f"{key} appears twice")
        fields[key] = value
        if key == "ElementDataFile":
            return fields, end
    raise BadScan("ElementDataFile is missing")


def _text(line: bytes, line_number: int) -> str:
    try:
        text = line.decode("utf-8").strip()
    except UnicodeDecodeError:
        text = "\0"
    if _CONTROL_CHARACTER.search(text):
        raise BadScan(f"not a MetaImage header, line {line_number} is not UTF-8 text")
    return text


def _pixel_file(fields: Mapping[str, str]) -> str | None:
    name = fields["ElementDataFile"]
    if name.upper() == "LOCAL":
        return None
    if not _PLAIN_FILE_NAME.fullmatch(name):
        raise BadScan(f"ElementDataFile must be LOCAL or a plain .raw or .zraw file name, got {name!r:.60}")
    return name


def _check_fixed_fields(fields: Mapping[str, str]) -> None:
    """Fields of which this project reads one value only."""
    _choice(fields, "NDims", ("3",))
    _choice(fields, "ObjectType", ("Image",), default="Image")
    _choice(fields, "ElementNumberOfChannels", ("1",), default="1")
    _choice(fields, "Modality", MODALITIES, default="MET_MOD_UNKNOWN")
    if not _flag(fields, "BinaryData", default=True):
        raise BadScan("BinaryData must be True, pixels as text are not read")
    if any(_numbers(fields, "CenterOfRotation", 3, default=(0.0, 0.0, 0.0))):
        raise BadScan(f"CenterOfRotation must be 0 0 0, got {fields['CenterOfRotation']!r:.60}")


def _geometry(fields: Mapping[str, str]) -> Geometry:
    x, y, z = _whole_numbers(fields, "DimSize", 3)
    _check_range(fields, "DimSize", (x, y, z), 1, MAX_VOXELS_PER_AXIS)
    if x * y * z > MAX_VOXELS:
        raise BadScan(f"DimSize must be {MAX_VOXELS} voxels in all at most, got {x * y * z}")
    spacing_x, spacing_y, spacing_z = _numbers(fields, "ElementSpacing", 3)
    _check_range(fields, "ElementSpacing", (spacing_x, spacing_y, spacing_z), *SPACING_RANGE_MM)
    origin_x, origin_y, origin_z = _numbers(fields, "Offset", 3, default=(0.0, 0.0, 0.0))
    _check_range(fields, "Offset", (origin_x, origin_y, origin_z), -MAX_OFFSET_MM, MAX_OFFSET_MM)
    return Geometry(
        shape_zyx=(z, y, x),
        spacing_zyx_mm=(spacing_z, spacing_y, spacing_x),
        origin_xyz_mm=(origin_x, origin_y, origin_z),
        direction_xyz=_direction_xyz(fields),
    )


def _check_range(fields: Mapping[str, str], name: str, values: Sequence[float], low: float, high: float) -> None:
    if not all(low <= value <= high for value in values):
        raise BadScan(f"{name} must be {low:g} to {high:g} along each axis, got {fields[name]!r:.60}")


def _direction_xyz(fields: Mapping[str, str]) -> tuple[float, ...]:
    """``TransformMatrix`` holds the world direction of index axis x, then y, then z: ITK's matrix, transposed.

    ``a b c d e f g h i`` -> x runs along (a, b, c), so the direction matrix is ``a d g / b e h / c f i``.
    """
    values = _numbers(fields, "TransformMatrix", 9, default=tuple(np.eye(3).ravel().tolist()))
    # Large values first: their products could overflow.
    small = all(abs(value) <= 1 + DIRECTION_TOLERANCE for value in values)
    direction = np.reshape(values, (3, 3)).T
    if not small or not np.allclose(direction @ direction.T, np.eye(3), atol=DIRECTION_TOLERANCE):
        raise BadScan(f"TransformMatrix must be a rotation or reflection, got {fields['TransformMatrix']!r:.100}")
    return tuple(direction.ravel().tolist())


def _choice(fields: Mapping[str, str], name: str, allowed: Sequence[str] = (), default: str | None = None) -> str:
    """The text of a field, which must be one of ``allowed`` when that is given."""
    value = fields.get(name, default)
    if value is None:
        raise BadScan(f"{name} is missing")
    if allowed and value not in allowed:
        raise BadScan(f"{name} must be {' or '.join(allowed)}, got {value!r:.60}")
    return value


def _flag(fields: Mapping[str, str], name: str, default: bool = False) -> bool:
    return _choice(fields, name, ("True", "False"), default=str(default)) == "True"


def _whole_numbers(fields: Mapping[str, str], name: str, count: int) -> tuple[int, ...]:
    words = _choice(fields, name).split()
    if len(words) != count or not all(_WHOLE_NUMBER.fullmatch(word) for word in words):
        raise BadScan(f"{name} must be {count} whole number(s), got {fields[name]!r:.60}")
    return tuple(int(word) for word in words)


def _numbers(fields: Mapping[str, str], name: str, count: int, default: tuple[float, ...] = ()) -> tuple[float, ...]:
    if name not in fields and default:
        return default
    words = _choice(fields, name).split()
    values = tuple(float(word) for word in words if _NUMBER.fullmatch(word))
    if len(words) != count or len(values) != count or not all(math.isfinite(value) for value in values):
        raise BadScan(f"{name} must be {count} finite numbers, got {fields[name]!r:.60}")
    return values
