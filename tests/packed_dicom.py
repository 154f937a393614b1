"""DICOM slices packed by hand, byte by byte: what no library writes can be written with these."""

from __future__ import annotations

import struct
from io import BytesIO

import numpy as np
from PIL import Image

EXPLICIT, DEFLATED, RLE, JPEG_2000 = (f"1.2.840.10008.1.2.{tail}" for tail in ("1", "1.99", "5", "4.90"))
CT = "1.2.840.10008.5.1.4.1.1.2"
PATIENT = "Zhang^San=张^三".encode("gb18030")
ROWS, COLUMNS = 16, 18
PIXELS = np.arange(ROWS * COLUMNS, dtype="<u2").tobytes()
UNDEFINED = 0xFFFFFFFF
ITEM, ITEM_END, SEQUENCE_END = (struct.pack("<HH", 0xFFFE, element) for element in (0xE000, 0xE00D, 0xE0DD))

LONG_VRS = ("OB", "OW", "SQ", "UN")
HEADER = {
    (0x0008, 0x0005): ("CS", b"GB18030"),
    (0x0008, 0x0060): ("CS", b"CT"),
    (0x0010, 0x0010): ("PN", PATIENT),
    (0x0010, 0x0020): ("LO", PATIENT),
    (0x0020, 0x000E): ("UI", b"1.2.3"),
    (0x0020, 0x0032): ("DS", b"-100\\-120\\%d"),
    (0x0020, 0x0037): ("DS", b"1\\0\\0\\0\\1\\0"),
    (0x0028, 0x0002): ("US", b"\x01\x00"),
    (0x0028, 0x0010): ("US", struct.pack("<H", ROWS)),
    (0x0028, 0x0011): ("US", struct.pack("<H", COLUMNS)),
    (0x0028, 0x0030): ("DS", b"0.7\\0.5"),
    (0x0028, 0x0100): ("US", b"\x10\x00"),
    (0x0028, 0x0101): ("US", b"\x10\x00"),
    (0x0028, 0x0102): ("US", b"\x0f\x00"),
    (0x0028, 0x0103): ("US", b"\x00\x00"),
    (0x0028, 0x1052): ("DS", b"-1024"),
    (0x0028, 0x1053): ("DS", b"1"),
}
NAMES = {
    "position": (0x0020, 0x0032),
    "orientation": (0x0020, 0x0037),
    "uid": (0x0020, 0x000E),
    "rows": (0x0028, 0x0010),
    "columns": (0x0028, 0x0011),
    "spacing": (0x0028, 0x0030),
    "bits": (0x0028, 0x0101),
    "slope": (0x0028, 0x1053),
    "intercept": (0x0028, 0x1052),
}


def element(tag: tuple[int, int], vr: str, value: bytes, length: int | None = None) -> bytes:
    length = len(value) if length is None else length
    head = struct.pack("<HH2s", *tag, vr.encode())
    return head + (struct.pack("<HI", 0, length) if vr in LONG_VRS else struct.pack("<H", length)) + value


def slice_file(
    z: int = 0, *, syntax: str = EXPLICIT, before: bytes = b"", pixels: bytes | None = None, **changes: bytes
) -> bytes:
    """A CT slice; ``before`` stands in front of its first element, ``pixels`` is the whole pixel element."""
    header = HEADER | {NAMES[name]: (HEADER[NAMES[name]][0], value) for name, value in changes.items()}
    meta = element((2, 2), "UI", CT.encode()) + element((2, 0x10), "UI", syntax.encode())
    content = b"".join(element(tag, vr, value.replace(b"%d", b"%d" % z)) for tag, (vr, value) in header.items())
    if pixels is None:
        pixels = element((0x7FE0, 0x0010), "OW", PIXELS)
    return bytes(128) + b"DICM" + meta + before + content + pixels


def compressed(frame: bytes) -> bytes:
    items = ITEM + struct.pack("<I", 0) + ITEM + struct.pack("<I", len(frame)) + frame
    return element((0x7FE0, 0x0010), "OB", items + SEQUENCE_END + bytes(4), UNDEFINED)


def many_items(count: int) -> bytes:
    return element((0x0008, 0x1140), "SQ", (ITEM + bytes(4)) * count + SEQUENCE_END + bytes(4), UNDEFINED)


def flat_jpeg_2000(rows: int, columns: int) -> bytes:
    """A lossless codestream of zeros."""
    stream = BytesIO()
    Image.fromarray(np.zeros((rows, columns), np.uint16)).save(stream, "JPEG2000", no_jp2=True)
    return stream.getvalue()
