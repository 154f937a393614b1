"""The pixels of one DICOM CT slice, as they are stored or losslessly compressed, in Hounsfield units.

Memory grows with the checked ``Rows`` and ``Columns``, whatever a compressed stream would expand to. JPEG 2000 goes
to Pillow after its size was compared, JPEG Lossless to our own decoder, and JPEG-LS to a process of its own, because
the decoders that we tried crash or hang on damaged streams (docs/adr/0015-compressed-dicom.md).

Format: DICOM PS3.5 sections 8 and A.4 (encapsulation), annex G (RLE), PS3.3 C.11.1 (rescale);
ISO/IEC 15444-1 annex A (JPEG 2000 markers).
"""

from __future__ import annotations

import struct
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fedlung.errors import BadScan
from fedlung.imaging.dicom_elements import ITEM, SEQUENCE_END
from fedlung.imaging.dicom_header import (
    EXPLICIT,
    IMPLICIT,
    JPEG_2000,
    JPEG_LOSSLESS,
    JPEG_LOSSLESS_ANY_PREDICTOR,
    JPEG_LS,
    RLE,
    SliceHeader,
)
from fedlung.imaging.jpeg_lossless import decode_jpeg_lossless
from fedlung.imaging.jpeg_ls import JpegLsDecoder
from fedlung.imaging.metaimage_header import open_regular_file
from fedlung.imaging.volume import HounsfieldArray

StoredArray = NDArray[np.integer[Any]]

MAX_JPEG_2000_TILES = 64
"""Encoders of CT slices use one tile; every tile costs memory before a pixel of it is read."""

_RLE_HEADER = struct.Struct("<16I")
_JPEG_2000_SIZE = struct.Struct(">4s2H8IHB")
"""SOC and SIZ markers, length, capabilities, x1 y1 x0 y0, tile x y, tile origin x y, components, precision."""


def read_hounsfield(header: SliceHeader, jpeg_ls: JpegLsDecoder) -> HounsfieldArray:
    """Pixels of a slice in HU, shape (rows, columns); ``jpeg_ls`` is used when it is packed that way.

    Raises:
        BadScan: the pixels are damaged, or a value is outside ``BitsStored`` or, in HU, outside int16.
    """
    with open_regular_file(header.path) as file:
        file.seek(header.pixel_offset)
        content = file.read(header.pixel_bytes)
    if len(content) != header.pixel_bytes:
        raise BadScan("the file became shorter while it was read")
    if header.transfer_syntax == JPEG_LS:
        stored = _signed_where_told(*jpeg_ls.decode(_frame(content), header.rows, header.columns), header)
    else:
        stored = _DECODERS[header.transfer_syntax](content, header)
    return _hounsfield(stored, header)


def _hounsfield(stored: StoredArray, header: SliceHeader) -> HounsfieldArray:
    """Padding is rescaled like every pixel, as in LUNA16's files; where that leaves int16, the nearest value stands."""
    limits = np.iinfo(np.int16)
    image = stored if header.padding is None else stored[stored != header.padding]
    if image.size:
        darkest, brightest = int(image.min()), int(image.max())
        low, high = _stored_range(header)
        if not low <= darkest <= brightest <= high:
            raise BadScan(f"stored values must be {low} to {high} (BitsStored), got {darkest} to {brightest}")
        low_hu, high_hu = (np.rint(value * header.slope + header.intercept) for value in (darkest, brightest))
        if not limits.min <= low_hu <= high_hu <= limits.max:
            raise BadScan(f"HU must be {limits.min} to {limits.max}, got {low_hu:g} to {high_hu:g}")
    rounded = np.rint(stored * header.slope + header.intercept)
    hounsfield: HounsfieldArray = rounded.clip(limits.min, limits.max).astype(np.int16)
    return hounsfield


def _stored_range(header: SliceHeader) -> tuple[int, int]:
    half = 1 << (header.bits_stored - 1)
    return (-half, half - 1) if header.signed else (0, 2 * half - 1)


def _as_stored(little_endian: bytes, header: SliceHeader) -> StoredArray:
    dtype = np.dtype("<i2" if header.signed else "<u2")
    return np.frombuffer(little_endian, dtype).reshape(header.rows, header.columns)


def _frame(content: bytes) -> bytes:
    """The compressed stream: fragments between an offset table, which says nothing here, and a delimiter."""
    items: list[bytes] = []
    position = 0
    while position + 8 <= len(content):
        group, element, length = struct.unpack_from("<HHI", content, position)
        position += 8
        tag = group << 16 | element
        if tag == SEQUENCE_END:
            return b"".join(items[1:])
        if tag != ITEM:
            break
        items.append(content[position : position + length])
        position += length
    raise BadScan("the compressed pixels are damaged or cut off")


