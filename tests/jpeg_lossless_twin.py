"""A JPEG Lossless encoder, sample by sample as ITU-T T.81 annex H has it: slow, literal, with every option."""

from __future__ import annotations

import struct
from collections import Counter

import numpy as np
from numpy.typing import NDArray

SOI, EOI = b"\xff\xd8", b"\xff\xd9"


def encode(
    samples: NDArray[np.uint16],
    *,
    precision: int = 16,
    predictor: int = 1,
    point_transform: int = 0,
    restart_rows: int = 0,
) -> bytes:
    rows, columns = samples.shape
    lines = [[int(value) >> point_transform for value in line] for line in samples]
    chunk = restart_rows or rows
    start = 1 << (precision - point_transform - 1)
    parts = [symbols(lines[first : first + chunk], predictor, start) for first in range(0, rows, chunk)]
    codes = prefix_codes([category for part in parts for category, _ in part])
    stream = SOI + table(codes) + segment(0xC3, struct.pack(">BHHBBBB", precision, rows, columns, 1, 1, 0x11, 0))
    if restart_rows:
        stream += segment(0xDD, struct.pack(">H", restart_rows * columns))
    stream += segment(0xDA, bytes((1, 1, 0, predictor, 0, point_transform)))
    for number, part in enumerate(parts):
        stream += bytes((0xFF, 0xD0 + (number - 1) % 8)) if number else b""
        stream += packed(part, codes)
    return stream + EOI


def segment(marker: int, content: bytes) -> bytes:
    return bytes((0xFF, marker)) + struct.pack(">H", len(content) + 2) + content


def symbols(lines: list[list[int]], predictor: int, start: int) -> list[tuple[int, str]]:
    """Category and extra bits of every difference."""
    found = []
    for y, line in enumerate(lines):
        for x, value in enumerate(line):
            difference = (value - predicted(lines, y, x, predictor, start)) & 0xFFFF
            found.append(category_and_bits(difference - 0x10000 if difference > 0x8000 else difference))
    return found


def predicted(lines: list[list[int]], y: int, x: int, predictor: int, start: int) -> int:
    if y == 0:
        return lines[0][x - 1] if x else start
    if x == 0:
        return lines[y - 1][0]
    a, b, c = lines[y][x - 1], lines[y - 1][x], lines[y - 1][x - 1]
    return [a, b, c, a + b - c, a + ((b - c) >> 1), b + ((a - c) >> 1), (a + b) >> 1][predictor - 1]


def category_and_bits(difference: int) -> tuple[int, str]:
    category = abs(difference).bit_length()
    if category in (0, 17) or difference == 0x8000:
        return min(category, 16), ""
    value = difference if difference > 0 else difference + (1 << category) - 1
    return category, f"{value:0{category}b}"


def prefix_codes(categories: list[int]) -> dict[int, str]:
    """Codes of lengths 1, 2, 3..., the frequent categories first; the last is one longer, so none is all ones."""
    order = [category for category, _ in Counter(categories).most_common()]
    return {category: "1" * place + "0" for place, category in enumerate(order)}


def table(codes: dict[int, str]) -> bytes:
    counts = [sum(len(code) == length for code in codes.values()) for length in range(1, 17)]
    return segment(0xC4, bytes((0, *counts, *codes)))


def packed(part: list[tuple[int, str]], codes: dict[int, str]) -> bytes:
    bits = "".join(codes[category] + extra for category, extra in part)
    bits += "1" * (-len(bits) % 8)
    content = int(bits, 2).to_bytes(len(bits) // 8, "big")
    return content.replace(b"\xff", b"\xff\x00")
