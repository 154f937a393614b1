"""Requests for predictions in one queue, and the one thread that works them off.

A request is on disk before it is answered, and a server that starts takes up what another one left, queued or half
done: nothing that was asked for is lost. A scan that cannot be read ends as failed, with the stage and the reason; so
does one that a person cancels, and then the worker writes nothing more about it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from uuid import uuid4

from flask_babel import gettext

from fedlung.errors import BadCheckpoint, Conflict, FedLungError, NotFound, Stopped
from fedlung.events import FAILED, FINISHED, QUEUED, RUNNING
from fedlung.stores.clock import utc_now
from fedlung.stores.model_registry import ModelEntry, ModelRegistry
from fedlung.stores.prediction_marks import MarkStore
from fedlung.stores.predictions import PredictionRecord, PredictionStore
from fedlung.stores.users import CLINICIAN, STAFF
from fedlung.web.live.hub import Hub
from fedlung.web.live.streams import InHouse
from fedlung.web.predictions.model_facts import model_facts
from fedlung.web.predictions.reading import MODEL, READ, Reader, ScanReading, timed
from fedlung.web.predictions.scan_files import Scans

MOST_WAITING = 200  # of one hospital
MOST_ATTEMPTS = 3
"""A reading that ends the server itself (no memory is left) would do so for ever."""
SERVER = "server"  # the stage of what no stage can be blamed for
CANCELLED = "cancelled"  # the code of a reading that a person ended
PROGRESS_SECONDS = 0.25
SHUTDOWN_SECONDS = 5.0

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Progress:
    """Of a prediction under way; ``queue_position`` is 0 for the one that runs, 1 for the next."""

    stage: str
    share: float
    queue_position: int


class PredictionService:
    """Takes requests at any time; they are worked off from `start` on. ``clock`` gives seconds, for tests."""

    def __init__(
        self,
        store: PredictionStore,
        scans: Scans,
        models: ModelRegistry,
        reader: Reader,
        hub: Hub,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.store = store
        self.marks = MarkStore()
        self.scans = scans
        self._models = models
        self._reading = ScanReading(reader)
        self._hub = hub
        self._clock = clock
        self._changed = threading.Condition()
        self._queue: deque[PredictionRecord] = deque()
        self._current: PredictionRecord | None = None
        self._stage: tuple[str, float] = ("", 0.0)
        # Of the current one: whichever is set first, under the lock, decides how it ends.
        self._is_cancelled, self._is_ending = False, False
        self._told = 0.0
        self._closed = False
        self._thread: threading.Thread | None = None

    # --- what people do --------------------------------------------------------------------------------

    def request(self, hospital_id: str, scan_id: str, model_id: str | None, username: str) -> PredictionRecord:
        """Have a scan read by a model (None: the one in use); the same request a second time has the same answer.

        Raises:
            NotFound: this hospital has no such scan, or there is no such model.
            BadCheckpoint: the model is not intact.
            Conflict: too many requests of this hospital wait already.
        """
        scan = self.scans.find(hospital_id, scan_id)
        entry = self.model(model_id)
        if not self._models.is_intact(entry):
            raise BadCheckpoint(f"model {entry.model_id} is not intact: its file is missing, damaged or was changed")
        facts = model_facts(entry)
        wanted = PredictionRecord(uuid4().hex, hospital_id, scan_id, scan.sha256, facts, username, utc_now())
        with self._changed:
            same = self.store.same(wanted)
            if same is not None:
                return same
            if sum(record.hospital_id == hospital_id for record in self._queue) >= MOST_WAITING:
                raise Conflict(gettext("Too many scans of your hospital are waiting. Try again later."))
            self.store.add(wanted)
            self._queue.append(wanted)
            self._changed.notify_all()
        return wanted

    def cancel(self, hospital_id: str, prediction_id: str, username: str) -> PredictionRecord:
        """End what is queued or running; it has failed, on disk, when this returns, and the worker stops in a moment.

        Raises:
            NotFound: this hospital has no such prediction.
            Conflict: it has ended already, or is being kept at this moment.
        """
        with self._changed:
            record = self.store.get(hospital_id, prediction_id)
            is_current = self._current is not None and self._current.id == record.id
            if not record.is_under_way or (is_current and self._is_ending):
                raise Conflict(gettext("This reading has ended already: there is nothing to cancel."))
            stage = self._stage[0] if is_current else ""
            told = {"stage": stage, "code": CANCELLED, "message": f"cancelled by {username}", "by": username}
            cancelled = self.store.replace(replace(record, state=FAILED, finished=utc_now(), error=told))
            if is_current:
                self._is_cancelled = True
            self._queue = deque(waiting for waiting in self._queue if waiting.id != record.id)
            self._changed.notify_all()
        self._publish_end(cancelled, FAILED)
        return cancelled

    def model(self, model_id: str | None = None) -> ModelEntry:
        """That model; without an id the promoted one, else the one that was shipped. Raises NotFound."""
        wanted = model_id or self._models.promoted_id()
        if wanted is not None:
            return self._models.get(wanted)
        shipped = next((entry for entry in self._models.all() if entry.is_built_in), None)
        if shipped is None:
            raise NotFound(gettext("No model is in use yet. An administrator has to promote one."))
        return shipped

    def progress(self, record: PredictionRecord) -> Progress | None:
        """None for a prediction that is not under way."""
        with self._changed:
            if self._current is not None and self._current.id == record.id:
                if self._is_cancelled:
                    return None
                return Progress(*self._stage, queue_position=0)
            ids = [waiting.id for waiting in self._queue]
            return Progress("", 0.0, ids.index(record.id) + 1) if record.id in ids else None

    # --- the worker ------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to work, first on what an earlier server left."""
        with self._changed:
            self._queue = deque(self.store.under_way())
        # daemon: a network that is deep in one window must not keep the process from ending.
        self._thread = threading.Thread(target=self._run, name="predictions", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop at the next chance; what is not done stays in the queue on disk."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(SHUTDOWN_SECONDS)

    def wait_until_idle(self, seconds: float) -> bool:
        """Whether everything was worked off in time."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._queue and self._current is None, seconds)

    def _run(self) -> None:
        while (record := self._next()) is not None:
            try:
                self._work_off(record)
            except NotFound:
                logger.info("prediction %s was deleted while it was under way", record.id)
            except Exception:  # a full disk, say: the next request may fare better
                logger.exception("prediction %s could not be kept", record.id)
            with self._changed:
                self._current = None
                self._changed.notify_all()

    def _next(self) -> PredictionRecord | None:
        with self._changed:
            self._changed.wait_for(lambda: self._closed or bool(self._queue))
            if self._closed:
                return None
            self._current = self._queue.popleft()
            self._stage = ("", 0.0)
            self._is_cancelled, self._is_ending = False, False
            return self._current

    def _work_off(self, record: PredictionRecord) -> None:
        if record.attempts >= MOST_ATTEMPTS:
            self._fail(record, SERVER, FedLungError(f"the server has ended {record.attempts} times while reading it"))
            return
        # `state` and `attempts` are on disk before the work begins: it may be what ends the process.
        running = replace(record, state=RUNNING, attempts=record.attempts + 1, started=utc_now())
        self._keep(running)
        try:
            self._read(running)
        except Stopped:
            self._keep(replace(record, state=QUEUED))
        except FedLungError as error:
            self._fail(running, self._stage[0], error)
        except MemoryError:
            self._fail(running, self._stage[0], FedLungError("there was not enough memory"))
        except Exception:
            logger.exception("prediction %s failed in stage %s", record.id, self._stage[0])
            reason = "something went wrong on the server; its log has the details"
            self._fail(running, self._stage[0], FedLungError(reason))

    def _read(self, record: PredictionRecord) -> None:
        seconds: dict[str, float] = {}
        self._tell(record, MODEL, 0.0)
        with timed(MODEL, seconds):
            entry = self._models.get(str(record.model["id"]))
            if entry.sha256 != record.model["sha256"]:
                raise BadCheckpoint(f"model {entry.model_id} is another one now than when the prediction was asked for")
            predictor = self._reading.open(entry)
        self._tell(record, READ, 0.0)
        scan = self.scans.find(record.hospital_id, record.scan_id)
        found = self._reading.read(
            predictor,
            scan,
            lambda *stage: self._tell(record, *stage),
            seconds,
            lambda: self._closed or self._is_cancelled,
        )
        kept = replace(
            record,
            # As it is now: the scan may have been replaced while it waited.
            scan_sha256=scan.sha256,
            threshold=found.threshold,
            seconds=found.seconds,
            warnings=found.warnings,
            uncertainty=found.uncertainty,
            num_candidates=len(found.content["candidates"]),
        )
        with self._changed:
            self._raise_if_cancelled()
            self._is_ending = True
        self.store.finish(kept, found.content, found.labels)
        self._publish_end(record, FINISHED)

    def _fail(self, record: PredictionRecord, stage: str, error: FedLungError) -> None:
        told = {"stage": stage, "code": error.code, "message": str(error)}
        if self._keep(replace(record, state=FAILED, finished=utc_now(), error=told)):
            logger.warning("prediction %s failed in stage %s: %s", record.id, stage, error.code)
            self._publish_end(record, FAILED)

    def _keep(self, record: PredictionRecord) -> bool:
        """Whether the current one is not cancelled: then nothing is written over what `cancel` wrote."""
        with self._changed:
            if not self._is_cancelled:
                self.store.replace(record)
            return not self._is_cancelled

    def _raise_if_cancelled(self) -> None:
        if self._is_cancelled:
            raise Stopped("the reading was cancelled")

    # --- who hears of it -------------------------------------------------------------------------------

    def _tell(self, record: PredictionRecord, stage: str, share: float) -> None:
        """Note and publish how far the worker is; also the place at which it stops."""
        if self._closed:
            raise Stopped("the server is shutting down")
        with self._changed:
            self._raise_if_cancelled()
            is_new = stage != self._stage[0]
            self._stage = (stage, share)
        if is_new or self._clock() - self._told >= PROGRESS_SECONDS:
            self._told = self._clock()
            payload = {"prediction_id": record.id, "scan_id": record.scan_id, "stage": stage, "progress": share}
            self._hub.publish("prediction_progress", payload, _people(record))

    def _publish_end(self, record: PredictionRecord, state: str) -> None:
        payload = {"prediction_id": record.id, "scan_id": record.scan_id, "state": state}
        self._hub.publish("prediction_finished", payload, _people(record))


def _people(record: PredictionRecord) -> InHouse:
    return InHouse(record.hospital_id, (STAFF, CLINICIAN))
