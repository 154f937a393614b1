"""Annotations that a hospital brings along: LUNA16's CSV or LIDC-IDRI's XML, with a report before anything changes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from fedlung.errors import BadAnnotations, BadScan
from fedlung.imaging.annotations import MARKED_DIAMETERS_MM, UNSIZED_DIAMETER_MM, Finding, read_findings
from fedlung.imaging.geometry import FloatArray, Geometry
from fedlung.imaging.intake.coordinate_hints import ScanPlace, coordinate_hints, in_lungs_share
from fedlung.imaging.intake.lidc_consensus import Ball, consensus
from fedlung.imaging.intake.lidc_xml import LidcMessage, parse_lidc
from fedlung.imaging.intake.scan_facts import Check
from fedlung.imaging.intake.texts import N_
from fedlung.imaging.intake.uploaded_files import shown
from fedlung.imaging.metaimage_header import open_regular_file
from fedlung.imaging.resampling import reorient_to_lps
from fedlung.imaging.volume import CTVolume

__all__ = ["AnnotationReport", "ImportedFinding", "ScanPlace", "read_annotation_file"]


MAX_FILE_BYTES = 32 * 2**20
"""Ten times LUNA16's table of 35 000 excluded findings."""
Kind = Literal["nodule", "ignore"]


@dataclass(frozen=True)
class ImportedFinding:
    """One finding that may be stored: centre in world mm (LPS), diameter 1-100 mm."""

    kind: Kind
    center_xyz_mm: tuple[float, float, float]
    diameter_mm: float


@dataclass(frozen=True)
class AnnotationReport:
    """What an annotation file would bring.

    Attributes:
        origin: "csv" or "xml".
        rows: findings in the file.
        findings: stored scan_id -> findings to store; rows that are refused are left out. A scan that the file
            names and that has no findings left (XML: a read scan without nodules) is there with none.
        unknown_uids: UIDs of the file that are no scan of this hospital, in the order of the file.
        outside: rows whose point is outside their scan's volume (with half a voxel of grace).
        wrong_size: rows whose diameter is not 1-100 mm.
        in_lungs_share: of the nodules of scans whose lungs are known; None when there are none.
        hints: what seems to be wrong with the coordinates, and other remarks, each as a check.
    """

    origin: Literal["csv", "xml"]
    rows: int
    findings: Mapping[str, tuple[ImportedFinding, ...]]
    unknown_uids: tuple[str, ...] = ()
    outside: int = 0
    wrong_size: int = 0
    in_lungs_share: float | None = None
    hints: tuple[Check, ...] = ()

    @property
    def matched(self) -> int:
        """Findings that would be stored."""
        return sum(len(found) for found in self.findings.values())


def read_annotation_file(
    path: Path,
    name: str,
    *,
    scans: Mapping[str, ScanPlace],
    remap: Callable[[str], str],
    as_ignored: bool = False,
) -> AnnotationReport:
    """Read an uploaded annotation file against the scans of one hospital; nothing is stored.

    Args:
        path: the uploaded file.
        name: what it was called; ``.csv`` or ``.xml``.
        scans: scan_id -> place, all scans of the hospital. A row's UID may be the stored one or the original one.
        remap: as in ``examine``.
        as_ignored: all rows are findings to ignore (LUNA16's ``annotations_excluded.csv``); a diameter of -1
            always is.

    Raises:
        BadAnnotations: the file is not such a table or message, or too large; the sentence names line and column.
    """
    suffix = Path(name.lower()).suffix
    if suffix not in (".csv", ".xml"):
        raise BadAnnotations(f"annotations come as .csv (LUNA16) or .xml (LIDC-IDRI), got {shown(name)!r:.80}")
    content = _content(path)
    if suffix == ".xml":
        return _from_message(parse_lidc(content), scans, remap)
    return _from_table(_rows(path, name), scans, remap, as_ignored)


def _content(path: Path) -> bytes:
    try:
        with open_regular_file(path) as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except BadScan as error:
        raise BadAnnotations(str(error)) from None
    if len(content) > MAX_FILE_BYTES:
        raise BadAnnotations(f"an annotation file must be at most {MAX_FILE_BYTES} bytes")
    return content


def _rows(path: Path, name: str) -> list[Finding]:
    try:
        return read_findings(path, excluded=True)
    except BadAnnotations as error:
        raise BadAnnotations(str(error).replace(str(path), shown(name))) from None


