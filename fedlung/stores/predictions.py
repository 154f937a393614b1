"""What a model found in a hospital's scans: asked for once, kept, and found again.

::

    data/<hospital>/predictions/<id>/prediction.json     the request, its state, and what is known about the reading
    data/<hospital>/predictions/<id>/candidates.json     the marks and the grids they lie on, once it has finished
    data/<hospital>/predictions/<id>/mask.gz             uint8, label i = candidate i, on the prepared scan's grid
    data/<hospital>/predictions/<id>/marks/000001.json   what people say to the marks (`prediction_marks`)
    data/<hospital>/predictions/<id>/offers.jsonl        accepted marks, offered to the hospital's staff as annotations
    data/<hospital>/predictions/<id>/registrations/      where a prior scan lies in this one, per prior prediction

``prediction.json`` says finished only when everything else is on disk. A prediction never leaves its hospital's folder.
"""

from __future__ import annotations

import gzip
import json
import logging
import shutil
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, TypeAdapter, ValidationError

from fedlung.errors import NotFound, UnreadableStore
from fedlung.events import FAILED, FINISHED, QUEUED, RUNNING
from fedlung.stores.atomic_files import append_line, read_lines, to_indented, write_atomically
from fedlung.stores.clock import utc_now
from fedlung.stores.hospitals import HospitalFolders

logger = logging.getLogger(__name__)

FOLDER, RECORD, CANDIDATES, MASK = "predictions", "prediction.json", "candidates.json", "mask.gz"
OFFERS, REGISTRATIONS = "offers.jsonl", "registrations"
STATES = (QUEUED, RUNNING, FINISHED, FAILED)
GZIP_LEVEL = 1  # the mask is nearly all zeros


