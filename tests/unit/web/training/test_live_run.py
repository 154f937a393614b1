"""The run under way, told by its events, with a clock that the test turns."""

from __future__ import annotations

import pytest

from fedlung.events import ClientProgress, Event, HospitalStatus, Notice, RoundStarted, TrainingStatus
from fedlung.web.training.live_run import LiveRun
from tests.web.fake_launcher import a_round

RUN = "run-1"
ROUNDS = 10


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def live(clock: Clock) -> LiveRun:
    return LiveRun(RUN, 0, ROUNDS, clock)


def apply(live: LiveRun, *events: Event) -> None:
    for event in events:
        live.apply(event)


def started(number: int) -> RoundStarted:
    return RoundStarted(RUN, number, ROUNDS, ("a", "b"), 0.01)


def finished(number: int) -> Event:
    return a_round(RUN, number, ROUNDS, [])


def progress(hospital: str, state: str, fraction: float = 0.0, reason: str = "", round_: int = 1) -> ClientProgress:
    return ClientProgress(RUN, round_, hospital, state, fraction, reason)


RUNNING = TrainingStatus(RUN, "running", 0, ROUNDS)


def test_before_anything_happens(live: LiveRun) -> None:
    assert (live.state, live.round, live.rounds, live.current, live.eta_seconds()) == ("queued", 0, ROUNDS, None, None)


def test_hospitals_in_a_round(live: LiveRun, clock: Clock) -> None:
    apply(live, RUNNING, started(1))
    waiting = {"state": "waiting", "fraction": 0.0, "reason": "", "seconds": None}
    assert live.current == {"round": 1, "learning_rate": 0.01, "hospitals": {"a": waiting, "b": waiting}}
    clock.now += 2  # b waits for a processor, and its time does not run
    apply(live, progress("a", "training"), progress("b", "training", 0.5))
    clock.now += 3
    apply(live, progress("a", "done", 1.0), progress("b", "late", reason="no answer within 3 s"))
    assert live.current is not None
    assert live.current["hospitals"] == {
        "a": {"state": "done", "fraction": 1.0, "reason": "", "seconds": 3.0},
        "b": {"state": "late", "fraction": 0.0, "reason": "no answer within 3 s", "seconds": 3.0},
    }
    apply(live, finished(1))
    assert (live.round, live.current) == (1, None)


def test_what_is_shown_is_a_copy(live: LiveRun) -> None:
    apply(live, started(1))
    shown = live.current_json()
    apply(live, progress("a", "training", 0.5))
    assert shown is not None
    assert shown["hospitals"]["a"]["fraction"] == 0.0


def test_progress_of_another_round_is_ignored(live: LiveRun) -> None:
    apply(live, progress("a", "training", 0.5), started(2), progress("a", "training", 0.5, round_=1))
    assert live.current is not None
    assert live.current["hospitals"]["a"]["state"] == "waiting"


def test_asked_is_forgotten_when_it_has_happened(live: LiveRun) -> None:
    live.pending = "pause"
    apply(live, RUNNING)
    assert live.pending == "pause"
    apply(live, TrainingStatus(RUN, "paused", 1, ROUNDS))
    assert (live.state, live.pending) == ("paused", None)


def test_hospitals_that_cannot_be_opened(live: LiveRun) -> None:
    apply(live, *(HospitalStatus(RUN, name, "left_out", 0, "no scan") for name in ("a", "b")))
    apply(live, HospitalStatus(RUN, "b", "ready", 4), Notice(RUN, "something else"))
    assert live.left_out == {"a": "no scan"}


def test_time_left_by_the_rounds_before(live: LiveRun, clock: Clock) -> None:
    apply(live, RUNNING)
    for number, seconds in ((1, 10), (2, 20)):
        apply(live, started(number))
        clock.now += seconds
        apply(live, finished(number))
    mean = (10 + 20) / 2
    assert live.eta_seconds() == pytest.approx(mean * (ROUNDS - 2))
    apply(live, started(3))
    clock.now += 4
    assert live.eta_seconds() == pytest.approx(mean * (ROUNDS - 2) - 4)
    clock.now += 100  # a round that takes much longer: at least the others are still to come
    assert live.eta_seconds() == pytest.approx(mean * (ROUNDS - 3))


def test_time_left_in_the_first_round_by_its_progress(live: LiveRun, clock: Clock) -> None:
    apply(live, RUNNING, started(1))
    clock.now += 5
    assert live.eta_seconds() is None
    apply(live, progress("a", "training", 0.5))
    assert live.eta_seconds() == pytest.approx(5 / 0.25 * ROUNDS - 5)
    apply(live, progress("b", "dropped", reason="NaN"))  # will not answer: its part is done
    assert live.eta_seconds() == pytest.approx(5 / 0.75 * ROUNDS - 5)


@pytest.mark.parametrize(("state", "pending"), [("paused", None), ("running", "stop"), ("queued", None)])
def test_no_time_left_while_nothing_goes_on(live: LiveRun, clock: Clock, state: str, pending: str | None) -> None:
    apply(live, started(1))
    clock.now += 10
    apply(live, finished(1), TrainingStatus(RUN, state, 1, ROUNDS))
    live.pending = pending
    assert live.eta_seconds() is None
