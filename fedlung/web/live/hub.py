"""The one place through which live events pass: any thread publishes, one background task numbers and emits.

Training runs in native threads, and a socket may be written only from the web server's own (in eventlet mode a foreign
thread breaks the server), therefore a queue between them. The drain throttles progress, gives every stream its own
numbers without holes, and remembers the latest events for those who come back after a gap.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from fedlung.web.live.streams import Audience, Stream, view_for

logger = logging.getLogger(__name__)

PROGRESS = "client_progress"
PROGRESS_SECONDS = 0.25  # at most four a second for each hospital of a run
REMEMBERED = 500  # events of a stream that can be asked for again
WAITING_AT_MOST = 10_000  # events that the drain has not taken yet; a run makes a few per second

Emit = Callable[[str, dict[str, Any], str], None]  # (event name, payload, room)


@dataclass(frozen=True)
class _Waiting:
    name: str
    payload: Mapping[str, Any]
    audience: Audience
    time: str

    @property
    def is_fleeting(self) -> bool:
        """A fraction of a hospital's training, which the next one makes worthless."""
        return self.name == PROGRESS and self.payload.get("state") == "training"

    @property
    def of(self) -> tuple[Any, Any]:
        return self.payload.get("run_id"), self.payload.get("hospital")


class _Log:
    """The latest events of one stream, under their numbers."""

    def __init__(self, seq: int) -> None:
        self.seq = seq
        self.events: deque[dict[str, Any]] = deque(maxlen=REMEMBERED)

    def append(self, name: str, time: str, view: Mapping[str, Any]) -> dict[str, Any]:
        self.seq += 1
        event = {**view, "event": name, "seq": self.seq, "time": time}
        self.events.append(event)
        return event

    def leave_a_gap(self) -> None:
        """Make every viewer ask for the whole state again."""
        self.seq += 1
        self.events.clear()


class Hub:
    """Events of this process. Numbers begin at the clock's milliseconds, so that a number from before a restart is
    older than everything that is remembered, and its owner gets a fresh snapshot instead of a wrong continuation.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic, first_seq: int | None = None) -> None:
        self._clock = clock
        self._first_seq = int(time.time() * 1000) if first_seq is None else first_seq
        self._lock = threading.Lock()
        self._waiting: deque[_Waiting] = deque()
        self._overflowed = False
        self._held: dict[tuple[Any, Any], _Waiting] = {}  # progress that has to wait for its turn
        self._shown: dict[tuple[Any, Any], float] = {}  # when progress was emitted last
        self._logs: dict[Stream, _Log] = {}

    def publish(self, name: str, payload: Mapping[str, Any], audience: Audience) -> None:
        """Tell ``audience``; returns at once, from any thread.

        Whoever serves snapshots changes them *before* publishing: then a viewer who reads the number first and the
        snapshot after misses nothing, and may apply an event twice but never too few.
        """
        item = _Waiting(name, payload, audience, datetime.now(UTC).isoformat(timespec="milliseconds"))
        with self._lock:
            if len(self._waiting) >= WAITING_AT_MOST:
                self._make_room()
            self._waiting.append(item)

    def seq(self, stream: Stream) -> int:
        """Number of the last event of the stream."""
        with self._lock:
            return self._log(stream).seq

    def since(self, stream: Stream, seq: int) -> list[dict[str, Any]] | None:
        """The stream's events after number ``seq``; None when they are not remembered (or never were)."""
        with self._lock:
            log = self._log(stream)
            if not log.seq - len(log.events) <= seq <= log.seq:
                return None
            return [event for event in log.events if event["seq"] > seq]

    def drain(self, emit: Emit) -> None:
        """Number and emit what waits. Called by one task only, many times a second."""
        for item in self._taken():
            for stream, event in self._recorded(item):
                emit(item.name, event, str(stream))

    def _make_room(self) -> None:
        for item in self._waiting:
            if item.is_fleeting:
                self._waiting.remove(item)
                return
        self._waiting.popleft()
        self._overflowed = True

    def _taken(self) -> list[_Waiting]:
        with self._lock:
            waiting, self._waiting = list(self._waiting), deque()
            if self._overflowed:
                self._overflowed = False
                for log in self._logs.values():
                    log.leave_a_gap()
        return [*self._throttled(waiting), *self._due()]

    def _throttled(self, waiting: list[_Waiting]) -> list[_Waiting]:
        """Without progress, which waits for its turn. What else happens in a run makes older fractions worthless."""
        passed = []
        for item in waiting:
            run_id, hospital = item.of
            if item.is_fleeting:
                self._held[run_id, hospital] = item
                continue
            for key in [key for key in self._held if key[0] == run_id and (not hospital or key[1] == hospital)]:
                del self._held[key]
            if item.name == "run_finished":
                self._shown = {key: shown for key, shown in self._shown.items() if key[0] != run_id}
            passed.append(item)
        return passed

    def _due(self) -> list[_Waiting]:
        now = self._clock()
        keys = [key for key in self._held if now - self._shown.get(key, -math.inf) >= PROGRESS_SECONDS]
        self._shown.update(dict.fromkeys(keys, now))
        return [self._held.pop(key) for key in keys]

    def _recorded(self, item: _Waiting) -> list[tuple[Stream, dict[str, Any]]]:
        with self._lock:
            logs = list(self._logs.items())
            views = [(stream, log, view_for(stream, item.name, item.payload, item.audience)) for stream, log in logs]
            return [(stream, log.append(item.name, item.time, view)) for stream, log, view in views if view is not None]

    def _log(self, stream: Stream) -> _Log:
        return self._logs.setdefault(stream, _Log(self._first_seq))
