"""Cancelling what is queued or running: at once on disk, never read, never taken up again, and never half of both."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask_babel import Babel

from fedlung.errors import Conflict, FedLungError, NotFound
from fedlung.events import FAILED, FINISHED, RUNNING
from fedlung.stores.predictions import CANDIDATES, MASK, PredictionRecord
from fedlung.web.predictions.service import CANCELLED
from tests.fake_reader import LONG, write_scan
from tests.prediction_service_world import CLINICIAN_A, STAFF_A, STRANGERS, World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    app = Flask("test")
    Babel(app)
    made = World(tmp_path)
    write_scan(tmp_path / "hospital_a", "other", 3)
    with app.test_request_context():
        yield made
    made.fake.go_on.set()
    for service in made.services:
        service.close()


def cancel(world: World, record: PredictionRecord, name: str = "wang") -> PredictionRecord:
    return world.service.cancel(record.hospital_id, record.id, name)


def held(world: World) -> PredictionRecord:
    """A reading that waits in its network."""
    world.fake.go_on.clear()
    world.service.start()
    asked = world.ask()
    assert world.fake.reached.wait(LONG)
    return asked


def ends_heard(world: World, record: PredictionRecord) -> list[str]:
    heard = [event for event in world.heard(CLINICIAN_A) if event.get("prediction_id") == record.id]
    return [event["state"] for event in heard if event["event"] == "prediction_finished"]


def is_cancelled(world: World, record: PredictionRecord, stage: str) -> bool:
    found = world.service.store.get(record.hospital_id, record.id)
    told = {"stage": stage, "code": CANCELLED, "message": "cancelled by wang", "by": "wang"}
    folder = world.service.store.folder(found)
    is_kept = (folder / CANDIDATES).exists() or (folder / MASK).exists()
    return (found.state, found.error, found.num_candidates) == (FAILED, told, None) and not is_kept


def test_a_queued_one_is_never_read(world: World) -> None:
    first, second = world.ask(), world.ask("other")
    cancelled = cancel(world, first)
    assert cancelled.finished
    progress = world.service.progress(second)
    assert progress is not None
    assert progress.queue_position == 1
    world.service.start()
    assert world.ended(second).state == FINISHED
    assert is_cancelled(world, first, "")
    assert world.service.store.get("hospital_a", first.id).attempts == 0
    assert ends_heard(world, first) == [FAILED]


def test_a_running_one_has_failed_at_once_and_the_next_one_starts(world: World) -> None:
    first = held(world)
    second = world.ask("other")
    cancel(world, first)
    assert is_cancelled(world, first, "network"), "though the network has not come back"
    assert world.service.progress(first) is None
    world.fake.go_on.set()
    assert world.ended(second).state == FINISHED
    assert is_cancelled(world, first, "network")
    assert ends_heard(world, first) == [FAILED]
    assert [event["state"] for event in world.heard(STAFF_A) if event["event"] == "prediction_finished"] == [
        FAILED,
        FINISHED,
    ]
    assert [world.heard(stream) for stream in STRANGERS] == [[], [], []]


def test_the_worker_stops_within_the_network(world: World) -> None:
    """It tells nothing, and would go on for ever."""
    first = held(world)
    cancel(world, first)
    assert world.service.wait_until_idle(LONG / 2)
    assert is_cancelled(world, first, "network")


def test_the_same_can_be_asked_for_again_while_the_worker_still_stops(world: World) -> None:
    first = held(world)
    cancel(world, first)
    again = world.ask()
    assert again.id != first.id
    world.fake.go_on.set()
    assert world.ended(again).state == FINISHED
    assert is_cancelled(world, first, "network")


@pytest.mark.parametrize("failure", [FedLungError("NaN"), ZeroDivisionError("a bug"), MemoryError()], ids=str)
def test_what_goes_wrong_afterwards_says_nothing(world: World, failure: Exception) -> None:
    first = held(world)
    cancel(world, first)
    world.fake.failure = failure
    world.fake.go_on.set()
    assert world.service.wait_until_idle(LONG)
    assert is_cancelled(world, first, "network")
    assert ends_heard(world, first) == [FAILED]


def test_a_restart_does_not_take_it_up(world: World) -> None:
    first = held(world)
    second = world.ask("other")
    for record in (first, second):
        cancel(world, record)
    closing = threading.Thread(target=world.service.close)
    closing.start()
    world.fake.go_on.set()
    closing.join(LONG)
    assert is_cancelled(world, first, "network"), "the shutdown has not put it back"
    world.service = world.restarted()
    world.service.start()
    assert world.service.wait_until_idle(LONG)
    assert is_cancelled(world, first, "network")
    assert is_cancelled(world, second, "")


def test_what_has_ended_is_kept(world: World) -> None:
    world.service.start()
    finished = world.ask()
    assert world.ended(finished).state == FINISHED
    with pytest.raises(Conflict, match="ended"):
        cancel(world, finished)
    assert world.service.store.get("hospital_a", finished.id).state == FINISHED
    other = world.ask("other")
    assert world.ended(other).state == FINISHED
    world.service.store.delete_of_scan("hospital_a", "other")
    with pytest.raises(NotFound):
        cancel(world, other)


def test_the_second_who_cancels_is_told(world: World) -> None:
    asked = world.ask()
    cancel(world, asked)
    with pytest.raises(Conflict):
        cancel(world, asked, "zhao")
    assert is_cancelled(world, asked, "")


def test_another_hospitals_does_not_exist(world: World) -> None:
    asked = world.ask()
    with pytest.raises(NotFound):
        world.service.cancel("hospital_b", asked.id, "wang")
    assert world.service.progress(asked) is not None


def test_who_is_as_late_as_the_keeping_is_refused(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of a finished reading are being written: it still says that it runs."""
    finish, refused = world.service.store.finish, []

    def keep(record: PredictionRecord, *found: Any) -> None:
        assert world.service.store.get("hospital_a", record.id).state == RUNNING
        with pytest.raises(Conflict):
            cancel(world, record)
        refused.append(record.id)
        finish(record, *found)

    monkeypatch.setattr(world.service.store, "finish", keep)
    world.service.start()
    asked = world.ask()
    assert world.ended(asked).state == FINISHED
    assert refused == [asked.id]


@pytest.mark.slow
def test_of_cancelling_and_finishing_exactly_one_happens(world: World) -> None:
    """At moments over the whole of a reading; both outcomes are seen."""
    chance = random.Random(5)
    world.service.start()
    started = time.perf_counter()
    world.ended(world.ask("other"))
    whole, outcomes = time.perf_counter() - started, set()
    for _ in range(12):
        world.service.store.delete_of_scan("hospital_a", "scan")
        asked = world.ask()
        time.sleep(chance.uniform(0, 1.4) * whole)
        try:
            stage = (cancel(world, asked).error or {})["stage"]
            is_won = True
        except Conflict:
            is_won = False
        assert world.service.wait_until_idle(LONG)
        ends = ends_heard(world, asked)
        if is_won:
            assert is_cancelled(world, asked, stage)
            assert ends == [FAILED]
        else:
            done = world.service.store.get("hospital_a", asked.id)
            assert (done.state, done.error, done.num_candidates) == (FINISHED, None, 3)
            assert ends == [FINISHED]
        outcomes.add(is_won)
    assert outcomes == {True, False}
