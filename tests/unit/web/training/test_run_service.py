"""The run service: one run at a time whoever asks, every event told, and an end that can be relied upon."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fedlung.errors import Conflict
from fedlung.stores.model_registry import ModelEntry
from fedlung.web.training.request import RunRequest
from tests.run_service_world import BOSS, THREE, World, a_user, staff_of
from tests.web.fake_launcher import LONG


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.service.shutdown()


def test_a_run_from_start_to_model(world: World) -> None:
    run = world.service.start(THREE, BOSS)
    assert (run["rounds"], run["started_by"], run["config"]["rounds"]) == (3, "admin", 3)
    run = world.until_ended()
    assert (run["state"], run["round"], run["scans"]) == ("finished", 3, {"hospital_a": 8, "hospital_b": 4})
    assert [record["round"] for record in run["records"]] == [1, 2, 3]
    (model,) = world.models.all()
    assert run["model_id"] == model.model_id == f"{run['id']}-r0003"
    assert model.card["hospitals"] == run["scans"]
    assert model.card["metrics"]["training"] == {"loss": 1 / 3, "dice": 0.5}
    assert world.models.is_intact(model)


def test_events_reach_the_hub_in_order_and_the_end_comes_last(world: World) -> None:
    world.service.start(THREE, BOSS)
    world.until_ended()
    states = [event["state"] for event in world.told("training_status")]
    assert states == ["queued", "running", "finished"]
    assert [event["round"] for event in world.told("round_finished")] == [1, 2, 3]
    assert world.told("round_finished")[0]["validation_mean"]["dice"] == 0.25
    (end,) = world.told("run_finished")
    assert (end["state"], end["model_id"]) == ("finished", world.run()["model_id"])
    assert world.told("hospital_status")[0]["scans"] == 8
    assert {event["hospital"] for event in world.told("hospital_status", staff_of("hospital_a"))} == {"hospital_a"}


def test_who_sees_the_end_can_start_the_next_run_and_has_the_model(world: World) -> None:
    """The snapshot and the event: both only when everything is put away."""
    for number in range(1, 6):
        world.service.start(RunRequest(rounds=1), BOSS)
        run = world.until_ended()
        assert run["model_id"] is not None
        assert len(world.told("run_finished")) == number


@pytest.mark.parametrize("look", ["get", "current", "all"])
def test_a_run_that_ends_while_somebody_looks_has_a_model_or_has_not_ended(world: World, look: str) -> None:
    world.launcher.held = True
    run_id = world.service.start(RunRequest(rounds=1), BOSS)["id"]
    all_models = world.models.all

    def slow() -> list[ModelEntry]:
        found = all_models()
        world.launcher.runs[-1].let()
        time.sleep(0.3)  # as much time as the end of the run needs, and more
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(world.models, "all", slow)
        seen = {
            "get": lambda: world.service.get(run_id, BOSS),
            "current": lambda: world.service.current(BOSS),
            "all": lambda: world.service.all(BOSS)[0],
        }[look]()
    assert seen is not None
    assert (seen["state"] == "finished") == (seen["model_id"] is not None)


def test_twenty_people_press_start_at_once(world: World) -> None:
    world.launcher.held = True
    barrier = threading.Barrier(20)
    outcomes: list[object] = []

    def press() -> None:
        barrier.wait()
        try:
            outcomes.append(world.service.start(THREE, BOSS)["id"])
        except Conflict:
            outcomes.append(Conflict)

    threads = [threading.Thread(target=press) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes.count(Conflict) == 19
    (started,) = [outcome for outcome in outcomes if outcome is not Conflict]
    assert [record.run_id for record in world.listing.all()] == [started]


def test_start_while_the_last_run_is_being_stopped(world: World) -> None:
    world.launcher.held = True
    run = world.service.start(THREE, BOSS)
    world.until_round(1)
    handle = world.launcher.runs[0]
    release = threading.Event()
    stop = handle.stop
    handle.stop = lambda: (
        None
        if release.is_set()
        else threading.Thread(  # type: ignore[method-assign]
            target=lambda: (release.wait(LONG), stop())
        ).start()
    )
    world.service.stop(run["id"])
    assert world.run()["pending"] == "stop"
    for refused in (
        lambda: world.service.start(THREE, BOSS),
        lambda: world.service.pause(run["id"]),
        lambda: world.service.resume(run["id"]),
    ):
        with pytest.raises(Conflict):
            refused()
    world.service.stop(run["id"])  # pressing again is no error
    release.set()
    assert world.until_ended()["state"] == "stopped"
    world.launcher.held = False
    world.service.start(THREE, BOSS)


def test_pause_happens_after_the_round_and_resume_goes_on(world: World) -> None:
    world.launcher.held = True
    run_id = world.service.start(THREE, BOSS)["id"]
    handle = world.launcher.runs[0]
    world.until_round(1)
    world.service.pause(run_id)
    assert (world.run()["state"], world.run()["pending"]) == ("running", "pause")
    assert world.told("training_status")[-1]["pending"] == "pause"
    handle.let()
    paused = world.until(lambda run: run["state"] == "paused")
    assert (paused["round"], paused["pending"], paused["eta_seconds"]) == (1, None, None)
    world.service.pause(run_id)  # no error, no change
    assert world.run()["pending"] is None
    world.service.resume(run_id)
    handle.let(2)
    assert world.until_ended()["round"] == 3


def test_a_pause_can_be_taken_back(world: World) -> None:
    world.launcher.held = True
    run_id = world.service.start(THREE, BOSS)["id"]
    world.until_round(1)
    world.service.pause(run_id)
    world.service.resume(run_id)
    assert world.run()["pending"] is None
    world.launcher.runs[0].let(3)
    assert world.until_ended()["state"] == "finished"


def test_stop_keeps_complete_rounds_and_registers_the_last(world: World) -> None:
    world.launcher.held = True
    run_id = world.service.start(THREE, BOSS)["id"]
    world.launcher.runs[0].let()
    world.until_round(2)
    world.service.stop(run_id)
    run = world.until_ended()
    assert (run["state"], run["round"], run["can_resume"]) == ("stopped", 1, True)
    assert run["model_id"] == f"{run_id}-r0001"
    assert world.models.get(run["model_id"]).card["round"] == 1

    world.launcher.held = False
    world.service.resume(run_id)
    run = world.until_ended()
    assert (run["state"], run["round"], run["model_id"]) == ("finished", 3, f"{run_id}-r0003")
    assert len(world.models.all()) == 2


def test_stopped_before_the_first_round_has_no_model(world: World) -> None:
    world.launcher.held = True
    run_id = world.service.start(THREE, BOSS)["id"]
    world.service.stop(run_id)
    run = world.until_ended()
    assert (run["state"], run["round"], run["model_id"]) == ("stopped", 0, None)
    assert world.models.all() == []


def test_a_run_that_fails_says_why(world: World) -> None:
    world.launcher.failure = "round 1: 0 of 2 hospitals answered, 1 are needed"
    world.service.start(THREE, BOSS)
    run = world.until_ended()
    assert (run["state"], run["reason"]) == ("failed", world.launcher.failure)
    assert world.told("run_finished")[0]["reason"] == world.launcher.failure


def test_hospitals_that_do_not_answer_or_cannot_be_opened_are_shown(world: World) -> None:
    world.launcher.held = True
    world.launcher.left_out = {"hospital_b": "no scan in data/hospital_b"}
    world.launcher.dropped = {1: {"hospital_a": "its update holds NaN"}}
    world.service.start(THREE, BOSS)
    run = world.until_round(1)
    world.until(lambda run: run["current"]["hospitals"]["hospital_a"]["state"] == "dropped")
    assert world.run()["current"]["hospitals"]["hospital_a"]["reason"] == "its update holds NaN"
    assert run["left_out"] == {"hospital_b": "no scan in data/hospital_b"}
    for username, own in (("staff_a", "hospital_a"), ("staff_b", "hospital_b")):
        seen = world.service.current(a_user(username, "staff", own))
        assert seen is not None
        assert seen["left_out"].keys() == {own} & {"hospital_b"}
        assert seen["current"]["hospitals"].keys() == {own} & {"hospital_a"}


def test_lists_are_redacted_too(world: World) -> None:
    world.service.start(THREE, BOSS)
    world.until_ended()
    (seen,) = world.service.all(a_user("staff_a", "staff", "hospital_a"))
    assert seen["scans"] == {"hospital_a": 8}
    assert "records" not in seen