def _rle(content: bytes, header: SliceHeader) -> StoredArray:
    """Two segments: the high bytes of all pixels, then the low bytes."""
    frame = _frame(content)
    if len(frame) < _RLE_HEADER.size:
        raise BadScan("the RLE pixels are cut off")
    num_segments, first, second, *_ = _RLE_HEADER.unpack_from(frame)
    if num_segments != 2 or not _RLE_HEADER.size <= first <= second <= len(frame):
        raise BadScan("the RLE pixels must be two segments in order")
    num_pixels = header.rows * header.columns
    both = np.empty((num_pixels, 2), np.uint8)
    both[:, 1] = np.frombuffer(_unpacked(frame[first:second], num_pixels), np.uint8)
    both[:, 0] = np.frombuffer(_unpacked(frame[second:], num_pixels), np.uint8)
    return _as_stored(both.tobytes(), header)


def _unpacked(segment: bytes, num_bytes: int) -> bytes:
    """PackBits: 0..127 says that so many bytes + 1 follow as they are, 129..255 that one byte stands 257 - n times."""
    unpacked = bytearray()
    position = 0
    while len(unpacked) < num_bytes:
        control = segment[position : position + 1]
        if not control:
            raise BadScan("the RLE pixels end before the last one that Rows and Columns declare")
        (count,) = control
        if count < 128:
            unpacked += segment[position + 1 : position + 2 + count]
            position += 2 + count
        else:
            if count > 128:
                unpacked += segment[position + 1 : position + 2] * (257 - count)
            position += 2 if count > 128 else 1
    return bytes(unpacked[:num_bytes])


def _jpeg_2000(content: bytes, header: SliceHeader) -> StoredArray:
    frame = _frame(content).rstrip(b"\0")
    precision, signed = _jpeg_2000_kind(frame, header)
    try:
        with Image.open(BytesIO(frame), formats=("JPEG2000",)) as image:
            scaled = np.array(image)
    except (OSError, ValueError, SyntaxError, EOFError, struct.error):
        raise BadScan("the JPEG 2000 pixels are damaged") from None
    if scaled.dtype != np.uint16 or scaled.shape != (header.rows, header.columns):
        raise BadScan("the JPEG 2000 pixels are of another kind or size than the header says")
    # Pillow lifts signed values to 0 and moves all to the upper bits: (value + offset) << (16 - precision). Without
    # the lift it is the bit pattern that was stored. PixelRepresentation says how to read that, even where the
    # encoder, as some do, called it unsigned.
    if signed:
        scaled ^= 1 << 15
    stored: StoredArray = scaled.view(np.int16 if header.signed else np.uint16) >> (16 - precision)
    return stored


def _jpeg_2000_kind(frame: bytes, header: SliceHeader) -> tuple[int, bool]:
    """Bits per value, and whether they are signed; size and tiles are checked, because they decide about memory."""
    # Decoders fill up what is missing at the end, so the end marker must be there.
    if len(frame) < _JPEG_2000_SIZE.size or not frame.endswith(b"\xff\xd9"):
        raise BadScan("the JPEG 2000 pixels are cut off")
    marker, _, _, x1, y1, x0, y0, tile_x, tile_y, _, _, components, kind = _JPEG_2000_SIZE.unpack_from(frame)
    precision = int(kind & 0x7F) + 1
    if marker != b"\xff\x4f\xff\x51" or components != 1 or not 8 < precision <= 16:
        raise BadScan("the JPEG 2000 pixels must be a codestream of one component with 9 to 16 bits")
    rows, columns = y1 - y0, x1 - x0
    if (rows, columns) != (header.rows, header.columns):
        raise BadScan(f"Rows and Columns are {header.rows} and {header.columns}, JPEG 2000 says {rows} and {columns}")
    if -(-x1 // max(tile_x, 1)) * -(-y1 // max(tile_y, 1)) > MAX_JPEG_2000_TILES:
        raise BadScan(f"the JPEG 2000 pixels must be at most {MAX_JPEG_2000_TILES} tiles")
    return precision, kind >= 0x80


def _jpeg_lossless(content: bytes, header: SliceHeader) -> StoredArray:
    return _signed_where_told(*decode_jpeg_lossless(_frame(content), header.rows, header.columns), header)


def _signed_where_told(samples: NDArray[np.uint16], precision: int, header: SliceHeader) -> StoredArray:
    """Samples are the bit patterns that were stored; ``PixelRepresentation`` says whether the first bit is a sign."""
    if not header.signed:
        return samples
    unused = 16 - precision
    stored: StoredArray = (samples << unused).view(np.int16) >> unused
    return stored


_DECODERS = {
    IMPLICIT: _as_stored,
    EXPLICIT: _as_stored,
    RLE: _rle,
    JPEG_2000: _jpeg_2000,
    JPEG_LOSSLESS: _jpeg_lossless,
    JPEG_LOSSLESS_ANY_PREDICTOR: _jpeg_lossless,
}