@dataclass(frozen=True)
class PredictionRecord:
    """One reading of one scan by one model.

    Attributes:
        id: 32 hexadecimal digits.
        scan_sha256, model: of the scan's files, and what people see of the model (id, name, sha256, facts of its
            card); with `scan_id`, both checksums decide whether two requests are the same.
        state: queued, running, finished or failed.
        attempts: how often a server began to read; one that is killed leaves the prediction for the next.
        created, started, finished: UTC, ISO 8601; empty when it has not happened yet.
        threshold: marks from this probability on are shown at first; None until it has finished, like the next ones.
        seconds: wall time per stage.
        warnings: codes with their numbers, see `fedlung.detection.description.quality_warnings`.
        error: of a failed one: ``stage`` (empty: it was queued), ``code`` (of `fedlung.errors`, or ``cancelled`` with
            the name ``by``) and ``message``.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    id: str
    hospital_id: str
    scan_id: str
    scan_sha256: str
    model: dict[str, Any]
    by: str
    created: str
    state: str = QUEUED
    attempts: int = 0
    started: str = ""
    finished: str = ""
    threshold: float | None = None
    seconds: dict[str, float] = field(default_factory=dict)
    warnings: list[dict[str, Any]] = field(default_factory=list)
    uncertainty: float | None = None
    num_candidates: int | None = None
    error: dict[str, str] | None = None

    def __post_init__(self) -> None:
        if self.state not in STATES:
            raise ValueError(f"state must be one of {', '.join(STATES)}, got {self.state!r}")

    @property
    def request(self) -> tuple[str, str, str]:
        """Two predictions with the same request have the same answer."""
        return self.scan_id, self.scan_sha256, str(self.model.get("sha256", ""))

    @property
    def is_under_way(self) -> bool:
        return self.state in (QUEUED, RUNNING)


_RECORD = TypeAdapter(PredictionRecord)


class PredictionStore:
    """Predictions below the hospitals' folders. An id is compared with names that are there, never made a path."""

    def __init__(self, hospitals: HospitalFolders) -> None:
        self._hospitals = hospitals
        self._known: dict[Path, tuple[tuple[int, ...], PredictionRecord]] = {}
        self._lock = threading.Lock()

    def add(self, record: PredictionRecord) -> PredictionRecord:
        """Keep a new one, on disk when this returns. Raises NotFound when there is no such hospital."""
        folder = self._folder_of(record.hospital_id) / record.id
        folder.mkdir(parents=True)
        self._write(folder, record)
        return record

    def replace(self, record: PredictionRecord) -> PredictionRecord:
        """Keep ``record`` in place of the stored one of its id. Raises NotFound."""
        self._write(self.folder(record), record)
        return record

    def finish(self, record: PredictionRecord, content: Mapping[str, Any], labels: NDArray[np.uint8]) -> None:
        """Keep what was found, and then that it was found: `candidates` and `mask_gzip` give it back."""
        folder = self.folder(record)
        text = json.dumps(content, ensure_ascii=False, allow_nan=False)
        write_atomically(folder / CANDIDATES, text.encode())
        write_atomically(folder / MASK, gzip.compress(labels.tobytes(), GZIP_LEVEL, mtime=0))
        self._write(folder, replace(record, state=FINISHED, finished=utc_now()))

    def get(self, hospital_id: str, prediction_id: str) -> PredictionRecord:
        """Raises NotFound, also for another hospital's, or UnreadableStore."""
        for folder in self._folders(hospital_id):
            if folder.name == prediction_id:
                return self._read(folder)
        raise NotFound("there is no such prediction")

    def all(self, hospital_id: str, scan_id: str | None = None) -> list[PredictionRecord]:
        """The newest first; those that cannot be read are in the log instead."""
        found = [record for folder in self._folders(hospital_id) if (record := self._read_or_none(folder))]
        wanted = (record for record in found if scan_id is None or record.scan_id == scan_id)
        return sorted(wanted, key=lambda record: (record.created, record.id), reverse=True)

    def newest_finished(self, hospital_id: str) -> dict[str, PredictionRecord]:
        """Scan -> its newest prediction that has finished."""
        return {record.scan_id: record for record in reversed(self.all(hospital_id)) if record.state == FINISHED}

    def same(self, wanted: PredictionRecord) -> PredictionRecord | None:
        """The newest one that answers, or will answer, the same request. A failed one does not."""
        for record in self.all(wanted.hospital_id, wanted.scan_id):
            if record.request == wanted.request and record.state != FAILED:
                return record
        return None

    def under_way(self) -> list[PredictionRecord]:
        """Of all hospitals, in the order in which they were asked for."""
        found = [record for hospital_id in self._hospitals.ids() for record in self.all(hospital_id)]
        return sorted((record for record in found if record.is_under_way), key=lambda one: (one.created, one.id))

    def content(self, record: PredictionRecord) -> dict[str, Any]:
        """What `finish` was given. Raises NotFound when it has not finished, or UnreadableStore."""
        return _json_object(self._part(record, CANDIDATES))

    def mask_gzip(self, record: PredictionRecord) -> bytes:
        """Raises NotFound when it has not finished."""
        return self._part(record, MASK).read_bytes()

    def offer(self, record: PredictionRecord, offer: Mapping[str, Any]) -> None:
        """Append an offer of annotations."""
        append_line(self.folder(record) / OFFERS, offer)

    def offers(self, record: PredictionRecord) -> list[dict[str, Any]]:
        """The newest last. Raises UnreadableStore."""
        try:
            return read_lines(self.folder(record) / OFFERS)[0]
        except (OSError, ValueError) as error:
            raise UnreadableStore(str(error)) from None

    def registration(self, record: PredictionRecord, prior: PredictionRecord) -> dict[str, Any] | None:
        """What `keep_registration` was given for these two."""
        path = self.folder(record) / REGISTRATIONS / f"{prior.id}.json"
        return _json_object(path) if path.is_file() else None

    def keep_registration(
        self, record: PredictionRecord, prior: PredictionRecord, registration: Mapping[str, Any]
    ) -> None:
        folder = self.folder(record) / REGISTRATIONS
        folder.mkdir(exist_ok=True)
        write_atomically(folder / f"{prior.id}.json", json.dumps(registration, allow_nan=False).encode())

    def delete_of_scan(self, hospital_id: str, scan_id: str) -> int:
        """Forget everything that was found in a scan which is gone; returns how many predictions that were."""
        records = self.all(hospital_id, scan_id)
        for record in records:
            shutil.rmtree(self.folder(record), ignore_errors=True)
        return len(records)

    def folder(self, record: PredictionRecord) -> Path:
        """Raises NotFound when it was deleted meanwhile."""
        folder = self._folder_of(record.hospital_id) / record.id
        if not folder.is_dir():
            raise NotFound("there is no such prediction")
        return folder

    def _part(self, record: PredictionRecord, name: str) -> Path:
        path = self.folder(record) / name
        if record.state != FINISHED or not path.is_file():
            raise NotFound("this prediction has not finished")
        return path

    def _folder_of(self, hospital_id: str) -> Path:
        return self._hospitals.folder(hospital_id) / FOLDER

    def _folders(self, hospital_id: str) -> list[Path]:
        """Those with a record: a crash may leave a folder that has none yet."""
        return [path.parent for path in self._folder_of(hospital_id).glob(f"*/{RECORD}")]

    def _write(self, folder: Path, record: PredictionRecord) -> None:
        write_atomically(folder / RECORD, to_indented(asdict(record)))

    def _read(self, folder: Path) -> PredictionRecord:
        """Read again when the file has changed."""
        path = folder / RECORD
        try:
            status = path.stat()
            signature = (status.st_ino, status.st_size, status.st_mtime_ns)
            with self._lock:
                known = self._known.get(path)
            if known is None or known[0] != signature:
                known = signature, _RECORD.validate_json(path.read_bytes())
                with self._lock:
                    self._known[path] = known
        except FileNotFoundError:
            raise NotFound("there is no such prediction") from None
        except (OSError, ValidationError) as error:
            raise UnreadableStore(f"{path} cannot be read: {type(error).__name__}") from None
        return known[1]

    def _read_or_none(self, folder: Path) -> PredictionRecord | None:
        try:
            return self._read(folder)
        except NotFound:
            return None  # deleted at this moment
        except UnreadableStore as error:
            logger.error("%s", error)
            return None


def _json_object(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise UnreadableStore(f"{path} cannot be read: {type(error).__name__}") from None
    if not isinstance(content, dict):
        raise UnreadableStore(f"{path} cannot be read: expected an object")
    return content
