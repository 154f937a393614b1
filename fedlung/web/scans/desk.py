"""The scans of every hospital of this installation, and what happens to them: one per server."""

from __future__ import annotations

import hashlib
import logging
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from fedlung.errors import BadScan
from fedlung.imaging.metaimage_header import read_header
from fedlung.imaging.prepared_cache import forget_prepared
from fedlung.settings import Settings
from fedlung.stores.audit import AuditLog
from fedlung.stores.hospital_store import HospitalStore
from fedlung.stores.hospitals import HospitalFolders
from fedlung.stores.room import GB, Limits
from fedlung.stores.secret_key import secret_key
from fedlung.web.live.hub import Hub
from fedlung.web.scans.intake_queue import IntakeQueue
from fedlung.web.scans.pace import Pace
from fedlung.web.scans.volume_slabs import VolumeSlabs, lps_geometry, num_slabs

logger = logging.getLogger(__name__)


def open_desk(
    settings: Settings, folders: HospitalFolders, predictions: Predictions, hub: Hub, audit: AuditLog
) -> ScanDesk:
    """The desk of this data folder; starts no thread."""
    secret_file = settings.data / "instance" / "site_secret"
    secret_key(secret_file)
    return ScanDesk(
        folders,
        predictions,
        hub,
        audit,
        limits=Limits(settings.hospital_quota_gb * GB, settings.free_space_reserve_gb * GB),
        cache=settings.data / "cache",
        secret_file=secret_file,
        upload_ttl_seconds=settings.upload_ttl_hours * 3600,
    )


class Prediction(Protocol):
    @property
    def uncertainty(self) -> float | None: ...


class Predictions(Protocol):
    """What scans have to do with predictions; `fedlung.stores.predictions.PredictionStore`."""

    def newest_finished(self, hospital_id: str) -> Mapping[str, Prediction]: ...

    def all(self, hospital_id: str, scan_id: str | None = None) -> Sequence[Prediction]: ...

    def delete_of_scan(self, hospital_id: str, scan_id: str) -> int: ...


class ScanDesk:
    """``cache`` is for what can be made again; ``secret_file`` holds the secret for the names of scans."""

    def __init__(
        self,
        folders: HospitalFolders,
        predictions: Predictions,
        hub: Hub,
        audit: AuditLog,
        *,
        limits: Limits,
        cache: Path,
        secret_file: Path,
        upload_ttl_seconds: float,
    ) -> None:
        self._folders = folders
        self._predictions = predictions
        self._limits = limits
        self._cache = cache
        self._lock = threading.Lock()
        self._stores: dict[Path, HospitalStore] = {}
        self.hub = hub
        self.secret_file = secret_file
        self.pace = Pace()
        self.volumes = VolumeSlabs(cache / "volumes")
        self.intake = IntakeQueue(self.stores, secret_file, hub, audit, upload_ttl_seconds, self.pack_middle)

    def stores(self) -> list[HospitalStore]:
        return [self.hospital(hospital_id) for hospital_id in self._folders.ids()]

    def hospital(self, hospital_id: str) -> HospitalStore:
        """Raises NotFound where there is no such hospital."""
        folder = self._folders.folder(hospital_id)
        with self._lock:
            store = self._stores.get(folder)
            if store is None:
                store = self._stores[folder] = HospitalStore(folder, self._limits)
            return store

    def voxels_key(self, store: HospitalStore, scan_id: str) -> str:
        """A name of the scan's voxels, for caches. Raises NotFound."""
        record = store.scans.record(scan_id)
        if record is not None and record.voxels_sha256:
            return record.voxels_sha256
        status = store.scans.path(scan_id).stat()  # not looked at yet
        return hashlib.sha256(f"{scan_id} {status.st_ino} {status.st_mtime_ns}".encode()).hexdigest()

    def pack_middle(self, store: HospitalStore, scan_id: str) -> None:
        """Have the slices ready that are looked at first."""
        header = store.scans.path(scan_id)
        try:
            middle = num_slabs(lps_geometry(read_header(header).geometry)) // 2
            self.volumes.slab(header, self.voxels_key(store, scan_id), middle)
        except (BadScan, OSError) as error:  # whoever looks at them is told
            logger.error("slices of a scan of %s could not be packed: %s", store.hospital_id, type(error).__name__)

    def uncertainties(self, store: HospitalStore) -> dict[str, float | None]:
        """Scan -> how unsure the model was when it read it last."""
        newest = self._predictions.newest_finished(store.hospital_id)
        return {scan_id: prediction.uncertainty for scan_id, prediction in newest.items()}

    def num_predictions(self, store: HospitalStore, scan_id: str) -> int:
        return len(self._predictions.all(store.hospital_id, scan_id))

    def note_use(self, hospital_id: str, run_id: str, round_: int, scan_ids: Sequence[str]) -> None:
        """These scans were trained on in a finished round. Raises NotFound, OSError."""
        self.hospital(hospital_id).usage.append(run_id, round_, scan_ids)

    def delete(self, store: HospitalStore, scan_id: str) -> None:
        """A scan with everything that was ever made of it. Raises NotFound."""
        key = self.voxels_key(store, scan_id)
        forget_prepared(store.scans.path(scan_id), self._cache)
        store.delete(scan_id)
        self.volumes.forget(key)
        self._predictions.delete_of_scan(store.hospital_id, scan_id)
