"""The run service: one run at a time whoever asks, every event told, and an end that can be relied upon."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fedlung.errors import Conflict, NotFound, WrongArgument
from fedlung.events import Event, TrainingStatus
from fedlung.stores.model_registry import ModelRegistry
from fedlung.stores.run_listing import INTERRUPTED, RunListing
from fedlung.stores.runs import RunFolder, is_driven
from fedlung.stores.users import User
from fedlung.web.live.hub import Hub
from fedlung.web.live.streams import ADMIN, Stream
from fedlung.web.training.request import RunRequest
from fedlung.web.training.service import RunService
from tests.web.fake_launcher import LONG, FakeLauncher, a_round

THREE = RunRequest(rounds=3)


def a_user(username: str = "admin", role: str = "admin", hospital_id: str | None = None) -> User:
    return User(
        id="0" * 32,
        username=username,
        display_name=username,
        password_hash="x",
        role=role,
        hospital_id=hospital_id,
        language="",
        is_active=True,
        must_change_password=False,
        session_epoch=1,
        version=1,
        created_at="2026-01-01T00:00:00+00:00",
        updated_at="2026-01-01T00:00:00+00:00",
    )


BOSS = a_user()


def staff_of(hospital_id: str) -> Stream:
    return Stream("staff", hospital_id)


class World:
    """A service with what it needs, and a restart: a second service on the same files."""

    def __init__(self, folder: Path) -> None:
        self.launcher = FakeLauncher(folder / "runs")
        self.models = ModelRegistry(folder / "models")
        self.hub = Hub(first_seq=0)
        self.listing = RunListing(folder / "runs")
        self.service = RunService(self.launcher, self.listing, self.models, self.hub)
        for stream in (ADMIN, *map(staff_of, ("hospital_a", "hospital_b"))):
            self.hub.seq(stream)  # from now on its events are kept

    def restarted(self) -> RunService:
        return RunService(self.launcher, RunListing(self.launcher.folder), self.models, self.hub)

    def run(self) -> dict[str, Any]:
        found = self.service.current(BOSS)
        assert found is not None
        return found

    def until(self, happened: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        deadline = time.monotonic() + LONG
        while not happened(run := self.run()):
            assert time.monotonic() < deadline, run
            time.sleep(0.005)
        return run

    def until_ended(self) -> dict[str, Any]:
        return self.until(lambda run: run["state"] in ("finished", "stopped", "failed"))

    def until_round(self, number: int) -> dict[str, Any]:
        return self.until(lambda run: bool(run["current"]) and run["current"]["round"] == number)

    def told(self, name: str, stream: Stream = ADMIN) -> list[dict[str, Any]]:
        events: list[tuple[str, dict[str, Any], str]] = []
        self.hub.drain(lambda *event: events.append(event))
        return [event for event in self.hub.since(stream, 0) or [] if event["event"] == name]


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


@pytest.mark.parametrize("error", [RuntimeError("a bug"), MemoryError(), WrongArgument("no such thing")])
def test_a_launcher_that_breaks_ends_the_run_and_not_the_service(world: World, error: Exception) -> None:
    world.launcher.held = True

    def broken() -> None:
        raise error

    begin = world.launcher.begin

    def begin_broken(*arguments: Any) -> Any:
        handle = begin(*arguments)
        handle.wait = broken  # type: ignore[method-assign,assignment]
        handle._folder.close()
        return handle

    world.launcher.begin = begin_broken  # type: ignore[method-assign]
    world.service.start(THREE, BOSS)
    run = world.until_ended()
    assert run["state"] == "stopped"  # what is on disk: nobody drives it
    assert run["reason"] == INTERRUPTED
    assert world.told("run_finished")[0]["state"] == "failed"
    world.launcher.begin = begin  # type: ignore[method-assign]
    world.launcher.held = False
    world.service.start(THREE, BOSS)
    world.until_ended()


def test_a_model_that_cannot_be_registered_does_not_keep_the_run_from_ending(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(world.models, "add", full)
    world.service.start(THREE, BOSS)
    run = world.until_ended()
    assert (run["state"], run["model_id"]) == ("finished", None)


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


def interrupted_run(world: World) -> str:
    """A run of three rounds whose process was killed in round 2."""
    config = {"arguments": {"rounds": 3, "hospitals": None}, "started_by": "admin"}
    with RunFolder.create(world.launcher.folder, "run-1", config) as folder:
        folder.append_event(TrainingStatus("run-1", "running", 0, 3))
        folder.append_round(a_round("run-1", 1, 3, ["hospital_a"]).to_json())
    return "run-1"


def test_after_a_restart_an_interrupted_run_is_shown_and_resumed(world: World) -> None:
    run_id = interrupted_run(world)
    run = world.run()
    assert (run["state"], run["reason"], run["round"], run["can_resume"]) == ("stopped", INTERRUPTED, 1, True)
    for refused in (world.service.pause, world.service.stop):
        with pytest.raises(Conflict):
            refused(run_id)
    world.service.resume(run_id)
    run = world.until_ended()
    assert (run["state"], run["round"]) == ("finished", 3)
    with pytest.raises(Conflict, match="nothing is left to do"):
        world.service.resume(run_id)


def test_only_one_of_many_resumes_wins(world: World) -> None:
    run_id = interrupted_run(world)
    world.launcher.held = True
    barrier = threading.Barrier(10)
    outcomes: list[str] = []

    def press(what: Callable[[], object]) -> None:
        barrier.wait()
        try:
            what()
            outcomes.append("done")
        except Conflict:
            outcomes.append("conflict")

    asked: list[Callable[[], object]] = [lambda: world.service.start(THREE, BOSS)] * 10
    threads = [threading.Thread(target=press, args=(what,)) for what in asked]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes.count("done") == 1
    with pytest.raises(Conflict, match="Another run is under way"):
        world.service.resume(run_id)


def test_a_run_that_another_process_drives_is_not_taken_over(world: World) -> None:
    run_id = interrupted_run(world)
    with RunFolder.open(world.launcher.folder / run_id):
        assert world.run()["state"] == "running"
        with pytest.raises(Conflict, match="is being driven by process"):
            world.service.resume(run_id)
    world.service.resume(run_id)
    world.until_ended()


@pytest.mark.parametrize("run_id", ["nothing", "../run-1", ""])
def test_unknown_runs(world: World, run_id: str) -> None:
    interrupted_run(world)
    for ask in (
        world.service.pause,
        world.service.resume,
        world.service.stop,
        world.service.folder,
        lambda name: world.service.get(name, BOSS),
        lambda name: world.service.set_note(name, "x", BOSS),
    ):
        with pytest.raises(NotFound):
            ask(run_id)


def test_shutdown_stops_the_run_and_nothing_starts_after_it(world: World) -> None:
    world.launcher.held = True
    run_id = world.service.start(THREE, BOSS)["id"]
    world.launcher.runs[0].let()
    world.until_round(2)
    world.service.shutdown()
    assert not is_driven(world.launcher.folder / run_id)
    run = world.restarted().current(BOSS)
    assert run is not None
    assert (run["state"], run["round"], run["can_resume"]) == ("stopped", 1, True)
    with pytest.raises(Conflict, match="shutting down"):
        world.service.start(THREE, BOSS)
    world.service.shutdown()


def test_nothing_at_first(world: World) -> None:
    assert world.service.current(BOSS) is None
    assert world.service.all(BOSS) == []
    world.service.shutdown()


def test_lists_are_redacted_too(world: World) -> None:
    world.service.start(THREE, BOSS)
    world.until_ended()
    (seen,) = world.service.all(a_user("staff_a", "staff", "hospital_a"))
    assert seen["scans"] == {"hospital_a": 8}
    assert "records" not in seen


def test_a_watcher_that_breaks_does_not_end_the_run(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(event: Event, **more: Any) -> None:
        if event.name == "round_finished":
            raise RuntimeError("nobody can see this")

    monkeypatch.setattr(world.service, "_publish", broken)
    world.service.start(THREE, BOSS)
    assert world.until_ended()["state"] == "finished"
