"""What a detector said, and about which scans: the two LUNA16 tables that hold no reference findings.

``seriesuid,coordX,coordY,coordZ,probability`` (world mm, LPS), and the list of scans that were read. UIDs are
compared as text: a published evaluation once lost scans because "056" was read as 56.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from fedlung.errors import BadAnnotations

COLUMNS = ("seriesuid", "coordX", "coordY", "coordZ", "probability")


@dataclass(frozen=True)
class Mark:
    """One point that a detector calls a nodule.

    Attributes:
        series_uid: the scan.
        center_xyz_mm: world position, mm, LPS.
        probability: any finite score that grows with suspicion; only its order counts.
    """

    series_uid: str
    center_xyz_mm: tuple[float, float, float]
    probability: float


def read_marks(path: Path) -> list[Mark]:
    """Read a result table, in file order; further columns (``diameter_mm``...) are ignored.

    Raises:
        BadAnnotations: file missing or not text, a column missing, or a cell that is not a finite number;
            the message names the file, the line and the column.
    """
    with _open_table(path) as file:
        reader = csv.DictReader(file, strict=True)
        missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
        if missing:
            raise BadAnnotations(f"{path}: column {missing[0]} is missing; expected {','.join(COLUMNS)}")
        return [_mark(row, path, reader.line_num) for row in reader]


def read_series_uids(path: Path) -> list[str]:
    """Read the scans that were evaluated: one UID per line, in LUNA16 without a header.

    A first line ``seriesuid``, empty lines and further columns are allowed.

    Raises:
        BadAnnotations: file missing or not text, no scan at all, or a scan listed twice (the number of scans
            is the divisor of every false-positive rate).
    """
    line_of_uid: dict[str, int] = {}
    with _open_table(path) as file:
        reader = csv.reader(file, strict=True)
        for row in reader:
            uid = row[0].strip() if row else ""
            if not uid or (reader.line_num == 1 and uid == COLUMNS[0]):
                continue
            if uid in line_of_uid:
                raise BadAnnotations(
                    f"{path}: line {reader.line_num}: {uid} is already listed on line {line_of_uid[uid]}"
                )
            line_of_uid[uid] = reader.line_num
    if not line_of_uid:
        raise BadAnnotations(f"{path} lists no scan; expected one seriesuid per line")
    return list(line_of_uid)


@contextmanager
def _open_table(path: Path) -> Iterator[TextIO]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            yield file
    except FileNotFoundError:
        raise BadAnnotations(f"{path} does not exist") from None
    except (UnicodeDecodeError, csv.Error, OSError) as error:
        raise BadAnnotations(f"{path} is not a readable CSV table: {error}") from None


def _mark(row: dict[str, str | None], path: Path, line: int) -> Mark:
    uid = (row["seriesuid"] or "").strip()
    if not uid:
        raise BadAnnotations(f"{path}: line {line}: seriesuid is empty")
    try:
        x, y, z, probability = numbers = [float(row[name] or "") for name in COLUMNS[1:]]
    except ValueError:
        raise _bad_number(row, path, line) from None
    if not all(map(math.isfinite, numbers)):
        raise _bad_number(row, path, line)
    return Mark(uid, (x, y, z), probability)


def _bad_number(row: dict[str, str | None], path: Path, line: int) -> BadAnnotations:
    """The error of the first cell that is not a finite number. Apart, so that good rows are read fast."""
    for name in COLUMNS[1:]:
        text = row[name] or ""
        try:
            if math.isfinite(float(text)):
                continue
        except ValueError:
            pass
        return BadAnnotations(f"{path}: line {line}: {name} must be a finite number, got {text!r:.40}")
    raise AssertionError("called for a row of finite numbers")
