"""Annotation tables in LUNA16's form: one finding per row, world millimetres (LPS).

``seriesuid,coordX,coordY,coordZ,diameter_mm`` for reference findings (``annotations.csv`` and
``annotations_excluded.csv``), plus ``probability`` for a detector's marks. UIDs are always text: reading
them as numbers has spoilt published results ("056" became 56).
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from fedlung.errors import BadAnnotations

COLUMNS = ("seriesuid", "coordX", "coordY", "coordZ", "diameter_mm")
UNKNOWN_DIAMETER_MM = -1.0
"""LUNA16 writes -1 for a finding that was not measured; only excluded findings may carry it."""
UNSIZED_DIAMETER_MM = 10.0
"""What such a finding counts as: LUNA16 takes 5 mm around it."""
MARKED_DIAMETERS_MM = (1.0, 100.0)
"""What a person or a file may mark."""


@dataclass(frozen=True)
class Finding:
    """One annotated ball: centre in world mm (LPS), diameter in mm (-1 when unknown)."""

    series_uid: str
    center_xyz_mm: tuple[float, float, float]
    diameter_mm: float


def read_findings(path: Path, *, excluded: bool = False) -> list[Finding]:
    """Read ``annotations.csv`` (or, with ``excluded``, a table that may hold unknown diameters).

    Raises:
        BadAnnotations: file missing or not text, a column missing, or a cell that is not a finite number;
            the message names the file, the line and the column.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, strict=True)
            missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
            if missing:
                raise BadAnnotations(f"{path}: column {missing[0]} is missing; expected {','.join(COLUMNS)}")
            return [_finding(row, f"{path}: line {reader.line_num}", excluded) for row in reader]
    except FileNotFoundError:
        raise BadAnnotations(f"{path} does not exist") from None
    except (UnicodeDecodeError, csv.Error, OSError) as error:
        raise BadAnnotations(f"{path} is not a readable CSV table: {error}") from None


def _finding(row: dict[str, str | None], where: str, excluded: bool) -> Finding:
    uid = (row["seriesuid"] or "").strip()
    if not uid:
        raise BadAnnotations(f"{where}: seriesuid is empty")
    x, y, z, diameter = (_number(row[name], name, where) for name in COLUMNS[1:])
    if diameter <= 0 and not (excluded and diameter == UNKNOWN_DIAMETER_MM):
        raise BadAnnotations(f"{where}: diameter_mm must be positive, got {diameter:g}")
    return Finding(uid, (x, y, z), diameter)


def _number(text: str | None, name: str, where: str) -> float:
    try:
        value = float(text or "")
    except ValueError:
        raise BadAnnotations(f"{where}: {name} must be a number, got {text!r:.40}") from None
    if not math.isfinite(value):
        raise BadAnnotations(f"{where}: {name} must be finite, got {text}")
    return value


def write_findings(path: Path, findings: Iterable[Finding]) -> None:
    """Write a LUNA16 table; coordinates with nine decimals, as LUNA16 does."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for item in findings:
            numbers = (*item.center_xyz_mm, item.diameter_mm)
            writer.writerow([item.series_uid, *(f"{number:.9f}".rstrip("0").rstrip(".") for number in numbers)])
