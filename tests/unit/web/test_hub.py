"""The hub: numbers without holes for every stream, progress throttled with the last kept, gaps answered honestly."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from fedlung.web.live import hub as hub_module
from fedlung.web.live.hub import PROGRESS_SECONDS, REMEMBERED, Hub
from fedlung.web.live.streams import ADMIN, Admins, Everyone, Hospital, Stream

STAFF_A, STAFF_B = Stream("staff", "hospital_a"), Stream("staff", "hospital_b")
FIRST = 1000


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Outlet:
    """What was emitted: room -> events."""

    def __init__(self) -> None:
        self.rooms: dict[str, list[dict[str, Any]]] = {}

    def __call__(self, name: str, event: dict[str, Any], room: str) -> None:
        assert event["event"] == name
        self.rooms.setdefault(room, []).append(event)

    def fractions(self, room: str) -> list[float]:
        return [event["fraction"] for event in self.rooms.get(room, []) if event["event"] == "client_progress"]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def hub(clock: Clock) -> Hub:
    made = Hub(clock, FIRST)
    for stream in (ADMIN, STAFF_A, STAFF_B):
        made.seq(stream)
    return made


def progress(fraction: float, state: str = "training", hospital: str = "hospital_a") -> dict[str, Any]:
    return {"run_id": "r1", "round": 1, "hospital": hospital, "state": state, "fraction": fraction}


def test_every_stream_has_its_own_numbers_without_holes(hub: Hub) -> None:
    outlet = Outlet()
    for turn in range(5):
        hub.publish("training_status", {"run_id": "r1", "state": "running", "round": turn}, Everyone())
        hub.publish("online_users", {"online": []}, Admins())
        hub.publish("hospital_status", {"hospital": "hospital_a"}, Hospital("hospital_a"))
    hub.drain(outlet)
    expected = {"admin": 15, "staff:hospital_a": 10, "staff:hospital_b": 5}
    assert {room: len(events) for room, events in outlet.rooms.items()} == expected
    for room, count in expected.items():
        assert [event["seq"] for event in outlet.rooms[room]] == list(range(FIRST + 1, FIRST + 1 + count))
    assert hub.seq(STAFF_A) == FIRST + 10


def test_progress_is_shown_four_times_a_second_and_its_last_value_always(hub: Hub, clock: Clock) -> None:
    outlet = Outlet()
    ticks = 100
    for tick in range(ticks + 1):  # two seconds, fifty drains a second
        clock.now = tick * 0.02
        hub.publish("client_progress", progress(tick / ticks), Everyone())
        hub.drain(outlet)
    clock.now += PROGRESS_SECONDS
    hub.drain(outlet)
    shown = outlet.fractions("staff:hospital_a")
    assert shown[0] == 0.0
    assert shown[-1] == 1.0
    assert len(shown) <= 2.0 / PROGRESS_SECONDS + 2
    assert shown == sorted(shown)
    assert outlet.fractions("staff:hospital_b") == []


def test_what_happens_is_never_late_and_never_followed_by_an_older_fraction(hub: Hub, clock: Clock) -> None:
    outlet = Outlet()
    hub.publish("client_progress", progress(0.1), Everyone())
    hub.drain(outlet)
    hub.publish("client_progress", progress(0.9), Everyone())  # has to wait
    hub.publish("client_progress", progress(1.0, "done"), Everyone())
    hub.publish("round_finished", {"run_id": "r1", "round": 1}, Everyone())
    hub.drain(outlet)
    clock.now += 10
    hub.drain(outlet)
    assert outlet.fractions("admin") == [0.1, 1.0]
    assert outlet.rooms["admin"][-1]["event"] == "round_finished"


def test_hospitals_do_not_slow_each_other_down(hub: Hub) -> None:
    outlet = Outlet()
    hub.publish("client_progress", progress(0.1), Everyone())
    hub.publish("client_progress", progress(0.2, hospital="hospital_b"), Everyone())
    hub.drain(outlet)
    assert outlet.fractions("admin") == [0.1, 0.2]


def test_who_comes_back_gets_exactly_what_was_missed(hub: Hub) -> None:
    for turn in range(10):
        hub.publish("training_status", {"run_id": "r1", "round": turn}, Everyone())
    hub.drain(Outlet())
    missed = hub.since(STAFF_A, FIRST + 7)
    assert missed is not None
    assert [event["seq"] for event in missed] == [FIRST + 8, FIRST + 9, FIRST + 10]
    assert [event["round"] for event in missed] == [7, 8, 9]
    assert hub.since(STAFF_A, FIRST + 10) == []


def test_what_is_not_remembered_is_said_to_be_a_gap(hub: Hub) -> None:
    for turn in range(REMEMBERED + 5):
        hub.publish("training_status", {"run_id": "r1", "round": turn}, Everyone())
    hub.drain(Outlet())
    assert hub.since(ADMIN, FIRST + 4) is None
    oldest = hub.since(ADMIN, FIRST + 5)
    assert oldest is not None
    assert len(oldest) == REMEMBERED
    assert hub.since(ADMIN, FIRST + REMEMBERED + 6) is None, "a number from the future"


def test_a_number_from_before_a_restart_is_a_gap() -> None:
    before = Hub()
    before.seq(ADMIN)
    for turn in range(50):
        before.publish("training_status", {"round": turn}, Everyone())
    before.drain(Outlet())
    after = Hub(first_seq=before.seq(ADMIN) + 1)  # the clock has gone on by more milliseconds than there were events
    after.publish("training_status", {"round": 0}, Everyone())
    after.drain(Outlet())
    assert after.since(ADMIN, before.seq(ADMIN)) is None


def test_nothing_is_lost_or_doubled_with_many_publishing_threads(hub: Hub) -> None:
    outlet = Outlet()

    def publish(worker: int) -> None:
        for turn in range(200):
            hub.publish("training_status", {"run_id": f"r{worker}", "round": turn}, Everyone())

    threads = [threading.Thread(target=publish, args=(worker,)) for worker in range(8)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        hub.drain(outlet)
    hub.drain(outlet)
    events = outlet.rooms["admin"]
    assert [event["seq"] for event in events] == list(range(FIRST + 1, FIRST + 1 + 8 * 200))
    for worker in range(8):
        assert [event["round"] for event in events if event["run_id"] == f"r{worker}"] == list(range(200))


def test_a_full_queue_gives_up_fractions_first_and_never_hides_that_it_lost_more(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_module, "WAITING_AT_MOST", 10)
    outlet = Outlet()
    hub.publish("client_progress", progress(0.5), Everyone())
    for turn in range(10):
        hub.publish("training_status", {"run_id": "r1", "round": turn}, Everyone())
    hub.drain(outlet)
    assert [event["round"] for event in outlet.rooms["admin"]] == list(range(10))
    for turn in range(12):
        hub.publish("training_status", {"run_id": "r1", "round": turn}, Everyone())
    last_known = hub.seq(ADMIN)
    hub.drain(outlet)
    assert outlet.rooms["admin"][10]["seq"] == last_known + 2, "a viewer sees the gap"
    assert hub.since(ADMIN, last_known) is None
