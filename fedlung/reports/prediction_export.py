"""A prediction as JSON for other programs; the fields are a promise: ``docs/reference/prediction-json.md``."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from fedlung.reports.marked_scan import RESEARCH_USE, MarkedScan, ReportedMark

FORMAT = "fedlung-prediction-export-1"


def to_export(scan: MarkedScan, exported: str, exported_by: str) -> dict[str, Any]:
    """The whole prediction but for the voxels, as values that ``json`` writes."""
    record, point = scan.record, scan.operating_point
    model = {name: value for name, value in record.model.items() if name != "operating_points"}
    return {
        "format": FORMAT,
        "notice": RESEARCH_USE,
        "coordinates": "world millimetres, LPS",
        "exported": exported,
        "exported_by": exported_by,
        "scan": {
            "id": record.scan_id,
            "label": scan.scan_label,
            "geometry": dict(scan.content["original"]),
            "lung_volume_l": scan.content["lung_volume_l"],
        },
        "model": model,
        "reading": {
            "prediction_id": record.id,
            "asked_by": record.by,
            "asked": record.created,
            "started": record.started,
            "finished": record.finished,
            "seconds": dict(record.seconds),
            "total_seconds": round(sum(record.seconds.values()), 3),
            "warnings": [dict(warning) for warning in record.warnings],
            "uncertainty": record.uncertainty,
        },
        "threshold": scan.threshold,
        "operating_point": dict(point) if point is not None else None,
        "marks_version": scan.version.version,
        "first_read_declared": scan.version.has_declared(exported_by),
        "first_reads": [asdict(declared) for declared in scan.version.first_reads],
        "num_reported": len(scan.reported),
        "marks": [_mark(item, scan.diameter_agreement(item)) for item in scan.marks],
    }


def _mark(item: ReportedMark, agreement: dict[str, Any] | None) -> dict[str, Any]:
    mark = item.mark
    return {
        "number": item.number,
        "name": item.name,
        "id": mark.id,
        "source": mark.source,
        "status": mark.status,
        "reported": item.is_reported,
        "center_xyz_mm": list(mark.center_xyz_mm),
        "diameter_mm": mark.diameter_mm,
        "diameter_agreement": agreement,
        "volume_mm3": round(item.volume_mm3, 1),
        "probability": item.probability,
        "slice_number": item.slice_number,
        "position": dict(item.position),
        "attenuation": item.attenuation,
        "category": dict(item.category),
        "comment": mark.comment,
        "author": mark.author,
        "time": mark.time,
    }
