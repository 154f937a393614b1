"""Everything that is kept of one hospital's scans, and the deeds that concern several of the stores at once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fedlung.errors import Conflict
from fedlung.stores.annotation_versions import AnnotationVersion, ScanFinding
from fedlung.stores.annotations import FileAnnotationStore
from fedlung.stores.room import Limits, Room
from fedlung.stores.scan_readiness import ScanReadiness
from fedlung.stores.scan_records import NewScan, ScanRecord, looked_at_again
from fedlung.stores.scan_usage import ScanUsage
from fedlung.stores.scans import FileScanStore
from fedlung.stores.uploads import UploadStore

THE_CHECKS = ""  # who held back a scan that nobody declared anything about


class HospitalStore:
    """The stores of the hospital in ``folder``, one of each."""

    def __init__(self, folder: Path, limits: Limits) -> None:
        self.folder = folder
        self.hospital_id = folder.name
        self.scans = FileScanStore(folder)
        self.readiness = ScanReadiness(folder)
        self.annotations = FileAnnotationStore(folder)
        self.uploads = UploadStore(folder)
        self.usage = ScanUsage(folder)
        self.room = Room(folder, self.scans, self.uploads, limits)

    def repair(self) -> None:
        """Bring to an end what a process was doing when it was killed."""
        for scan_id in self.scans.removals():
            self.scans.finish_removal(scan_id)
            self._forget(scan_id)
        self.scans.sweep()
        self.annotations.repair()

    def add(self, scan: NewScan) -> None:
        """Store a checked scan; it is not trained on before somebody declares it ready.

        Raises:
            Conflict: there is a scan of this id.
        """
        if scan.record.scan_id in self.scans.ids():
            raise Conflict("there is a scan of this id already")
        # First, so that no training that starts in between can take it.
        self.readiness.set_scans([scan.record.scan_id], False, scan.record.by)
        self.scans.add(scan)

    def describe(self, found: ScanRecord, made: Path) -> None:
        """Note what was found out about a scan that was copied by hand, or whose files have changed.

        An unusable one, and one in the place of another that was accepted, is not trained on until somebody declares it
        ready. One that could not be used, and can be now, counts again as copied by hand: it was still arriving.

        Raises:
            NotFound: the scan is not there any more.
        """
        former, declared = self.scans.record(found.scan_id), self.readiness.now().scans.get(found.scan_id)
        record = looked_at_again(former, found)
        is_another = former is None or not former.shows_the_same(found)
        is_held = declared is not None and not declared.is_ready
        if not record.is_usable or (is_another and record.was_replaced):
            if not is_held:
                self.readiness.set_scans([found.scan_id], False, THE_CHECKS)
        elif former is not None and not former.is_usable and declared is not None and declared.by == THE_CHECKS:
            self.readiness.forget(found.scan_id)
        self.scans.describe(record, made)

    def delete(self, scan_id: str) -> None:
        """The scan and everything that was made of it; what was used of it in past rounds stays noted.

        Raises:
            NotFound: there is no such scan.
        """
        self.scans.remove(scan_id)
        self._forget(scan_id)

    def is_read(self, scan_id: str, newest: AnnotationVersion) -> bool:
        """Whether where no finding is, there is none: a scan of which nobody said anything was copied by hand, read."""
        declared = self.readiness.now().scans.get(scan_id)
        return newest.is_read or (newest.version == 0 and (declared is None or declared.by == THE_CHECKS))

    def why_not_ready(self, scan_id: str) -> str:
        """What has to be done before the scan can be declared ready; empty when nothing. Raises NotFound."""
        record = self.scans.record(scan_id)
        if record is not None and not record.is_usable:
            return "unusable"
        newest = self.annotations.newest(scan_id)
        return "" if newest.is_complete or self.is_read(scan_id, newest) else "not_annotated"

    def set_ready(self, scan_id: str, is_ready: bool, by: str) -> None:
        """Raises NotFound; Conflict when something has to be done before."""
        if is_ready and self.why_not_ready(scan_id):
            raise Conflict("the scan has to be checked and annotated, or declared read, before it is ready")
        self.readiness.set_scans([scan_id], is_ready, by)

    def annotate(
        self, scan_id: str, base: int, findings: Sequence[ScanFinding], *, is_read: bool, origin: str, author: str
    ) -> AnnotationVersion:
        """Save a new version; a scan that is not annotated any more is not ready any more, either.

        Raises:
            Conflict: somebody saved another version meanwhile.
        """
        saved = self.annotations.save(scan_id, base, findings, is_read=is_read, origin=origin, author=author)
        if not saved.is_complete:
            self.readiness.set_scans([scan_id], False, author)
        return saved

    def _forget(self, scan_id: str) -> None:
        self.annotations.forget(scan_id)
        self.readiness.forget(scan_id)
        self.scans.removed(scan_id)
