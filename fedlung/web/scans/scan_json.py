"""A scan, and all scans of a hospital, as JSON for the hospital's own people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any
from urllib.parse import quote

from fedlung.imaging.readiness import Readiness
from fedlung.stores.annotation_versions import AnnotationVersion
from fedlung.stores.hospital_store import HospitalStore
from fedlung.stores.hospitals import SIZE_EDGES_MM, size_histogram
from fedlung.stores.scan_records import ScanRecord
from fedlung.web.scans.own_scans import sentence
from fedlung.web.scans.removed_words import name_words, removed_words

RECEIVED, CHECKED, ANNOTATED, READY, REFUSED = "received", "checked", "annotated", "ready", "refused"
HIDDEN = ("patient_key", "voxels_sha256", "place", "files")  # of no use to a page
KEPT = "file name"  # earlier records call it removed, though it is kept as ``uploaded_as``
STAFF_ONLY = ("uploaded_as", "removed", "removed_words", "by")  # the name of a file may be that of a patient

Json = dict[str, Any]


class ScanList:
    """The scans of one hospital at one moment, for a person with ``role``."""

    def __init__(self, store: HospitalStore, uncertainties: Mapping[str, float | None], is_staff: bool) -> None:
        self._store = store
        self._uncertainties = uncertainties
        self._is_staff = is_staff
        self._readiness: Readiness = store.readiness.now()
        self._records = store.scans.records()
        self._with_thumbnail = store.scans.with_thumbnail()

    def all(self) -> list[Json]:
        return [self.one(scan_id) for scan_id in self._records]

    def one(self, scan_id: str) -> Json:
        """``scan_id`` is there."""
        record = self._records[scan_id]
        newest = self._store.annotations.newest(scan_id)
        is_listed = scan_id in self._readiness.scans
        is_ready = not self._readiness.holds_back(scan_id)
        shown = _facts(scan_id, record)
        if not self._is_staff:
            shown = {name: value for name, value in shown.items() if name not in STAFF_ONLY}
        return {
            **shown,
            "state": _state(record, newest, is_ready),
            "nodules": newest.nodules,
            "annotation_version": newest.version,
            "is_read": newest.is_read or (newest.version == 0 and not is_listed),
            "is_ready": is_ready,
            "used": self._store.usage.of(scan_id),
            "uncertainty": self._uncertainties.get(scan_id),
            "thumbnail": self._thumbnail(scan_id),
        }

    def same_patient(self, scan_id: str) -> list[str]:
        """Other scans of this hospital that are known to be of the same patient; the key itself is not told."""
        keys = {other: record.patient_key for other, record in self._records.items() if record is not None}
        own = keys.get(scan_id)
        return [other for other, key in keys.items() if own and key == own and other != scan_id]

    def totals(self) -> Json:
        """What the scans are like, in numbers."""
        newest = [self._store.annotations.newest(scan_id) for scan_id in self._records]
        nodules = [found for version in newest for found in version.findings if found.kind == "nodule"]
        known = [record for record in self._records.values() if record is not None and record.is_usable]
        return {
            "scans": len(self._records),
            "ready": sum(not self._readiness.holds_back(scan_id) for scan_id in self._records),
            "nodules": len(nodules),
            "size_histogram": {
                "edges_mm": list(SIZE_EDGES_MM),
                "counts": list(size_histogram([found.diameter_mm for found in nodules])),
            },
            "spacing": {
                "slice_mm": _spread([record.spacing_zyx_mm[0] for record in known]),
                "pixel_mm": _spread([record.spacing_zyx_mm[2] for record in known]),
            },
            "manufacturers": dict(Counter(record.manufacturer for record in known).most_common()),
            "bytes": self._store.room.used_bytes(),
            "quota_bytes": self._store.room.limits.quota_bytes,
        }

    def switches(self) -> Json:
        """What the hospital has declared about itself."""
        return {"is_ready": self._readiness.is_ready, "keep_original_dicom": self._readiness.keep_original_dicom}

    def _thumbnail(self, scan_id: str) -> str | None:
        return None if scan_id not in self._with_thumbnail else f"/api/scans/{quote(scan_id)}/thumbnail"


def _facts(scan_id: str, record: ScanRecord | None) -> Json:
    if record is None:  # not looked at yet
        unknown: Json = {"label": scan_id[:80], "source": "folder", "checks": [], "received": None}
        return {"id": scan_id, "scan_id": scan_id, **unknown}
    facts = {name: value for name, value in asdict(record).items() if name not in HIDDEN}
    if not record.is_usable:
        facts |= {"shape_zyx": None, "spacing_zyx_mm": None}
    checks = [
        {"code": check["code"], "level": check["level"], "text": sentence(check["text"], check.get("values", {}))}
        for check in record.checks
    ]
    removed = [name for name in record.removed if name != KEPT]
    told = {"removed": removed, "removed_words": list(map(removed_words, removed))}
    return {"id": scan_id, **facts, "checks": checks, "uploaded_as": name_words(record.uploaded_as), **told}


def _state(record: ScanRecord | None, newest: AnnotationVersion, is_ready: bool) -> str:
    if record is not None and not record.is_usable:
        return REFUSED
    if is_ready:
        return READY
    if record is None:
        return RECEIVED
    return ANNOTATED if newest.is_complete else CHECKED


def _spread(values: Sequence[float]) -> Json | None:
    if not values:
        return None
    ordered = sorted(values)
    return {"min": ordered[0], "median": ordered[len(ordered) // 2], "max": ordered[-1]}
