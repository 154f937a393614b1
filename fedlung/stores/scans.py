"""The scans of one hospital: what is known about each, its picture, how one appears and how one goes.

::

    scans/<uid>.mhd + .raw            the scan; it is there as soon as its header is, which comes last
    scan_records/<uid>.json           `ScanRecord`; made later for scans that were copied by hand
    scan_records/<uid>.png            a small picture
    scan_records/<uid>.lungs.npz      the coarse lung mask
    scan_records/<uid>.deleting       the scan is being deleted: whoever starts next goes on with it
    originals/<uid>/                  the DICOM files that were sent, where the hospital keeps them

An id is only compared with the names that are there, never made a path. The contract of `ScanStore`, proved by
``tests/contract/test_scan_stores.py``: a scan is there whole or not at all, whenever the process was killed; what was
removed stays removed, with everything that was made of it.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Protocol

from fedlung.errors import BadScan, Conflict, NotFound
from fedlung.imaging.checked_files import RECORDS, is_changed, looks_of_scan
from fedlung.imaging.hospital_folder import scan_files
from fedlung.imaging.metaimage_header import read_header
from fedlung.stores.atomic_files import sync_folder, to_indented, write_atomically
from fedlung.stores.scan_records import NewScan, ScanRecord, read_record

ORIGINALS = "originals"
THUMBNAIL, LUNGS, DELETING = ".png", ".lungs.npz", ".deleting"


class ScanStore(Protocol):
    """See the module's first lines."""

    def ids(self) -> list[str]: ...

    def path(self, scan_id: str) -> Path:
        """Header file. Raises NotFound."""

    def record(self, scan_id: str) -> ScanRecord | None:
        """None while the scan was not looked at yet. Raises NotFound."""

    def thumbnail(self, scan_id: str) -> Path | None:
        """Raises NotFound."""

    def lungs(self, scan_id: str) -> Path | None:
        """Raises NotFound."""

    def originals(self, scan_id: str) -> list[Path]:
        """Raises NotFound."""

    def with_voxels(self, voxels_sha256: str) -> ScanRecord | None:
        """A scan with these voxels."""

    def add(self, scan: NewScan) -> None:
        """Move a new scan in. Raises Conflict when there is one of this id."""

    def describe(self, record: ScanRecord, made: Path) -> None:
        """Note what was found out about a scan that is there; ``made`` holds its picture and lungs."""

    def relabel(self, scan_id: str, label: str) -> ScanRecord:
        """Raises NotFound; Conflict while the scan was not looked at yet."""

    def remove(self, scan_id: str) -> None:
        """The scan and all that was made of it; `removals` names it until `removed` is called. Raises NotFound."""


