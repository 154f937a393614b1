"""Writes what a hospital declares about its scans; see `fedlung.imaging.readiness` for the file and who obeys it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import asdict, replace
from pathlib import Path

from fedlung.errors import HospitalData, UnreadableStore
from fedlung.imaging.readiness import FORMAT, READINESS_FILE, Declared, Readiness, read_readiness
from fedlung.stores.atomic_files import to_indented, write_atomically
from fedlung.stores.clock import utc_now


class ScanReadiness:
    """The declarations of the hospital in ``folder``; one process writes at a time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = threading.Lock()

    def now(self) -> Readiness:
        """Raises UnreadableStore where the file is damaged; it is left as it is."""
        try:
            return read_readiness(self.folder)
        except HospitalData as error:
            raise UnreadableStore(str(error)) from None

    def set_hospital(self, *, is_ready: bool | None = None, keep_original_dicom: bool | None = None) -> Readiness:
        """Turn the hospital's switches; None leaves one as it is."""

        def change(before: Readiness) -> Readiness:
            kept = before.keep_original_dicom if keep_original_dicom is None else keep_original_dicom
            return replace(before, is_ready=before.is_ready if is_ready is None else is_ready, keep_original_dicom=kept)

        return self._change(change)

    def set_scans(self, scan_ids: Iterable[str], is_ready: bool, by: str) -> Readiness:
        """Declare scans ready or not."""
        said = dict.fromkeys(scan_ids, Declared(is_ready, by, utc_now()))
        return self._change(lambda before: replace(before, scans={**before.scans, **said}))

    def forget(self, scan_id: str) -> None:
        """The scan is not there any more."""
        self._change(
            lambda before: replace(before, scans={uid: said for uid, said in before.scans.items() if uid != scan_id})
        )

    def _change(self, change: Callable[[Readiness], Readiness]) -> Readiness:
        with self._lock:
            before = self.now()
            after = change(before)
            if after != before:
                write_atomically(self.folder / READINESS_FILE, to_indented({"format": FORMAT, **asdict(after)}))
            return after
