"""JPEG Lossless (ITU-T T.81 annex H, marker SOF3), the usual packing of CT inside picture archives, decoded with numpy.

A Huffman stream can only be read one symbol after the other; but where the next symbol begins can be looked up for
every bit at once, and such a table of jumps can be squared::

    bit          0  1  2  3  4  5  6 ...
    next         5  4  .  .  .  11 .        one symbol further, wherever one began
    next[next]   11 .  .  .  .  .  .        two symbols further; then 4, 8, 16, 32

So Python makes one step for 32 symbols and numpy does the rest. Memory is a few blocks of bits, whatever the stream
holds; nothing is read or written outside an array, whatever it says.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fedlung.errors import BadScan

MAX_SEGMENTS = 64
BLOCK_BITS = 1 << 16
LOOK_AHEAD_BITS = 64
"""More than a code (16) and its extra bits (15): what a symbol that begins in a block may need of the next."""
DOUBLINGS = 5

_SOI, _EOI, _SOF3, _DHT, _SOS, _DRI = 0xD8, 0xD9, 0xC3, 0xC4, 0xDA, 0xDD
_FIRST_RESTART, _LAST_RESTART = 0xD0, 0xD7
_OTHER_FRAMES = {0xC0 + k for k in range(16)} - {_SOF3, _DHT, 0xC8, 0xCC}
_FRAME = struct.Struct(">BHHBBBB")
"""Precision, lines, samples per line, components; component, sampling factors, quantization table."""
_SCAN = struct.Struct(">BBBBBB")
"""Components; component, entropy table; predictor, end of band, point transform."""
_MAX_CATEGORY = 16
_INVALID = 255

Bits = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class _Codes:
    """By the next 16 bits: the category of the symbol that they begin with (or 255), and the length of its code."""

    category: NDArray[np.uint8]
    length: NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class _Scan:
    """Everything before the entropy-coded data."""

    precision: int
    codes: _Codes
    predictor: int
    point_transform: int
    restart_interval: int
    data: bytes


def decode_jpeg_lossless(stream: bytes, rows: int, columns: int) -> tuple[NDArray[np.uint16], int]:
    """Samples of the one component, shape (rows, columns), and how many bits each has.

    Raises:
        BadScan: no JPEG Lossless of that size and one component, or damaged.
    """
    scan = _read_scan(stream, rows, columns)
    interval = scan.restart_interval or rows * columns
    if interval % columns:
        raise BadScan("the JPEG Lossless pixels restart inside a row")
    parts = _restart_parts(scan.data)
    if len(parts) != -(-rows * columns // interval):
        raise BadScan("the JPEG Lossless pixels have the wrong number of parts")
    samples = np.empty((rows, columns), np.uint16)
    for number, part in enumerate(parts):
        target = samples[number * interval // columns : (number + 1) * interval // columns]
        differences = _differences(part, scan.codes, target.size).reshape(target.shape)
        target[:] = _undo_prediction(differences, scan.predictor, 1 << (scan.precision - scan.point_transform - 1))
    np.left_shift(samples, scan.point_transform, out=samples)
    return samples, scan.precision


def _read_scan(stream: bytes, rows: int, columns: int) -> _Scan:
    tables: dict[int, _Codes] = {}
    precision = restart_interval = 0
    for marker, content, end in _segments(stream):
        if marker == _DHT:
            tables.update(_code_tables(content))
        elif marker == _DRI and len(content) == 2:
            restart_interval = int.from_bytes(content, "big")
        elif marker == _SOF3:
            precision = _precision(content, rows, columns)
        elif marker in _OTHER_FRAMES:
            raise BadScan("the pixels are JPEG, but not lossless")
        elif marker == _SOS:
            if not precision or len(content) != _SCAN.size:
                break
            count, _, table, predictor, band_end, transforms = _SCAN.unpack(content)
            codes = tables.get(table >> 4)
            if count != 1 or codes is None or not 1 <= predictor <= 7 or band_end or transforms >= precision:
                break
            return _Scan(precision, codes, predictor, transforms, restart_interval, stream[end:])
    raise BadScan("the JPEG Lossless pixels are damaged: no scan of one component can be read")


def _segments(stream: bytes) -> Iterator[tuple[int, bytes, int]]:
    """Marker, content and end of each segment before the entropy-coded data."""
    if stream[:2] != bytes((0xFF, _SOI)):
        raise BadScan("the pixels are no JPEG stream")
    position = 2
    for _ in range(MAX_SEGMENTS):
        head = stream[position : position + 4]
        if len(head) < 4 or head[0] != 0xFF:
            break
        end = position + 2 + int.from_bytes(head[2:], "big")
        yield head[1], stream[position + 4 : end], end
        position = end
    raise BadScan("the JPEG Lossless pixels are damaged or cut off in their header")


def _precision(content: bytes, rows: int, columns: int) -> int:
    if len(content) != _FRAME.size:
        raise BadScan("the JPEG Lossless pixels must have one component")
    precision, lines, samples, components, *_ = _FRAME.unpack(content)
    if (lines, samples) != (rows, columns):
        raise BadScan(f"Rows and Columns are {rows} and {columns}, JPEG Lossless says {lines} and {samples}")
    if components != 1 or not 2 <= precision <= 16:
        raise BadScan("the JPEG Lossless pixels must have one component of 2 to 16 bits")
    return int(precision)


def _code_tables(content: bytes) -> dict[int, _Codes]:
    """Huffman tables as T.81 B.2.4.2 writes them: class and number, how many codes of each length, their categories."""
    tables = {}
    while content:
        counts = content[1:17]
        values = content[17 : 17 + sum(counts)]
        if len(counts) != 16 or len(values) != sum(counts) or any(value > _MAX_CATEGORY for value in values):
            raise BadScan("the JPEG Lossless pixels have a damaged table of codes")
        lengths = np.repeat(np.arange(1, 17), list(counts))
        # Codes are handed out in order, so each owns a run of all 16-bit words: 2 ** (16 - length) of them.
        runs = 1 << (16 - lengths)
        if runs.sum() > 1 << 16:
            raise BadScan("the JPEG Lossless pixels have a damaged table of codes")
        category = np.full(1 << 16, _INVALID, np.uint8)
        length = np.zeros(1 << 16, np.uint8)
        category[: runs.sum()] = np.repeat(np.frombuffer(values, np.uint8), runs)
        length[: runs.sum()] = np.repeat(lengths, runs)
        tables[content[0]] = _Codes(category, length)
        content = content[17 + sum(counts) :]
    return tables


def _restart_parts(data: bytes) -> list[NDArray[np.uint8]]:
    """The entropy-coded bytes between restart markers up to the end marker, without the zero behind each FF."""
    values = np.frombuffer(data, np.uint8)
    marked = np.flatnonzero((values[:-1] == 0xFF) & (values[1:] != 0))
    parts = []
    start = 0
    for position in marked.tolist():
        part = values[start:position]
        stuffed = np.flatnonzero((part[:-1] == 0xFF) & (part[1:] == 0)) + 1
        parts.append(np.delete(part, stuffed))
        marker = int(values[position + 1])
        if marker == _EOI:
            return parts
        if marker != _FIRST_RESTART + (len(parts) - 1) % 8:
            break
        start = position + 2
    raise BadScan("the JPEG Lossless pixels are damaged or cut off")


def _differences(part: NDArray[np.uint8], codes: _Codes, count: int) -> NDArray[np.int32]:
    """``count`` differences, T.81 H.1.2.2: a code for how many bits follow, then those bits."""
    differences = np.empty(count, np.int32)
    block_bits = min(BLOCK_BITS, 8 * part.size + 8)
    num_bytes = (block_bits + LOOK_AHEAD_BITS) // 8 + 2
    padded = np.concatenate([part, np.full(num_bytes + 1, 0xFF, np.uint8)])
    done = position = 0
    while done < count:
        first_byte = position // 8
        words = _words(padded[first_byte : first_byte + num_bytes])
        starts, position = _symbol_starts(words, codes, position - 8 * first_byte, count - done)
        position += 8 * first_byte
        differences[done : done + starts.size] = _values(words, starts, codes)
        done += starts.size
        if position > part.size * 8:
            raise BadScan("the JPEG Lossless pixels end before the last one that Rows and Columns declare")
    return differences


def _words(content: NDArray[np.uint8]) -> NDArray[np.uint16]:
    """The 16 bits that begin at each bit of all bytes but the last two."""
    wide = content.astype(np.uint32)
    three = (wide[:-2] << 16) | (wide[1:-1] << 8) | wide[2:]
    return (three[:, None] >> np.arange(8, 0, -1, dtype=np.uint32)).astype(np.uint16).ravel()


def _symbol_starts(words: NDArray[np.uint16], codes: _Codes, first: int, most: int) -> tuple[Bits, int]:
    """Where up to ``most`` symbols begin in a block, from bit ``first`` on, and where the next one does."""
    block_bits = words.size - LOOK_AHEAD_BITS
    category = codes.category[words[:block_bits]]
    extra = np.where(category < _MAX_CATEGORY, category, 0)  # category 16 is one value, and has no bits
    ends = np.arange(words.size)
    # Behind the block, and where no code fits, a jump stays where it is.
    ends[:block_bits] += codes.length[words[:block_bits]] + extra
    jumps = [ends]
    for _ in range(DOUBLINGS):
        jumps.append(jumps[-1][jumps[-1]])
    farthest = jumps.pop()
    landed = [first]
    while landed[-1] < block_bits:
        landed.append(int(farthest[landed[-1]]))
        if landed[-1] == landed[-2]:
            break
    starts = np.array(landed, dtype=np.intp)
    for jump in reversed(jumps):
        starts = np.stack([starts, jump[starts]], axis=1).ravel()
    inside = starts[starts < block_bits][:most]
    if (category[inside] == _INVALID).any():
        raise BadScan("the JPEG Lossless pixels are damaged: bits that are no code")
    return inside, int(ends[inside[-1]])


def _values(words: NDArray[np.uint16], starts: Bits, codes: _Codes) -> NDArray[np.int32]:
    """T.81 F.2.2.1: of ``n`` bits, the lower half of their range stands for negative differences."""
    category = codes.category[words[starts]].astype(np.int32)
    bits = words[starts + codes.length[words[starts]]].astype(np.int32) >> (16 - category)
    negative = bits < (1 << np.maximum(category - 1, 0))
    values = np.where(negative, bits - (1 << category) + 1, bits)
    return np.where(category == _MAX_CATEGORY, 1 << 15, values).astype(np.int32)


def _undo_prediction(differences: NDArray[np.int32], predictor: int, first: int) -> NDArray[np.uint16]:
    """Samples from differences, T.81 table H.1: the first row predicts from the left, the first column from above.

    A sample needs its neighbours to the left (a), above (b) and between them (c), so all samples of one diagonal can
    be had at once. The diagonals lie in the rows of a sheared copy::

        sample (y, x) -> sheared[y + x, y]      a = [y + x - 1, y]   b = [y + x - 1, y - 1]   c = [y + x - 2, y - 1]
    """
    rows, columns = differences.shape
    y, x = np.indices((rows, columns), sparse=True)
    sheared = np.zeros((rows + columns, rows), np.int32)
    sheared[y + x, y] = differences
    sheared[0, 0] = (sheared[0, 0] + first) & 0xFFFF
    for diagonal in range(1, rows + columns - 1):
        top, bottom = max(0, diagonal - columns + 1), min(diagonal, rows - 1)
        current = sheared[diagonal]
        if top == 0:
            current[0] = (current[0] + sheared[diagonal - 1, 0]) & 0xFFFF
            top = 1
        if bottom == diagonal:
            current[bottom] = (current[bottom] + sheared[diagonal - 1, bottom - 1]) & 0xFFFF
            bottom -= 1
        if top <= bottom:
            a = sheared[diagonal - 1, top : bottom + 1]
            b, c = sheared[diagonal - 1, top - 1 : bottom], sheared[diagonal - 2, top - 1 : bottom]
            inner = current[top : bottom + 1]
            inner[:] = (inner + _predicted(predictor, a, b, c)) & 0xFFFF
    samples: NDArray[np.uint16] = sheared[y + x, y].astype(np.uint16)
    return samples


def _predicted(predictor: int, a: NDArray[np.int32], b: NDArray[np.int32], c: NDArray[np.int32]) -> NDArray[np.int32]:
    if predictor <= 3:
        return (a, b, c)[predictor - 1]
    if predictor == 4:
        return a + b - c
    if predictor == 5:
        return a + ((b - c) >> 1)
    return b + ((a - c) >> 1) if predictor == 6 else (a + b) >> 1