class FileScanStore:
    """See `ScanStore`; ``folder`` is the hospital's."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._records = folder / RECORDS
        self._known: dict[str, tuple[tuple[int, int], ScanRecord]] = {}

    def ids(self) -> list[str]:
        return sorted(self._headers())

    def path(self, scan_id: str) -> Path:
        header = self._headers().get(scan_id)
        if header is None:
            raise NotFound("there is no such scan in this hospital")
        return header

    def record(self, scan_id: str) -> ScanRecord | None:
        self.path(scan_id)
        return self._record(scan_id)

    def records(self) -> dict[str, ScanRecord | None]:
        """Of all scans, in the order of their ids."""
        return {scan_id: self._record(scan_id) for scan_id in self.ids()}

    def to_look_at(self) -> dict[str, Path]:
        """Header files of the scans that were never looked at, or whose files have changed since."""
        found = ((scan_id, header, self._record(scan_id)) for scan_id, header in sorted(self._headers().items()))
        return {
            scan_id: header
            for scan_id, header, record in found
            if record is None or not record.files or is_changed(header, record.files)
        }

    def thumbnail(self, scan_id: str) -> Path | None:
        return self._beside(scan_id, THUMBNAIL)

    def with_thumbnail(self) -> set[str]:
        """Scans that have a picture, at once for all of them."""
        return {path.name.removesuffix(THUMBNAIL) for path in self._records.glob(f"*{THUMBNAIL}")}

    def lungs(self, scan_id: str) -> Path | None:
        return self._beside(scan_id, LUNGS)

    def originals(self, scan_id: str) -> list[Path]:
        self.path(scan_id)
        folder = self.folder / ORIGINALS / scan_id
        return sorted(folder.iterdir()) if folder.is_dir() else []

    def with_voxels(self, voxels_sha256: str) -> ScanRecord | None:
        records = (record for record in self.records().values() if record is not None)
        return next((record for record in records if record.voxels_sha256 == voxels_sha256), None)

    def add(self, scan: NewScan) -> None:
        scan_id = scan.record.scan_id
        if scan_id in self._headers():
            raise Conflict("there is a scan of this id already")
        self.describe(scan.record, scan.folder)
        self._keep_originals(scan_id, scan.originals)
        scans = self.folder / "scans"
        scans.mkdir(exist_ok=True)
        for suffix in (".raw", ".mhd"):  # a header that is there has its pixels
            (scan.folder / f"{scan_id}{suffix}").replace(scans / f"{scan_id}{suffix}")
            sync_folder(scans)
        self._write(replace(scan.record, files=looks_of_scan(scans / f"{scan_id}.mhd")))

    def describe(self, record: ScanRecord, made: Path) -> None:
        self._records.mkdir(exist_ok=True)
        for suffix in (THUMBNAIL, LUNGS):
            if (made / f"{record.scan_id}{suffix}").is_file():
                (made / f"{record.scan_id}{suffix}").replace(self._records / f"{record.scan_id}{suffix}")
        self._write(record)

    def relabel(self, scan_id: str, label: str) -> ScanRecord:
        record = self.record(scan_id)
        if record is None:
            raise Conflict("the scan has not been looked at yet; try again in a minute")
        changed = replace(record, label=label)
        self._write(changed)
        return changed

    def remove(self, scan_id: str) -> None:
        header = self.path(scan_id)
        write_atomically(self._marker(scan_id), json.dumps(_pixel_name(header)).encode())
        self.finish_removal(scan_id)

    def removals(self) -> list[str]:
        """Scans that are being removed: everything else that belongs to them has to go, too."""
        return sorted(path.name.removesuffix(DELETING) for path in self._records.glob(f"*{DELETING}"))

    def finish_removal(self, scan_id: str) -> None:
        """Remove what is left of a scan that `removals` names."""
        scans = self.folder / "scans"
        for suffix in (".mhd", ".mha"):
            (scans / f"{scan_id}{suffix}").unlink(missing_ok=True)
        pixels = json.loads(self._marker(scan_id).read_bytes())
        if pixels is not None:
            (scans / pixels).unlink(missing_ok=True)
        for suffix in (".json", THUMBNAIL, LUNGS):
            (self._records / f"{scan_id}{suffix}").unlink(missing_ok=True)
        shutil.rmtree(self.folder / ORIGINALS / scan_id, ignore_errors=True)

    def removed(self, scan_id: str) -> None:
        """Nothing of the scan is left anywhere."""
        self._marker(scan_id).unlink(missing_ok=True)

    def sweep(self) -> None:
        """Remove what a process that was killed left of scans that had not appeared yet."""
        present = self._headers().keys()
        for path in self._records.glob("*.json"):
            record = read_record(path)
            if path.stem in present or record is None or record.source == "folder":
                continue
            self._records.mkdir(exist_ok=True)
            write_atomically(self._marker(path.stem), json.dumps(f"{path.stem}.raw").encode())
            self.finish_removal(path.stem)
            self.removed(path.stem)

    def bytes_used(self) -> int:
        """Of scans and what is kept beside them."""
        parts = (self.folder / name for name in ("scans", RECORDS, ORIGINALS))
        return sum(_size(file) for part in parts for file in part.rglob("*"))

    def _headers(self) -> dict[str, Path]:
        return {path.stem: path for path in scan_files(self.folder)}

    def _beside(self, scan_id: str, suffix: str) -> Path | None:
        self.path(scan_id)
        path = self._records / f"{scan_id}{suffix}"
        return path if path.is_file() else None

    def _marker(self, scan_id: str) -> Path:
        self._records.mkdir(exist_ok=True)
        return self._records / f"{scan_id}{DELETING}"

    def _keep_originals(self, scan_id: str, files: tuple[Path, ...]) -> None:
        if not files:
            return
        target = self.folder / ORIGINALS / scan_id
        target.mkdir(mode=0o700, parents=True, exist_ok=True)
        for number, file in enumerate(files):
            file.replace(target / f"{number:06}.dcm")
        sync_folder(target)

    def _write(self, record: ScanRecord) -> None:
        write_atomically(self._records / f"{record.scan_id}.json", to_indented({"format": 1, **asdict(record)}))

    def _record(self, scan_id: str) -> ScanRecord | None:
        path = self._records / f"{scan_id}.json"
        try:
            found = path.stat()
        except FileNotFoundError:
            return None
        signature = (found.st_mtime_ns, found.st_ino)
        known = self._known.get(scan_id)
        if known is None or known[0] != signature:
            record = read_record(path)
            if record is None:
                return None  # damaged: it is made again
            known = self._known[scan_id] = signature, record
        return known[1]


def _pixel_name(header: Path) -> str | None:
    try:
        return read_header(header).pixel_file
    except BadScan:  # a header that nobody can read still goes, with pixels of its own name
        own = next(_siblings(header), None)
        return own.name if own else None


def _siblings(header: Path) -> Iterator[Path]:
    return (path for suffix in (".raw", ".zraw") if (path := header.with_suffix(suffix)).is_file())


def _size(path: Path) -> int:
    try:
        return path.stat().st_size if path.is_file() else 0
    except OSError:
        return 0
