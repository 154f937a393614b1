"""The voice of a run: every event goes into its folder and to whoever watches."""

from __future__ import annotations

import logging
from collections.abc import Callable

from fedlung.events import ClientProgress, Event, Notice, RunFinished, TrainingStatus
from fedlung.stores.runs import RunFolder

logger = logging.getLogger(__name__)


class RunRecorder:
    """Records and tells the events of one run of ``rounds`` rounds; used by the one thread that drives it."""

    def __init__(self, folder: RunFolder, rounds: int, on_event: Callable[[Event], None] | None) -> None:
        self._folder = folder
        self._rounds = rounds
        self._on_event = on_event

    def tell(self, event: Event) -> None:
        # Fractions would be most of the file, and say nothing afterwards.
        if not (isinstance(event, ClientProgress) and event.state == "training"):
            self._folder.append_event(event)
        if self._on_event is not None:
            try:
                self._on_event(event)
            except Exception:  # a page that cannot show an event must not end hours of training
                logger.exception("an event could not be shown: %s", event.name)

    def status(self, state: str, round_: int, reason: str = "") -> None:
        self.tell(TrainingStatus(self._folder.run_id, state, round_, self._rounds, reason))

    def progress(self, round_: int, client_id: str, state: str, fraction: float = 0.0, reason: str = "") -> None:
        """A client is training, done, dropped or late; the last two also go to the log."""
        if state in ("dropped", "late"):
            logger.warning("round %d: %s is left out: %s", round_, client_id, reason)
        self.tell(ClientProgress(self._folder.run_id, round_, client_id, state, fraction, reason))

    def notice(self, message: str, client_id: str = "") -> None:
        logger.warning("%s", message)
        self.tell(Notice(self._folder.run_id, message, client_id))

    def came_late(self, client_id: str, work: str) -> None:
        self.notice(f"{client_id} came to the end of {work} too late; its answer is refused", client_id)

    def end(self, state: str, round_: int, reason: str = "") -> None:
        """The run ended, perhaps by an error which the caller is about to raise: a full disk must not replace it."""
        try:
            self.status(state, round_, reason)
            self.tell(RunFinished(self._folder.run_id, state, round_, self._rounds, reason))
        except OSError:
            logger.exception("the end of run %s could not be recorded", self._folder.run_id)
