"""Hospitals that cannot be opened, damaged checkpoints, wrong requests: a run of the web says what is wrong."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path
from typing import Any

import pytest

from fedlung.errors import BadRunFolder, HospitalData, WrongArgument
from fedlung.stores.run_listing import RunListing
from fedlung.stores.runs import RunFolder
from tests.least_squares import LeastSquaresTrainer
from tests.local_run_world import LONG, World, finish, of_the_command, stopped_after


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return World(tmp_path, monkeypatch)


def test_a_hospital_that_cannot_be_opened_is_left_out_with_its_reason(world: World) -> None:
    shutil.rmtree(world.data / "hospital_b" / "scans")
    (world.data / "hospital_b" / "annotations.csv").touch()
    run = finish(world.begin(rounds=2, fraction=1.0))
    assert run is not None
    record = RunListing(world.data / "runs").get(run.parent.name)
    assert record.left_out == {"hospital_b": "hospital hospital_b: no scan"}
    assert record.scans.keys() == world.trainers.keys() - {"hospital_b"}
    told = [(event.hospital, event.state) for event in world.watch.named("hospital_status")]
    assert told[:4] == [
        (name, state)
        for name, states in (("hospital_a", ("opening", "ready")), ("hospital_b", ("opening", "left_out")))
        for state in states
    ]

    (world.data / "hospital_b" / "scans").mkdir()  # mended: the run goes on with those that began it
    assert world.command(f"--resume={record.run_id}") == 0


@pytest.mark.parametrize(
    ("quorum", "broken", "needed"), [(None, ["hospital_a", "hospital_b", "hospital_c"], 2), (4, ["hospital_d"], 4)]
)
def test_too_few_hospitals_fail_the_run_clearly(
    world: World, quorum: int | None, broken: list[str], needed: int
) -> None:
    def refuse(name: str) -> None:
        if name in broken:
            raise HospitalData(f"hospital {name}: no scan")

    world.before_opening = refuse
    handle = world.begin(quorum=quorum)
    assert finish(handle) is None
    record = RunListing(world.data / "runs").get(handle.run_id)
    assert (record.state, record.round, record.scans) == ("failed", 0, {})
    assert record.reason.startswith(f"{4 - len(broken)} of 4 hospitals can be opened, {needed} are needed: ")
    assert [event.state for event in world.watch.named("run_finished")] == ["failed"]

    world.before_opening = lambda name: None  # mended
    assert record.can_resume
    finish(world.launcher.resume(handle.run_id, world.watch))
    assert RunListing(world.data / "runs").get(handle.run_id).state == "finished"


def test_where_the_server_keeps_its_data_is_in_the_log_alone(world: World, caplog: pytest.LogCaptureFixture) -> None:
    scan = world.data.resolve() / "hospital_c" / "scans" / "one.mhd"

    def fail(name: str) -> None:
        if name == "hospital_c":
            raise HospitalData(f"{scan}: the voxel file is missing")

    world.before_opening = fail
    run = finish(world.begin())
    assert run is not None
    assert str(scan) in caplog.text
    told = [event.reason for event in world.watch.named("hospital_status") if event.reason]
    assert told == ["scans/one.mhd: the voxel file is missing"]


@pytest.mark.parametrize("error", [MemoryError(), OSError(5, "Input/output error", "scan.raw")])
def test_whatever_keeps_a_hospital_from_opening_is_its_own_failure(world: World, error: Exception) -> None:
    def fail(name: str) -> None:
        if name == "hospital_c":
            raise error

    world.before_opening = fail
    run = finish(world.begin())
    assert run is not None
    assert RunListing(world.data / "runs").get(run.parent.name).left_out.keys() == {"hospital_c"}


def test_a_bug_while_opening_fails_the_run(world: World, caplog: pytest.LogCaptureFixture) -> None:
    def bug(name: str) -> None:
        raise ZeroDivisionError("a bug")

    world.before_opening = bug
    handle = world.begin()
    assert finish(handle) is None
    assert RunListing(world.data / "runs").get(handle.run_id).reason == "ZeroDivisionError: a bug"


def test_stop_while_hospitals_are_opened(world: World) -> None:
    handle = world.begin()
    opened: list[str] = []

    def stop(name: str) -> None:
        opened.append(name)
        handle.stop()

    world.before_opening = stop
    assert finish(handle) is None
    assert opened == ["hospital_a"]
    record = RunListing(world.data / "runs").get(handle.run_id)
    assert (record.state, record.can_resume) == ("stopped", True)


def test_pause_while_hospitals_are_opened(world: World) -> None:
    handle = world.begin()
    paused = threading.Event()

    def hear(event: Any) -> None:
        if event.name == "training_status" and event.state == "paused":
            paused.set()

    world.before_opening = lambda name: handle.pause()
    handle._on_event = hear  # type: ignore[attr-defined]
    thread = threading.Thread(target=handle.wait, daemon=True)
    thread.start()
    assert paused.wait(LONG)
    assert RunListing(world.data / "runs").get(handle.run_id).round == 0
    handle.resume()
    thread.join(LONG)
    assert RunListing(world.data / "runs").get(handle.run_id).state == "finished"


def test_a_damaged_checkpoint_costs_its_round_only(world: World, tmp_path: Path) -> None:
    run_id = stopped_after(world, 3)
    damaged = world.folder(run_id) / "round_0003.pth"
    content = bytearray(damaged.read_bytes())
    content[len(content) // 2] ^= 1
    damaged.write_bytes(content)
    finish(world.launcher.resume(run_id, world.watch))
    (notice,) = [event.message for event in world.watch.named("notice") if "cannot be used" in event.message]
    assert notice.startswith("round 3 cannot be used")
    assert world.last_weights(run_id) == of_the_command(world, tmp_path / "m.pth")


def test_stopped_behind_a_damaged_checkpoint_it_gives_no_model(world: World) -> None:
    """Its weights are of round 2, and the last record, with its validation and threshold, is of round 3."""
    run_id = stopped_after(world, 3)
    (world.folder(run_id) / "round_0003.pth").write_bytes(b"damaged")
    handle = world.launcher.resume(run_id, world.watch)

    def stop(event: Any) -> None:
        if event.name == "training_status" and event.state == "running":
            handle.stop()

    handle._on_event = stop  # type: ignore[attr-defined]
    assert finish(handle) is None


def test_hospitals_with_other_scans_cannot_go_on(world: World) -> None:
    run_id = stopped_after(world, 1)
    trainer = world.trainers["hospital_a"]
    world.trainers["hospital_a"] = LeastSquaresTrainer(trainer.x[1:], trainer.y[1:])
    assert finish(world.launcher.resume(run_id, world.watch)) is None
    record = RunListing(world.data / "runs").get(run_id)
    assert record.state == "failed"
    assert "'hospital_a': 40" in record.reason
    assert record.round == 1


def test_wrong_requests_make_no_folder(world: World) -> None:
    for wrong in ({"strategy": "x"}, {"hospitals": ["hospital_x"]}, {"strategy_options": {"mu": 1.0}}, {"quorum": 5}):
        with pytest.raises(WrongArgument):
            world.begin(**wrong)
    assert not (world.data / "runs").exists()


def test_a_run_that_is_driven_or_damaged_is_not_resumed(world: World) -> None:
    run_id = stopped_after(world, 1)
    with RunFolder.open(world.folder(run_id)), pytest.raises(BadRunFolder, match="is being driven"):
        world.launcher.resume(run_id, world.watch)
    config = world.folder(run_id) / "config.json"
    config.write_text(config.read_text().replace('"rounds": 4', '"rounds": "x"'))
    with pytest.raises(BadRunFolder):
        world.launcher.resume(run_id, world.watch)
