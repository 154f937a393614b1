"""A walk over the elements of a DICOM file that hands out the few that are asked for and steps over the rest.

A folder of DICOM files comes from outside and is full of patient data. What is not asked for (names, dates,
private blobs, nested sequences) is neither decoded nor kept, and a file cannot make the walk longer than
``MAX_ELEMENTS``. A general reader inflates a deflated file before anything can be checked, builds every nested
item, and quotes values in its warnings.

Format, little-endian byte order only (DICOM PS3.5 section 7)::

    explicit VR         group element VR length           value        2+2+2+2 bytes
    explicit, long VR   group element VR 0 0 length       value        2+2+2+2+4 bytes
    implicit VR, items  group element length              value        2+2+4 bytes
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from io import BufferedReader

from fedlung.errors import BadScan

MAX_ELEMENTS = 20_000
"""A CT header has about 150, with vendors' nested sequences up to a few thousand."""
MAX_VALUE_BYTES = 1024
"""No element that we ask for is longer: identifiers have at most 64 characters, numbers 16."""
UNDEFINED_LENGTH = 0xFFFFFFFF

PIXEL_DATA = 0x7FE00010
ITEM, ITEM_END, SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD

_DELIMITER_GROUP = 0xFFFE
_ELEMENT = struct.Struct("<HH2sH")
_LONG_VRS = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())


class ElementWalk:
    """Goes through one file once, forwards."""

    def __init__(self, file: BufferedReader, *, explicit: bool) -> None:
        """
        Args:
            file: positioned at an element.
            explicit: the elements carry their value representation (VR).
        """
        self._file = file
        self._explicit = explicit
        self._num_elements = 0

    def collect(self, wanted: Mapping[int, str], last_tag: int) -> dict[str, bytes]:
        """Values of the top-level elements in ``wanted`` (tag -> name) up to ``last_tag``; stops before the next one.

        Raises:
            BadScan: the file ends, a wanted element is doubled or too long, or there are too many elements.
        """
        values: dict[str, bytes] = {}
        while True:
            start = self._file.tell()
            tag, length = self.next_element()
            if tag > last_tag:
                self._file.seek(start)
                return values
            if tag not in wanted:
                self._skip(length)
                continue
            name = wanted[tag]
            if name in values:
                raise BadScan(f"{name} appears twice")
            if length > MAX_VALUE_BYTES:
                raise BadScan(f"{name} is longer than {MAX_VALUE_BYTES} bytes")
            values[name] = self._exactly(length)

    def next_element(self) -> tuple[int, int]:
        """Tag and length of the next element; afterwards the file stands at its value.

        Raises:
            BadScan: the file ends, or there are too many elements.
        """
        self._num_elements += 1
        if self._num_elements > MAX_ELEMENTS:
            raise BadScan(f"the DICOM header has more than {MAX_ELEMENTS} elements")
        head = self._exactly(_ELEMENT.size)
        group, element, vr, short_length = _ELEMENT.unpack(head)
        tag = group << 16 | element
        # Sequences of unknown VR hold implicit elements inside an explicit file (PS3.5 section 6.2.2). Their
        # length stands where a VR would, and is taken for one only from 16 705 bytes ("AA") on.
        if not self._explicit or group == _DELIMITER_GROUP or not (vr.isalpha() and vr.isupper()):
            return tag, int.from_bytes(head[4:], "little")
        if vr in _LONG_VRS:
            return tag, int.from_bytes(self._exactly(4), "little")
        return tag, short_length

    def _skip(self, length: int) -> None:
        """Step over a value; one of undefined length is a sequence, whose items may nest without end."""
        depth = int(length == UNDEFINED_LENGTH)
        if not depth:
            self._file.seek(length, 1)
        while depth:
            tag, length = self.next_element()
            if tag in (ITEM_END, SEQUENCE_END):
                depth -= 1
            elif length == UNDEFINED_LENGTH:
                depth += 1
            else:
                self._file.seek(length, 1)

    def _exactly(self, num_bytes: int) -> bytes:
        content = self._file.read(num_bytes)
        if len(content) != num_bytes:
            raise BadScan("the file is cut off in its DICOM header")
        return content
