"""The queue and its worker: stages, failures with their reason, restarts, and one answer for one request."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask_babel import Babel

from fedlung.errors import BadCheckpoint, Conflict, FedLungError, NotFound
from fedlung.events import FAILED, FINISHED, QUEUED, RUNNING
from fedlung.stores.model_registry import ModelRegistry
from fedlung.stores.scan_records import ScanRecord
from fedlung.stores.scans import FileScanStore
from fedlung.web.predictions import service as service_module
from fedlung.web.predictions.service import MOST_ATTEMPTS
from tests.fake_reader import LONG, write_scan
from tests.prediction_service_world import CLINICIAN_A, STAFF_A, STRANGERS, World
from tests.web.fake_launcher import write_model


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    app = Flask("test")
    Babel(app)
    made = World(tmp_path)
    with app.test_request_context():
        yield made
    made.fake.go_on.set()
    for service in made.services:
        service.close()


def test_a_request_is_on_disk_before_anybody_works(world: World) -> None:
    asked = world.ask()
    assert world.restarted().store.get("hospital_a", asked.id).state == QUEUED
    progress = world.service.progress(asked)
    assert progress is not None
    assert progress.queue_position == 1


def test_a_scan_is_read_through_all_stages(world: World) -> None:
    asked = world.ask()
    world.service.start()
    done = world.ended(asked)
    assert (done.state, done.num_candidates, done.threshold, done.error) == (FINISHED, 3, 0.5, None)
    assert list(done.seconds) == ["model", "read", "prepare", "network", "candidates", "describe"]
    assert done.warnings == [
        {"code": "unusual_spacing", "values": {"spacing_mm": "2.50 x 2.50 x 2.50"}},
    ]
    assert [item["id"] for item in world.service.store.content(done)["candidates"]] == ["m1", "m2", "m3"]
    assert world.service.progress(done) is None


def test_people_of_the_hospital_hear_of_it_and_nobody_else(world: World) -> None:
    asked = world.ask()
    world.service.start()
    world.ended(asked)
    for stream in (STAFF_A, CLINICIAN_A):
        events = world.heard(stream)
        stages = [event["stage"] for event in events if event["event"] == "prediction_progress"]
        assert list(dict.fromkeys(stages)) == ["model", "read", "prepare", "network", "candidates", "describe"]
        assert events[-1]["event"] == "prediction_finished"
        assert (events[-1]["prediction_id"], events[-1]["state"]) == (asked.id, FINISHED)
    assert [world.heard(stream) for stream in STRANGERS] == [[], [], []]


def test_the_same_request_has_the_same_answer_and_is_read_once(world: World) -> None:
    world.service.start()
    world.fake.go_on.clear()
    asked = world.ask()
    assert world.fake.reached.wait(LONG)
    assert world.ask().id == asked.id, "while it runs"
    world.fake.go_on.set()
    world.ended(asked)
    assert world.ask().id == asked.id
    assert len(world.service.store.all("hospital_a")) == 1


def test_many_ask_at_once_and_get_one_prediction(world: World) -> None:
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(world.ask().id)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1


def test_another_model_is_another_request(world: World) -> None:
    first = world.ask()
    world.models.add("two", write_model(world.folder / "two.pth", b"sound two"), {"created": "2026-01-02"})
    assert world.ask(model="two").id != first.id
    assert world.ask().id == first.id


def test_a_changed_scan_is_another_request(world: World) -> None:
    first = world.ask()
    write_scan(world.folder / "hospital_a", seed=1)
    assert world.ask().id != first.id


def test_a_scan_that_the_intake_describes_meanwhile_is_the_same_scan(world: World) -> None:
    first = world.ask()
    folder = world.folder / "hospital_a"
    record = ScanRecord("scan", "label", "", "folder", "2026", "", "other digest", (1, 1, 1), (1.0, 1.0, 1.0))
    FileScanStore(folder).describe(record, folder)
    assert world.ask().id == first.id


def test_one_at_a_time_in_the_order_of_asking(world: World) -> None:
    for seed in (1, 2):
        write_scan(world.folder / "hospital_a", f"scan{seed}", seed)
    world.fake.go_on.clear()
    first, second, third = world.ask(), world.ask("scan1"), world.ask("scan2")
    world.service.start()
    assert world.fake.reached.wait(LONG)
    positions = [world.service.progress(record) for record in (first, second, third)]
    assert [progress.queue_position for progress in positions if progress] == [0, 1, 2]
    assert positions[0] is not None
    assert (positions[0].stage, positions[0].share) == ("network", 0.5)
    world.fake.go_on.set()
    ends = [world.ended(record).finished for record in (first, second, third)]
    assert ends == sorted(ends)
    assert len(world.fake.opened) == 1, "the model stays loaded"


def spoil_scan(world: World) -> None:
    (world.folder / "hospital_a" / "scans" / "scan.raw").write_bytes(b"short")


def remove_scan(world: World) -> None:
    (world.folder / "hospital_a" / "scans" / "scan.mhd").unlink()


def spoil_model(world: World) -> None:
    world.models.get("one").path.write_bytes(b"torn")


def fail_network(world: World) -> None:
    world.fake.failure = FedLungError("the network's answer holds NaN")


def break_network(world: World) -> None:
    world.fake.failure = ZeroDivisionError("a bug with 王五 in it")


def fill_memory(world: World) -> None:
    world.fake.failure = MemoryError()


FAILURES = {
    spoil_scan: ("read", "bad_scan"),
    remove_scan: ("read", "not_found"),
    spoil_model: ("model", "failed"),
    fail_network: ("network", "failed"),
    break_network: ("network", "failed"),
    fill_memory: ("network", "failed"),
}


@pytest.mark.parametrize("spoil", FAILURES, ids=lambda spoil: spoil.__name__)
def test_a_failure_says_stage_and_reason_and_has_no_marks(world: World, spoil: Any) -> None:
    asked = world.ask()
    spoil(world)
    world.service.start()
    failed = world.ended(asked)
    assert failed.state == FAILED
    assert failed.error is not None
    assert (failed.error["stage"], failed.error["code"]) == FAILURES[spoil]
    assert len(failed.error["message"]) > 10
    assert "王五" not in failed.error["message"]
    assert failed.num_candidates is None, "never an empty list"
    with pytest.raises(NotFound):
        world.service.store.content(failed)
    assert world.heard(CLINICIAN_A)[-1]["state"] == FAILED


def test_after_a_failure_the_next_one_is_read_and_the_same_can_be_asked_again(world: World) -> None:
    write_scan(world.folder / "hospital_a", "other", 3)
    fail_network(world)
    world.service.start()
    failed = world.ended(world.ask())
    world.fake.failure = None
    assert world.ended(world.ask("other")).state == FINISHED
    again = world.ask()
    assert again.id != failed.id
    assert world.ended(again).state == FINISHED


def test_a_model_that_was_exchanged_meanwhile_is_refused(world: World) -> None:
    asked = world.ask()
    world.service.store.replace(replace(asked, model={**asked.model, "sha256": "0" * 64}))
    world.service.start()  # takes the queue from disk
    error = world.ended(asked).error
    assert error is not None
    assert (error["stage"], error["code"]) == ("model", "bad_checkpoint")


def test_what_cannot_be_read_is_refused_when_it_is_asked_for(world: World) -> None:
    for scan_id, model, hospital in (("x", None, "hospital_a"), ("scan", "x", "hospital_a"), ("scan", None, "x")):
        with pytest.raises(NotFound):
            world.ask(scan_id, hospital, model)
    spoil_model(world)
    with pytest.raises(BadCheckpoint):
        world.ask()
    assert world.service.store.all("hospital_a") == []


def test_without_any_model_it_says_so(tmp_path: Path, world: World) -> None:
    world.service._models = ModelRegistry(tmp_path / "none")
    with pytest.raises(NotFound, match="No model"):
        world.ask()


def test_a_flood_is_refused(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service_module, "MOST_WAITING", 1)
    world.ask()
    write_scan(world.folder / "hospital_a", "other", 3)
    with pytest.raises(Conflict, match="waiting"):
        world.ask("other")
    assert world.ask(hospital_id="hospital_b").state == QUEUED, "another hospital is not held up"


def test_a_restart_takes_up_what_was_left(world: World) -> None:
    write_scan(world.folder / "hospital_a", "other", 3)
    half_done, waiting = world.ask(), world.ask("other")
    world.service.store.replace(replace(half_done, state=RUNNING, attempts=1))
    world.service = world.restarted()
    world.service.start()
    assert [world.ended(record).state for record in (half_done, waiting)] == [FINISHED, FINISHED]


def test_a_scan_that_ends_the_server_again_and_again_is_given_up(world: World) -> None:
    asked = world.ask()
    world.service.store.replace(replace(asked, state=RUNNING, attempts=MOST_ATTEMPTS))
    world.service.start()
    failed = world.ended(asked)
    assert failed.error is not None
    assert (failed.state, failed.error["stage"]) == (FAILED, "server")
    assert f"{MOST_ATTEMPTS} times" in failed.error["message"]


def test_a_shutdown_leaves_the_request_for_the_next_server(world: World) -> None:
    world.fake.go_on.clear()
    world.service.start()
    asked = world.ask()
    assert world.fake.reached.wait(LONG)
    closing = threading.Thread(target=world.service.close)
    closing.start()
    world.fake.go_on.set()
    closing.join(LONG)
    left = world.service.store.get("hospital_a", asked.id)
    assert (left.state, left.attempts) == (QUEUED, 0)


def test_a_deleted_prediction_is_dropped_and_the_worker_lives(world: World) -> None:
    world.fake.go_on.clear()
    world.service.start()
    asked = world.ask()
    assert world.fake.reached.wait(LONG)
    world.service.store.delete_of_scan("hospital_a", "scan")
    world.fake.go_on.set()
    assert world.service.wait_until_idle(LONG)
    assert world.service.store.all("hospital_a") == []
    again = world.ask()
    assert again.id != asked.id
    assert world.ended(again).state == FINISHED
