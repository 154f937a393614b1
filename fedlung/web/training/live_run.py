"""The run under way, as its events tell it: what a page shows between two lines of ``rounds.jsonl``."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from fedlung.events import (
    QUEUED,
    RUNNING,
    ClientProgress,
    Event,
    HospitalStatus,
    RoundFinished,
    RoundStarted,
    TrainingStatus,
)

WAITING, TRAINING = "waiting", "training"
ROUNDS_THAT_COUNT = 5  # for the time that is left: the latest ones tell best
LEAST_SHARE = 0.05  # of the first round, before it says anything about its length


class LiveRun:
    """Not thread-safe: the service that owns it holds its lock around every call. ``clock`` gives seconds.

    Attributes:
        pending: "pause" or "stop" while that was asked for and has not happened yet.
        current: the round under way, or None between rounds.
        left_out: hospital -> why it does not take part in this run.
    """

    def __init__(self, run_id: str, round_: int, rounds: int, clock: Callable[[], float]) -> None:
        self.run_id = run_id
        self.state, self.reason = QUEUED, ""
        self.round, self.rounds = round_, rounds
        self.pending: str | None = None
        self.current: dict[str, Any] | None = None
        self.left_out: dict[str, str] = {}
        self._clock = clock
        self._round_started = clock()
        self._hospital_started: dict[str, float] = {}
        self._seconds: deque[float] = deque(maxlen=ROUNDS_THAT_COUNT)

    def apply(self, event: Event) -> None:
        """Take in what has happened; events of other kinds change nothing here."""
        if isinstance(event, TrainingStatus):
            self.state, self.reason, self.round, self.rounds = event.state, event.reason, event.round, event.rounds
            if event.state != RUNNING:
                self.pending = None
        elif isinstance(event, HospitalStatus):
            self._opened(event)
        elif isinstance(event, RoundStarted):
            self._start_round(event)
        elif isinstance(event, ClientProgress):
            self._progress(event)
        elif isinstance(event, RoundFinished):
            self._seconds.append(self._clock() - self._round_started)
            self.round, self.current = event.round, None

    def current_json(self) -> dict[str, Any] | None:
        """A copy of ``current``, which goes on changing."""
        if self.current is None:
            return None
        return {**self.current, "hospitals": {name: dict(cell) for name, cell in self.current["hospitals"].items()}}

    def eta_seconds(self) -> float | None:
        """Time until the last round, from the rounds of this process; None while nothing can be said."""
        if self.state != RUNNING or self.pending == "stop":
            return None
        elapsed = self._clock() - self._round_started if self.current else 0.0
        if self._seconds:
            one = sum(self._seconds) / len(self._seconds)
        elif (share := self._share_of_round()) >= LEAST_SHARE:
            one = elapsed / share
        else:
            return None
        left = self.rounds - self.round
        return max(0.0, one * left - min(elapsed, one))

    def _opened(self, event: HospitalStatus) -> None:
        if event.state == "left_out":
            self.left_out[event.hospital] = event.reason
        else:
            self.left_out.pop(event.hospital, None)

    def _start_round(self, event: RoundStarted) -> None:
        self._round_started = self._clock()
        self._hospital_started = {}
        hospitals = {
            hospital: {"state": WAITING, "fraction": 0.0, "reason": "", "seconds": None} for hospital in event.hospitals
        }
        self.current = {"round": event.round, "learning_rate": event.learning_rate, "hospitals": hospitals}

    def _progress(self, event: ClientProgress) -> None:
        if self.current is None or self.current["round"] != event.round:
            return
        now = self._clock()
        started = self._hospital_started.setdefault(event.hospital, now)
        self.current["hospitals"][event.hospital] = {
            "state": event.state,
            "fraction": event.fraction,
            "reason": event.reason,
            "seconds": None if event.state == TRAINING else round(now - started, 1),
        }

    def _share_of_round(self) -> float:
        """Between 0 and 1; a hospital that will not answer is done, too."""
        cells = list(self.current["hospitals"].values()) if self.current else []
        shares = [cell["fraction"] if cell["state"] in (WAITING, TRAINING) else 1.0 for cell in cells]
        return sum(shares) / len(shares) if shares else 0.0
