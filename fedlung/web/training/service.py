"""Runs of this process: at most one at a time, led by a thread of its own; every event goes to the pages.

Who is under way is decided under one lock, so of two people who press start one gets a Conflict. The end of a run is
told only when its model is in the registry and a new run may start: who sees "finished" can rely on both.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flask_babel import gettext

from fedlung.errors import BadRunFolder, Conflict, FedLungError
from fedlung.events import FAILED, FINISHED, PAUSED, STOPPED, Event, RoundFinished, RunFinished, TrainingStatus
from fedlung.stores.model_registry import ModelRegistry
from fedlung.stores.run_listing import RunListing, RunRecord
from fedlung.stores.users import ADMIN, User
from fedlung.web.live.hub import Hub
from fedlung.web.live.streams import Everyone
from fedlung.web.training.launching import Launcher, RunHandle
from fedlung.web.training.live_run import LiveRun
from fedlung.web.training.model_cards import card_of, model_id_of
from fedlung.web.training.request import RunRequest
from fedlung.web.training.run_json import full_run_json, run_for_hospital, run_json, validation_mean

SHUTDOWN_SECONDS = 10.0
ENDED = (FINISHED, STOPPED, FAILED)
NoteUse = Callable[[str, str, int, Sequence[str]], None]

logger = logging.getLogger(__name__)


@dataclass(eq=False)
class _Active:
    """The run under way; ``last_events`` wait until everything is put away."""

    handle: RunHandle
    live: LiveRun
    last_events: list[Event] = field(default_factory=list)
    thread: threading.Thread | None = None


class RunService:
    """Starts, leads and shows runs. ``launcher`` is what can train; ``note_use`` hears which scans went into a round
    (hospital, run, round, scans); ``clock`` gives seconds, for tests."""

    def __init__(
        self,
        launcher: Launcher,
        listing: RunListing,
        models: ModelRegistry,
        hub: Hub,
        clock: Callable[[], float] = time.monotonic,
        note_use: NoteUse = lambda hospital, run_id, round_, scan_ids: None,
    ) -> None:
        self._launcher = launcher
        self.listing = listing
        self._models = models
        self._hub = hub
        self._clock = clock
        self._note_use = note_use
        self._lock = threading.RLock()
        self._active: _Active | None = None
        self._closed = False

    # --- what people do --------------------------------------------------------------------------------

    def start(self, request: RunRequest, user: User) -> dict[str, Any]:
        """Begin a run and return it, while it is still ``queued``.

        Raises:
            Conflict: a run is under way, or is just ending.
            WrongArgument: the launcher refuses the request.
        """
        with self._lock:
            self._require_idle()
            handle = self._launcher.begin(request, user.username, self._hear)
            self._lead(handle, LiveRun(handle.run_id, 0, request.rounds, self._clock))
            return self.get(handle.run_id, user)

    def pause(self, run_id: str) -> None:
        """After the round that is under way. Raises NotFound, or Conflict when it is not under way."""
        with self._lock:
            active = self._require_active(run_id)
            active.handle.pause()
            if active.live.state != PAUSED and active.live.pending is None:
                active.live.pending = "pause"
        self._publish_state(active.live)

    def resume(self, run_id: str) -> None:
        """Go on with a paused run, or with one that was stopped, failed, or interrupted by a restart.

        Raises:
            NotFound: there is no such run.
            Conflict: another run is under way, or nothing is left to do.
        """
        with self._lock:
            if self._active is not None and self._active.live.run_id == run_id:
                active = self._require_active(run_id)
                active.handle.resume()
                active.live.pending = None
            else:
                active = self._take_over(run_id)
        self._publish_state(active.live)

    def stop(self, run_id: str) -> None:
        """Now; the round under way is given up. Raises NotFound, or Conflict when it is not under way."""
        with self._lock:
            active = self._require_active(run_id, even_if_stopping=True)
            active.live.pending = "stop"
            active.handle.stop()
        self._publish_state(active.live)

    def set_note(self, run_id: str, text: str, user: User) -> None:
        """Raises NotFound."""
        with self._lock:  # who takes a run over removes files that look half written
            self.listing.set_note(run_id, text, user.username)

    def shutdown(self) -> None:
        """Stop the active run and wait until its last complete round is on disk; a few seconds at most."""
        with self._lock:
            self._closed = True
            active = self._active
            if active is not None:
                active.live.pending = "stop"
                active.handle.stop()
        if active is not None and active.thread is not None:
            active.thread.join(SHUTDOWN_SECONDS)

    # --- what people see -------------------------------------------------------------------------------

    def all(self, viewer: User) -> list[dict[str, Any]]:
        """Every run without its rounds, the newest first."""
        with self._lock:
            records = self.listing.all()
            models = self._models_of_runs()
            found = [run_json(record, self._live(record.run_id), models.get(record.run_id)) for record in records]
        return [_as_seen(run, viewer) for run in found]

    def get(self, run_id: str, viewer: User) -> dict[str, Any]:
        """Raises NotFound."""
        with self._lock:
            return self._shown(self.listing.get(run_id), viewer)

    def folder(self, run_id: str) -> Path:
        """Raises NotFound."""
        return self.listing.folder(run_id)

    def current(self, viewer: User) -> dict[str, Any] | None:
        """The active run, else the newest, as ``viewer`` may see it."""
        with self._lock:
            active = self._active
            record = self.listing.newest() if active is None else self.listing.get(active.live.run_id)
            return None if record is None else self._shown(record, viewer)

    # --- the thread of a run ---------------------------------------------------------------------------

    def _lead(self, handle: RunHandle, live: LiveRun) -> _Active:
        active = _Active(handle, live)
        # daemon: work that hangs must not keep the process from ending.
        active.thread = threading.Thread(target=self._wait, args=(active,), name=f"run {handle.run_id}", daemon=True)
        self._active = active
        self._publish_state(live)
        active.thread.start()
        return active

    def _wait(self, active: _Active) -> None:
        model: Path | None = None
        reason = "the run ended without a word; the log of the server has the reason"
        try:
            model = active.handle.wait()
        except FedLungError as error:
            reason = str(error)
        except Exception:
            logger.exception("run %s broke", active.live.run_id)
        if not active.last_events:
            live = active.live
            active.last_events += [
                TrainingStatus(live.run_id, FAILED, live.round, live.rounds, reason),
                RunFinished(live.run_id, FAILED, live.round, live.rounds, reason),
            ]
        self._end(active, None if model is None else self._register(active.live.run_id, model))

    def _end(self, active: _Active, model_id: str | None) -> None:
        with self._lock:
            for event in active.last_events:
                active.live.apply(event)
            self._active = None
        for event in active.last_events:
            self._publish(event, model_id=model_id)

    def _register(self, run_id: str, model: Path) -> str | None:
        try:
            record = self.listing.get(run_id)
            return self._models.add(model_id_of(run_id, record.round), model, card_of(record)).model_id
        except Exception:  # the rounds are on disk all the same, and the run has to come to its end
            logger.exception("the model of run %s could not be put into the registry", run_id)
            return None

    def _hear(self, event: Event) -> None:
        """Events of the active run, from its thread."""
        with self._lock:
            active = self._active
            if active is None or active.live.run_id != event.run_id:
                return
            if isinstance(event, RunFinished) or (isinstance(event, TrainingStatus) and event.state in ENDED):
                active.last_events.append(event)
                return
            active.live.apply(event)
        if isinstance(event, RoundFinished):
            self._note_scans(active.handle, event)
        self._publish(event)

    def _note_scans(self, handle: RunHandle, event: RoundFinished) -> None:
        """The scans of the hospitals whose answers are in the new model."""
        for result in event.hospitals:
            try:
                self._note_use(result.hospital, event.run_id, event.round, handle.scans_of(result.hospital))
            except (FedLungError, OSError):  # the round itself is on disk
                logger.exception("it could not be noted which scans of %s were used", result.hospital)

    # --- inside ----------------------------------------------------------------------------------------

    def _require_idle(self) -> None:
        if self._closed:
            raise Conflict(gettext("The server is shutting down."))
        if self._active is not None:
            raise Conflict(gettext("Another run is under way. Wait for its end, or stop it first."))

    def _require_active(self, run_id: str, *, even_if_stopping: bool = False) -> _Active:
        self.listing.folder(run_id)
        if self._active is None or self._active.live.run_id != run_id:
            raise Conflict(gettext("This run is not under way."))
        if self._active.live.pending == "stop" and not even_if_stopping:
            raise Conflict(gettext("This run is being stopped."))
        return self._active

    def _take_over(self, run_id: str) -> _Active:
        record: RunRecord = self.listing.get(run_id)
        if not record.can_resume and not record.is_driven:
            raise Conflict(gettext("This run cannot be resumed: nothing is left to do."))
        self._require_idle()
        try:
            handle = self._launcher.resume(run_id, self._hear)
        except BadRunFolder as error:
            raise Conflict(str(error)) from None
        live = LiveRun(run_id, record.round, record.rounds, self._clock)
        live.left_out.update(record.left_out)
        return self._lead(handle, live)

    def _shown(self, record: RunRecord, viewer: User) -> dict[str, Any]:
        """Under the lock: were the models looked up before it, a run could have ended since and seem to have none."""
        model_id = self._models_of_runs().get(record.run_id)
        return _as_seen(full_run_json(record, self._live(record.run_id), model_id), viewer)

    def _live(self, run_id: str) -> LiveRun | None:
        return self._active.live if self._active is not None and self._active.live.run_id == run_id else None

    def _models_of_runs(self) -> dict[str, str]:
        """Run -> the model of its latest registered round."""
        entries = sorted(self._models.all(), key=lambda entry: int(entry.card.get("round") or 0))
        return {str(entry.card["run_id"]): entry.model_id for entry in entries if entry.card.get("run_id")}

    def _publish_state(self, live: LiveRun) -> None:
        with self._lock:
            event = TrainingStatus(live.run_id, live.state, live.round, live.rounds, live.reason)
            pending = live.pending
        self._publish(event, pending=pending)

    def _publish(self, event: Event, **more: Any) -> None:
        payload = {name: value for name, value in event.to_json().items() if name != "event"} | more
        if isinstance(event, RoundFinished):
            payload["validation_mean"] = validation_mean(payload)
        self._hub.publish(event.name, payload, Everyone())


def _as_seen(run: dict[str, Any], viewer: User) -> dict[str, Any]:
    return run if viewer.role == ADMIN else run_for_hospital(run, viewer.hospital_id or "")
