"""Whether the home of the accounts can be asked at present, and when to try again.

One failure is enough to stop asking: everybody who signs in meanwhile would wait for the same silence. One background
task tries again, after 1, 2, 4 ... seconds (M. Nygard, Release It!, 2nd edition, chapter 5: circuit breaker).
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from fedlung.errors import Misconfigured, StoreAway

logger = logging.getLogger(__name__)

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 1.0, 15.0


class State(StrEnum):
    UP = "up"
    AWAY = "away"  # nobody answers, or not in time
    MISCONFIGURED = "misconfigured"  # it answers and refuses: only a person can mend that


@dataclass(frozen=True)
class Health:
    """``since`` is monotonic seconds; ``reason`` the sentence of the error, empty while all is well."""

    state: State
    since: float
    reason: str = ""


class Breaker:
    """Safe for many threads. ``tripped`` wakes the task that tries again; ``on_change`` hears of every new state."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.on_change: list[Callable[[], None]] = []
        self.tripped = threading.Event()
        self._clock = clock
        self._lock = threading.Lock()
        self._health = Health(State.UP, clock())
        self._failures = 0

    @property
    def health(self) -> Health:
        return self._health

    @property
    def is_up(self) -> bool:
        return self._health.state is State.UP

    def failed(self, error: StoreAway | Misconfigured) -> None:
        state = State.MISCONFIGURED if isinstance(error, Misconfigured) else State.AWAY
        with self._lock:
            before = self._health
            since = before.since if before.state is state else self._clock()
            self._health = Health(state, since, str(error))
        if before.state is not state:
            logger.warning("the home of the accounts is %s: %s", state, error)
            self._tell()
        self.tripped.set()

    def tried_in_vain(self) -> None:
        """The task that tries again had no luck: it waits longer before the next time."""
        self._failures += 1

    def succeeded(self) -> None:
        with self._lock:
            before = self._health
            self._failures = 0
            self.tripped.clear()
            if before.state is not State.UP:
                self._health = Health(State.UP, self._clock())
        if before.state is not State.UP:
            logger.warning("the home of the accounts is back")
            self._tell()

    def pause_seconds(self) -> float:
        """How long to wait before the next try."""
        return min(FIRST_PAUSE_SECONDS * 2.0**self._failures, LONGEST_PAUSE_SECONDS)

    def _tell(self) -> None:
        for listener in self.on_change:
            listener()
