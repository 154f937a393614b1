"""The run service after a restart, a crash, a full disk: what is on disk is shown, and the next run can start."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fedlung.errors import Conflict, NotFound, WrongArgument
from fedlung.events import Event, TrainingStatus
from fedlung.stores.run_listing import INTERRUPTED
from fedlung.stores.runs import RunFolder, is_driven
from tests.run_service_world import BOSS, THREE, World
from tests.web.fake_launcher import a_round


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.service.shutdown()


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


def test_of_a_resume_and_many_starts_one_wins(world: World) -> None:
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

    asked: list[Callable[[], object]] = [lambda: world.service.start(THREE, BOSS)] * 9
    asked.append(lambda: world.service.resume(run_id))
    threads = [threading.Thread(target=press, args=(what,)) for what in asked]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["conflict"] * 9 + ["done"]


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


def test_a_watcher_that_breaks_does_not_end_the_run(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(event: Event, **more: Any) -> None:
        if event.name == "round_finished":
            raise RuntimeError("nobody can see this")

    monkeypatch.setattr(world.service, "_publish", broken)
    world.service.start(THREE, BOSS)
    assert world.until_ended()["state"] == "finished"