def _from_table(
    rows: Sequence[Finding], scans: Mapping[str, ScanPlace], remap: Callable[[str], str], as_ignored: bool
) -> AnnotationReport:
    stored_ids = {uid: _stored_id(uid, scans, remap) for uid in dict.fromkeys(row.series_uid for row in rows)}
    found: dict[str, list[ImportedFinding]] = defaultdict(list)
    for row in rows:
        scan_id = stored_ids[row.series_uid]
        if scan_id is not None:
            is_unsized = row.diameter_mm < 0
            diameter_mm = UNSIZED_DIAMETER_MM if is_unsized else row.diameter_mm
            kind: Kind = "ignore" if as_ignored or is_unsized else "nodule"
            found[scan_id].append(ImportedFinding(kind, row.center_xyz_mm, diameter_mm))
    unknown = tuple(uid for uid, scan_id in stored_ids.items() if scan_id is None)
    findings = {scan_id: tuple(items) for scan_id, items in found.items()}
    return _checked(AnnotationReport("csv", len(rows), findings, unknown), scans)


def _stored_id(uid: str, scans: Mapping[str, ScanPlace], remap: Callable[[str], str]) -> str | None:
    return next((candidate for candidate in (uid, remap(uid)) if candidate in scans), None)


def _from_message(
    message: LidcMessage, scans: Mapping[str, ScanPlace], remap: Callable[[str], str]
) -> AnnotationReport:
    marks = sum(len(reading.nodules) + len(reading.points) for reading in message.readings)
    scan_id = _stored_id(message.series_uid, scans, remap)
    if scan_id is None:
        return AnnotationReport("xml", marks, {}, (message.series_uid,))
    place = scans[scan_id]
    readings = [_findings(*consensus(message, grid)) for grid in _pixel_grids(place.geometry)]
    shares = [_nodule_share({scan_id: found}, scans) or 0.0 for found in readings]
    # The first grid unless the other fits better: an equal share goes to what is stored.
    chosen = int(np.argmax(shares))
    report = _checked(AnnotationReport("xml", marks, {scan_id: readings[chosen]}), scans)
    text = N_(
        "%(readers)d readers made %(marks)d marks; nodules are those of three readers in four, the rest is ignored."
    )
    rule = Check("consensus", "ok", text, {"readers": len(message.readings), "marks": marks})
    turned = Check("other_axes", "warning", N_("The scan is stored turned, so the outlines were turned as well; look."))
    return replace(report, hints=(rule, *report.hints, *([turned] if chosen else [])))


def _pixel_grids(stored: Geometry) -> list[Geometry]:
    """The grids that outlines in pixels may have been drawn on: the scan as it is stored, and in LPS order.

    They differ when the scan came as NIfTI, whose writers turn the axes of the DICOM series that was drawn on.
    """
    nothing = np.broadcast_to(np.int16(0), stored.shape_zyx)
    in_lps = reorient_to_lps(CTVolume("grid", nothing, stored)).geometry
    return [stored, in_lps]


def _findings(nodules: Sequence[Ball], ignored: Sequence[Ball]) -> tuple[ImportedFinding, ...]:
    return (*(_finding("nodule", ball) for ball in nodules), *(_finding("ignore", ball) for ball in ignored))


def _finding(kind: Kind, ball: Ball) -> ImportedFinding:
    x, y, z = ball.center_xyz_mm.tolist()
    return ImportedFinding(kind, (x, y, z), ball.diameter_mm)


def _nodule_share(found: Mapping[str, Sequence[ImportedFinding]], scans: Mapping[str, ScanPlace]) -> float | None:
    return in_lungs_share(_centers(found), scans)


def _centers(found: Mapping[str, Sequence[ImportedFinding]]) -> dict[str, FloatArray]:
    """Of the nodules only: places to ignore are often outside the lungs."""
    by_scan = {key: [item.center_xyz_mm for item in items if item.kind == "nodule"] for key, items in found.items()}
    return {scan_id: np.array(centers, dtype=float) for scan_id, centers in by_scan.items() if centers}


def _checked(report: AnnotationReport, scans: Mapping[str, ScanPlace]) -> AnnotationReport:
    """The report without rows that may not be stored, and with what there is to say about the rest."""
    low, high = MARKED_DIAMETERS_MM
    kept: dict[str, tuple[ImportedFinding, ...]] = {}
    outside = wrong_size = 0
    for scan_id, items in report.findings.items():
        inside = [item for item in items if scans[scan_id].geometry.contains(item.center_xyz_mm)]
        sized = tuple(item for item in inside if low <= item.diameter_mm <= high)
        outside += len(items) - len(inside)
        wrong_size += len(inside) - len(sized)
        if sized or report.origin == "xml":
            kept[scan_id] = sized
    return replace(
        report,
        findings=kept,
        outside=outside,
        wrong_size=wrong_size,
        in_lungs_share=_nodule_share(report.findings, scans),
        hints=(*_counted(outside, wrong_size), *coordinate_hints(_centers(report.findings), scans)),
    )


def _counted(outside: int, wrong_size: int) -> list[Check]:
    texts = {
        "outside": (outside, N_("%(count)d findings lie outside their scan and are left out.")),
        "wrong_size": (wrong_size, N_("%(count)d findings are not 1 to 100 mm in diameter and are left out.")),
    }
    return [Check(code, "warning", text, {"count": count}) for code, (count, text) in texts.items() if count]
