"""A prediction as a table in LUNA16's form: one mark per row, world millimetres (LPS)."""

from __future__ import annotations

import csv
import io

from fedlung.reports.marked_scan import MarkedScan, ReportedMark

COLUMNS = ("seriesuid", "coordX", "coordY", "coordZ", "probability", "diameter_mm")
MORE_COLUMNS = ("volume_mm3", "source", "status", "reported")
NOTICE_COLUMN = "research_use_not_for_diagnosis"
"""The notice is the name of a column: it stands in a table without rows, too, and no program stumbles over it."""
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
READERS_PROBABILITY = 1.0
"""What a reader added; LUNA16's form has no other way to say that somebody is sure."""


def to_csv(scan: MarkedScan) -> str:
    """Every mark, also rejected ones and those below the threshold: ``reported`` says which count."""
    target = io.StringIO()
    writer = csv.writer(target, lineterminator="\n")
    writer.writerow((*COLUMNS, *MORE_COLUMNS, NOTICE_COLUMN))
    writer.writerows(_row(scan, item) for item in scan.marks)
    return target.getvalue()


def _row(scan: MarkedScan, item: ReportedMark) -> list[str]:
    series = scan.record.scan_id
    # A spreadsheet would take such a name for a formula (OWASP, CSV injection).
    named = f"'{series}" if series.startswith(FORMULA_STARTS) else series
    probability = READERS_PROBABILITY if item.probability is None else item.probability
    numbers = [f"{value:.4f}" for value in item.mark.center_xyz_mm]
    numbers += [f"{probability:.6f}", f"{item.mark.diameter_mm:.3f}", f"{item.volume_mm3:.1f}"]
    return [named, *numbers, item.mark.source, item.mark.status, "yes" if item.is_reported else "no", "yes"]
