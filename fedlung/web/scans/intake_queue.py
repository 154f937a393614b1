"""The one thread that turns uploads into scans: each group that has arrived is examined, stored or refused, in order.

What it does is on disk before anybody hears of it. A server that was killed goes on where it was: a group under
examination is examined again from the start, and a scan of it that was stored already is found to be a duplicate.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fedlung.errors import Conflict, FedLungError
from fedlung.imaging.checked_files import FileLooks, looks_of_scan, seconds_since_writing
from fedlung.imaging.intake.texts import N_
from fedlung.stores.audit import Action, AuditLog
from fedlung.stores.hospital_store import HospitalStore
from fedlung.stores.scan_records import NewScan, ScanRecord, record_from_json
from fedlung.stores.upload_groups import CHECKING, DONE, DUPLICATE, REFUSED, WAITING, UploadGroup, UploadResult
from fedlung.web.live.hub import Hub
from fedlung.web.live.streams import Admins, InHouse
from fedlung.web.scans.examination import Examination, ExaminationBroke

logger = logging.getLogger(__name__)

LOOK_SECONDS = 30.0  # how often folders are looked at for scans that were copied by hand
QUIET_SECONDS = 3.0  # a file that was written to less long ago may still be arriving
SWEEP_SECONDS = 3600.0
PROGRESS_SECONDS = 0.5
BROKE = N_("The files could not be examined: the work ended unexpectedly. Please tell the administrator.")
NOTHING_FOUND = N_("There is no scan among these files.")
NOT_STORED = N_("The server could not store the scan: its disk refused.")
NAME_TAKEN = N_("There is a scan of this name now.")
SAME_SCAN = N_("This scan is here already, as %(label)s since %(day)s.")
UNPACKED_TIMES = 20  # how much larger than what was sent the content of archives may be


@dataclass(frozen=True)
class Progress:
    """Of the group that is being examined; ``share`` from 0 to 1."""

    stage: str = ""
    share: float = 0.0


class IntakeQueue:
    """``stores`` gives the stores of every hospital; ``secret_file`` holds this installation's secret for names;
    ``prepare`` is called with each scan that was stored."""

    def __init__(
        self,
        stores: Callable[[], list[HospitalStore]],
        secret_file: Path,
        hub: Hub,
        audit: AuditLog,
        upload_ttl_seconds: float,
        prepare: Callable[[HospitalStore, str], None] = lambda store, scan_id: None,
    ) -> None:
        self._stores = stores
        self._secret_file = secret_file
        self._hub = hub
        self._audit = audit
        self._ttl = upload_ttl_seconds
        self._prepare = prepare
        self._examination = Examination()
        self._wake = threading.Event()
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None
        self._progress: tuple[str, Progress] = ("", Progress())
        self._given_up: dict[Path, tuple[FileLooks, ...]] = {}  # scans that broke the examination as they were then
        self._is_arriving = False
        self._swept = self._told = -SWEEP_SECONDS

    def start(self) -> None:
        # daemon: a disk that hangs must not keep the process from ending.
        self._thread = threading.Thread(target=self._run, name="intake", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """There is something to do."""
        self._wake.set()

    def close(self, seconds: float = 5.0) -> None:
        """End soon; what is under examination waits for the next start."""
        self._closed.set()
        self._wake.set()
        self._examination.stop()
        if self._thread is not None:
            self._thread.join(seconds)

    def progress_of(self, group: UploadGroup) -> Progress:
        """Where the examination of a group is."""
        group_id, progress = self._progress
        return progress if group_id == group.id else Progress("queued" if group.state == WAITING else "")

    # --- the thread ------------------------------------------------------------------------------------

    def _run(self) -> None:
        self._each_hospital("repair", self._begin)
        while not self._closed.is_set():
            self._wake.clear()
            try:
                worked = self.work_once()
            except Exception:
                logger.exception("uploads could not be looked at")
                worked = False
            if not worked:
                self._wake.wait(QUIET_SECONDS if self._is_arriving else LOOK_SECONDS)

    def _begin(self, store: HospitalStore) -> None:
        store.repair()
        for group in store.uploads.groups():
            if group.state == CHECKING:
                store.uploads.set_state(group.id, WAITING)

    def work_once(self) -> bool:
        """Examine the group that has waited longest, or scans that were copied by hand; False when nothing is left.

        A scan whose files have changed since it was looked at is looked at again, also one that was refused.
        """
        if time.monotonic() - self._swept >= SWEEP_SECONDS:
            self._swept = time.monotonic()
            self._each_hospital("sweep", lambda store: store.uploads.sweep(self._ttl))
        waiting = [(group, store) for store in self._stores() for group in store.uploads.groups()]
        waiting = [(group, store) for group, store in waiting if group.state == WAITING]
        if waiting:
            group, store = min(waiting, key=lambda pair: pair[0].finished)
            self._examine(store, group)
            return True
        self._is_arriving = False
        return any(self._describe_new(store) for store in self._stores())

    def _each_hospital(self, what: str, deed: Callable[[HospitalStore], object]) -> None:
        for store in self._stores():
            try:
                deed(store)
            except (FedLungError, OSError) as error:
                logger.error("%s of %s failed: %s", what, store.hospital_id, error)

    # --- one upload ------------------------------------------------------------------------------------

    def _examine(self, store: HospitalStore, group: UploadGroup) -> None:
        store.uploads.set_state(group.id, CHECKING)
        self._show(store, group.id, Progress("reading"), CHECKING)
        results: list[UploadResult] = []
        try:
            work = store.uploads.workspace(group)
            for found in self._examination.run(work, self._upload_job(store, group, work)):
                if found["kind"] == "progress":
                    self._show(store, group.id, Progress(found["stage"], found["share"]), CHECKING)
                else:
                    results.append(self._result(store, group, work, found))
        except ExaminationBroke as broke:
            if broke.was_stopped:
                return  # its state says that it is being examined: the next start begins again
            results.append(UploadResult(None, "", "refused", BROKE))
        except OSError as error:
            logger.error("an upload of %s could not be stored: %s", store.hospital_id, error.strerror)
            results.append(UploadResult(None, "", "refused", NOT_STORED))
        self._progress = ("", Progress())
        state = _state_of(results)
        store.uploads.end(group.id, state, results or [UploadResult(None, "", "refused", NOTHING_FOUND)])
        self._show(store, group.id, Progress(), state)
        if state == DONE:
            self._tell_new_scans(store)

    def _upload_job(self, store: HospitalStore, group: UploadGroup, work: Path) -> dict[str, Any]:
        out, unpacked = work / "out", work / "unpacked"
        out.mkdir()
        unpacked.mkdir()
        files = [
            {
                "name": file.name,
                "path": str(store.uploads.path_of(group, file).resolve()),
                "sha256": group.sha256.get(file.id) or file.sha256,
            }
            for file in group.files
        ]
        sent = sum(file.size_bytes for file in group.files)
        described = [record for record in store.scans.records().values() if record is not None]
        return {
            "kind": "upload",
            "hospital_id": store.hospital_id,
            "secret_file": str(self._secret_file.resolve()),
            "files": files,
            "workspace": str(unpacked.resolve()),
            "out": str(out.resolve()),
            "by": group.by,
            "received": group.finished,
            "keep_original_dicom": store.readiness.now().keep_original_dicom,
            "known": {record.voxels_sha256: record.scan_id for record in described if record.voxels_sha256},
            "ids": store.scans.ids(),
            "reserve_bytes": store.room.limits.reserve_bytes,
            "max_unpacked_bytes": min(UNPACKED_TIMES * sent, max(0, store.room.free_bytes())),
        }

    def _result(self, store: HospitalStore, group: UploadGroup, work: Path, found: Mapping[str, Any]) -> UploadResult:
        kind = found["kind"]
        if kind == "duplicate":
            known = store.scans.record(found["scan_id"])
            values = {"label": known.label, "day": known.received[:10]} if known else {"label": "", "day": ""}
            return UploadResult(found["scan_id"], found["name"], "duplicate", SAME_SCAN, values)
        if kind != "scan":
            return UploadResult(None, found["name"], kind, found["text"], found.get("values", {}))
        record = replace(record_from_json(found["record"]), label=self._next_label(store))
        try:
            store.add(NewScan(work / "out", record, tuple(Path(each) for each in found["originals"])))
        except Conflict:  # copied there by hand at this moment
            return UploadResult(record.scan_id, record.uploaded_as, "duplicate", NAME_TAKEN)
        self._audit.append(group.by, Action.SCAN_STORED, record.scan_id, {"source": record.source}, store.hospital_id)
        self._prepare(store, record.scan_id)
        return UploadResult(record.scan_id, record.uploaded_as, "stored", found["text"])

    def _next_label(self, store: HospitalStore) -> str:
        """A name that tells nothing about the patient; people may change it."""
        numbers = [_number(record) for record in store.scans.records().values()]
        return f"CT {max(numbers, default=0) + 1:04}"

    # --- scans that were copied by hand ----------------------------------------------------------------

    def _describe_new(self, store: HospitalStore) -> bool:
        new = [path for path in store.scans.to_look_at().values() if self._is_to_be_looked_at(path)]
        if not new:
            return False
        with store.uploads.own_workspace() as work:
            job = {
                "kind": "stored",
                "files": [{"path": str(path.absolute())} for path in new],
                "out": str(work.resolve()),
            }
            try:
                for found in self._examination.run(work, job):
                    record = record_from_json(found["record"])
                    if record.scan_id in store.scans.ids():  # not deleted meanwhile
                        store.describe(record, work)
                    new = [path for path in new if path.stem != record.scan_id]
                    self._tell_new_scans(store)
                    if self._wake.is_set():  # people wait for an upload
                        break
            except ExaminationBroke as broke:
                if not broke.was_stopped:
                    self._given_up[new[0]] = looks_of_scan(new[0])  # they come in this order
                return not broke.was_stopped
        return True

    def _is_to_be_looked_at(self, header: Path) -> bool:
        """Not while its files are written to, and not as it was when it broke the examination."""
        if header in self._given_up and self._given_up[header] == looks_of_scan(header):
            return False
        is_quiet = seconds_since_writing(header) >= QUIET_SECONDS
        self._is_arriving |= not is_quiet
        return is_quiet

    # --- who hears of it -------------------------------------------------------------------------------

    def _show(self, store: HospitalStore, group_id: str, progress: Progress, state: str) -> None:
        self._progress = (group_id, progress)
        if progress.share and time.monotonic() - self._told < PROGRESS_SECONDS:
            return
        self._told = time.monotonic()
        key = store.uploads.get(group_id).key
        shown = {"group": key, "state": state, "stage": progress.stage, "progress": progress.share}
        self._hub.publish(
            "hospital_status", {"hospital": store.hospital_id, "uploads": [shown]}, InHouse(store.hospital_id)
        )

    def _tell_new_scans(self, store: HospitalStore) -> None:
        tell_scans_changed(self._hub, store.hospital_id)


def tell_scans_changed(hub: Hub, hospital_id: str) -> None:
    """Pages of the hospital ask for its scans again, those of the administration for its numbers."""
    everybody = InHouse(hospital_id, ("staff", "clinician"))
    hub.publish("hospital_status", {"hospital": hospital_id, "scans_changed": True}, everybody)
    hub.publish("hospital_status", {"hospital": hospital_id, "hospitals_changed": True}, Admins())


def _state_of(results: list[UploadResult]) -> str:
    outcomes = {result.outcome for result in results}
    if "stored" in outcomes:
        return DONE
    return DUPLICATE if "duplicate" in outcomes and "refused" not in outcomes else REFUSED


def _number(record: ScanRecord | None) -> int:
    word, _, number = (record.label if record else "").partition(" ")
    return int(number) if word == "CT" and number.isdecimal() and len(number) < 10 else 0
