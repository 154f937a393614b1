"""The scans of a hospital as the prediction needs them: where the file is, and the little that is known about it."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from fedlung.errors import BadScan
from fedlung.imaging.checked_files import is_changed
from fedlung.imaging.metaimage_header import read_header
from fedlung.stores.hospitals import HospitalFolders
from fedlung.stores.scan_records import ScanRecord
from fedlung.stores.scans import FileScanStore

Signature = tuple[tuple[str, int, int], ...]


@dataclass(frozen=True)
class ScanFile:
    """One scan of one hospital.

    Attributes:
        path: header file of the MetaImage.
        label: what people call it.
        sha256: of header and pixel file. Not the digest that the intake notes: a scan that was copied into the folder
            by hand gets that one later, and must not be another scan then.
        patient_key: the same for two scans of one person; empty when that is not known.
        study_date: YYYY-MM-DD, or empty.
        originals: files of the DICOM series that the scan was made from, where it was kept.
        problems: why the intake's checks refused the scan, a sentence each.
    """

    hospital_id: str
    scan_id: str
    path: Path
    label: str
    sha256: str
    patient_key: str = ""
    study_date: str = ""
    slice_thickness_mm: float | None = None
    originals: tuple[Path, ...] = ()
    problems: tuple[str, ...] = ()


class Scans(Protocol):
    """Where scans are looked up."""

    def find(self, hospital_id: str, scan_id: str) -> ScanFile:
        """Raises NotFound, also for another hospital's."""


class FolderScans:
    """Scans in the hospitals' folders, with what the intake noted about them."""

    def __init__(self, hospitals: HospitalFolders) -> None:
        self._hospitals = hospitals
        self._digests: dict[Path, tuple[Signature, str]] = {}

    def find(self, hospital_id: str, scan_id: str) -> ScanFile:
        store = FileScanStore(self._hospitals.folder(hospital_id))
        path, record = store.path(scan_id), store.record(scan_id)
        if record is None or is_changed(path, record.files):  # copied there by hand, and not looked at yet
            return ScanFile(hospital_id, scan_id, path, scan_id, self._digest(path))
        return ScanFile(
            hospital_id,
            scan_id,
            path,
            record.label,
            self._digest(path),
            record.patient_key,
            record.study_date,
            record.slice_thickness_mm,
            tuple(store.originals(scan_id)) if record.has_original_dicom else (),
            _problems(record),
        )

    def _digest(self, path: Path) -> str:
        """SHA-256 over header and pixel file, computed when one of them has changed."""
        files = [path, *_pixel_file(path)]
        signature = tuple((file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files)
        known = self._digests.get(path)
        if known is None or known[0] != signature:
            digest = hashlib.sha256()
            for file in files:
                with file.open("rb") as content:
                    digest.update(hashlib.file_digest(content, "sha256").digest())
            known = signature, digest.hexdigest()
            self._digests[path] = known
        return known[1]


def _problems(record: ScanRecord) -> tuple[str, ...]:
    if not record.voxels_sha256:  # it could not be read then; perhaps it was still being copied
        return ()
    return tuple(check["text"] % check["values"] for check in record.checks if check["level"] == "error")


def _pixel_file(path: Path) -> list[Path]:
    """None for a header that is refused: whoever reads the scan will say why."""
    with suppress(BadScan, OSError):
        name = read_header(path).pixel_file
        if name is not None and (path.parent / name).is_file():
            return [path.parent / name]
    return []
