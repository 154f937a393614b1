"""The two tables that training reads, as they follow from saved annotations and from rows that nobody has touched.

A row belongs to whoever wrote it until annotations of its scan are saved: it is kept letter by letter, with columns
that we do not know.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fedlung.errors import BadAnnotations, UnreadableStore
from fedlung.imaging.annotations import COLUMNS, read_findings
from fedlung.stores.annotation_versions import ScanFinding
from fedlung.stores.atomic_files import write_atomically
from fedlung.stores.file_signature import file_signature

NODULES, EXCLUDED = "annotations.csv", "annotations_excluded.csv"


@dataclass(frozen=True)
class TableRow:
    """A finding as it stands in one of the tables."""

    center_xyz_mm: tuple[float, float, float]
    diameter_mm: float
    is_excluded: bool


class AnnotationTables:
    """Both tables of the hospital in ``folder``. What was read is kept until a file changes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: tuple[object, dict[str, list[TableRow]]] = (None, {})

    def rows_of(self, scan_id: str) -> list[TableRow]:
        """Raises UnreadableStore."""
        signature = tuple(file_signature(self._folder / name) for name in (NODULES, EXCLUDED))
        if self._known[0] != signature:
            self._known = signature, self._read()
        return self._known[1].get(scan_id, [])

    def require_readable(self) -> None:
        """Raises UnreadableStore: a table that cannot be read is never written over."""
        self.rows_of("")

    def follow(self, saved: Mapping[str, Sequence[ScanFinding]], without: str = "") -> None:
        """Write both tables where they differ from ``saved`` (scan -> findings) and the rows of all other scans.

        Rows of the scan ``without`` go.
        """
        for name, kind in ((NODULES, "nodule"), (EXCLUDED, "ignore")):
            path = self._folder / name
            columns, rows = _rows(path)
            kept = [row for row in rows if (uid := (row["seriesuid"] or "").strip()) not in saved and uid != without]
            for scan_id in sorted(saved):
                kept += [_row(scan_id, finding) for finding in saved[scan_id] if finding.kind == kind]
            content = _table(columns, kept)
            if (kept or name == NODULES or path.exists()) and _content(path) != content:
                write_atomically(path, content)

    def nodules_csv(self) -> str:
        """``annotations.csv`` with its five columns only. Raises UnreadableStore."""
        self.require_readable()
        _, rows = _rows(self._folder / NODULES)
        return _table(COLUMNS, [{name: row[name] for name in COLUMNS} for row in rows]).decode()

    def _read(self) -> dict[str, list[TableRow]]:
        found: dict[str, list[TableRow]] = {}
        for name, is_excluded in ((NODULES, False), (EXCLUDED, True)):
            path = self._folder / name
            try:
                findings = read_findings(path, excluded=is_excluded) if path.exists() else []
            except BadAnnotations as error:
                raise UnreadableStore(str(error)) from None
            for finding in findings:
                row = TableRow(finding.center_xyz_mm, finding.diameter_mm, is_excluded)
                found.setdefault(finding.series_uid, []).append(row)
        return found


def _rows(path: Path) -> tuple[Sequence[str], list[dict[str, str | None]]]:
    if not path.exists():
        return COLUMNS, []
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        return reader.fieldnames or COLUMNS, list(reader)


def _row(scan_id: str, finding: ScanFinding) -> dict[str, str | None]:
    numbers = (*finding.center_xyz_mm, finding.diameter_mm)
    texts = (f"{number:.9f}".rstrip("0").rstrip(".") for number in numbers)
    return dict(zip(COLUMNS, (scan_id, *texts), strict=True))


def _table(columns: Sequence[str], rows: Sequence[Mapping[str, str | None]]) -> bytes:
    target = io.StringIO()
    writer = csv.DictWriter(target, columns, restval="", extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return target.getvalue().encode()


def _content(path: Path) -> bytes | None:
    return path.read_bytes() if path.exists() else None
