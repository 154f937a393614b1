"""Runs of the web on real coordinators with least-squares hospitals: the same as the command's, bit for bit."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import federated_training
from fedlung.errors import BadRunFolder, HospitalData, WrongArgument
from fedlung.stores.checkpoints import load_checkpoint, save_checkpoint
from fedlung.stores.checksums import checksum_path
from fedlung.stores.run_listing import RunListing
from fedlung.stores.runs import RunFolder, read_config
from fedlung.web.training.launching import RunHandle
from fedlung.web.training.local_launcher import NICENESS, Engine, LocalLauncher
from fedlung.web.training.request import RunRequest
from tests.least_squares import ARCHITECTURE, LeastSquaresTrainer, Watch, bits, hospitals, zero_weights
from tests.troubled_federation import raise_out_of_memory, troubled

LONG = 30.0
ASKED: dict[str, Any] = {
    "rounds": 4,
    "local_epochs": 2,
    "strategy": "fedavgm",
    "strategy_options": {"momentum": 0.5},
    "seed": 5,
    "learning_rate": 0.01,
    "fraction": 0.7,
    "held_out_share": 0.0,
}
AS_COMMAND = ["--rounds=4", "--local-epochs=2", "--strategy=fedavgm", "--strategy-option=momentum=0.5", "--seed=5"]
AS_COMMAND += ["--learning-rate=0.01", "--fraction=0.7", "--val-every=1"]


class World:
    """A data folder with four hospitals, whose ``trainers`` a test may spoil."""

    def __init__(self, folder: Path) -> None:
        self.data = folder / "data"
        self.trainers: dict[str, LeastSquaresTrainer] = hospitals(batch=8)
        self.before_opening: Callable[[str], object] = lambda name: None
        self.threads: list[int] = []
        for name in self.trainers:
            (self.data / name / "scans").mkdir(parents=True)
        engine = Engine(
            federated_training.run_parser,
            federated_training.open_client,
            federated_training.open_coordinator,
            lambda path, weights, metadata: save_checkpoint(
                path, weights=weights, architecture=ARCHITECTURE, metadata=metadata
            ),
            self.threads.append,
        )
        self.launcher = LocalLauncher(engine, self.data, threads=2)
        self.watch = Watch()

    def open_hospital(self, folder: Path, **arguments: Any) -> LeastSquaresTrainer:
        self.before_opening(folder.name)
        if not (folder / "scans").is_dir():
            raise HospitalData(f"hospital {folder.name}: no scan")
        return self.trainers[folder.name]

    def begin(self, **asked: Any) -> RunHandle:
        return self.launcher.begin(RunRequest(**{**ASKED, **asked}), "admin", self.watch)

    def folder(self, run_id: str) -> Path:
        return self.data / "runs" / run_id

    def last_weights(self, run_id: str) -> dict[str, bytes]:
        last = RunListing(self.data / "runs").get(run_id).records[-1]
        return bits(load_checkpoint(self.folder(run_id) / last["checkpoint"], expected_architecture=None).weights)

    def command(self, *arguments: object) -> int:
        places = [f"--runs={self.data / 'runs'}", f"--cache={self.data / 'cache'}"]
        return federated_training.main([*places, *map(str, arguments)])


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    made = World(tmp_path)
    monkeypatch.setattr(federated_training, "open_hospital", made.open_hospital)
    monkeypatch.setattr(federated_training, "initial_weights", lambda seed: zero_weights(np.float32))
    monkeypatch.setattr(federated_training, "ARCHITECTURE", ARCHITECTURE)
    return made


def finish(handle: RunHandle) -> Path | None:
    """In a thread of its own, as the service does: the thread gives up its priority."""
    found: list[Path | None] = []
    thread = threading.Thread(target=lambda: found.append(handle.wait()))
    thread.start()
    thread.join(LONG)
    assert not thread.is_alive()
    return found[0]


def of_the_command(world: World, out: Path) -> dict[str, bytes]:
    assert world.command(f"--data={world.data}", f"--out={out}", *AS_COMMAND) == 0
    return bits(load_checkpoint(out, expected_architecture=None).weights)


def test_a_run_of_the_web_is_that_of_the_command(world: World, tmp_path: Path) -> None:
    model = finish(world.begin())
    assert model is not None
    checkpoint = load_checkpoint(model, expected_architecture=None)
    assert bits(checkpoint.weights) == of_the_command(world, tmp_path / "m.pth")
    assert checkpoint.memory == {}
    assert not [name for name in world.trainers if name in str(checkpoint.metadata)]
    record = RunListing(world.data / "runs").get(model.parent.name)
    assert (record.state, record.round, record.started_by) == ("finished", 4, "admin")
    assert record.scans == {name: trainer.num_examples for name, trainer in world.trainers.items()}


def test_config_has_the_form_of_the_command(world: World, tmp_path: Path) -> None:
    model = finish(world.begin())
    assert model is not None
    of_the_command(world, tmp_path / "m.pth")
    web, command = (read_config(folder) for folder in sorted((world.data / "runs").iterdir()))
    if "started_by" not in web:
        web, command = command, web
    assert web["arguments"].keys() == command["arguments"].keys()
    own = {"out", "concurrent", "threads", "hospitals"}
    assert {name: web["arguments"][name] for name in web["arguments"].keys() - own} == {
        name: command["arguments"][name] for name in command["arguments"].keys() - own
    }
    assert web["arguments"]["hospitals"] == sorted(world.trainers)
    assert web["request"] == RunRequest(**ASKED).model_dump()


def test_processor_threads_are_shared_and_pages_come_first(world: World) -> None:
    niceness: set[int] = set()
    world.before_opening = lambda name: niceness.add(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))
    finish(world.begin(hospitals=["hospital_a"]))
    assert set(world.threads) == {2}  # one hospital at a time has all of them
    assert niceness == {NICENESS}
    world.threads.clear()
    finish(world.begin())
    assert world.threads[0] == 2
    assert set(world.threads[1:]) == {1}


def stopped_after(world: World, rounds: int) -> str:
    handle = world.begin()

    def stop(event: Any) -> None:
        Watch.__call__(world.watch, event)
        if event.name == "round_finished" and event.round == rounds:
            handle.stop()

    handle._on_event = stop  # type: ignore[attr-defined]
    finish(handle)
    return handle.run_id


@pytest.mark.parametrize("by_command", [False, True])
def test_a_stopped_run_is_resumed_to_the_same_bits(world: World, tmp_path: Path, by_command: bool) -> None:
    run_id = stopped_after(world, 2)
    record = RunListing(world.data / "runs").get(run_id)
    assert (record.state, record.round, record.can_resume) == ("stopped", 2, True)
    assert load_checkpoint(world.folder(run_id) / "model.pth", expected_architecture=None).metadata["round"] == 2
    if by_command:
        assert world.command(f"--resume={run_id}") == 0
    else:
        finish(world.launcher.resume(run_id, world.watch))
    assert RunListing(world.data / "runs").get(run_id).state == "finished"
    assert world.last_weights(run_id) == of_the_command(world, tmp_path / "m.pth")


def test_a_run_of_the_command_is_resumed_by_the_web(world: World, tmp_path: Path) -> None:
    honest = dict(world.trainers)
    for name in honest:
        world.trainers[name] = troubled(honest[name], raise_out_of_memory, when=(2,))
    assert world.command(f"--data={world.data}", f"--out={tmp_path / 'x.pth'}", *AS_COMMAND) == 1
    (record,) = RunListing(world.data / "runs").all()
    assert (record.state, record.can_resume) == ("failed", True)
    world.trainers.update(honest)
    finish(world.launcher.resume(record.run_id, world.watch))
    assert world.last_weights(record.run_id) == of_the_command(world, tmp_path / "m.pth")


def test_the_data_folder_may_move_between_stop_and_resume(world: World, tmp_path: Path) -> None:
    run_id = stopped_after(world, 1)
    shutil.move(world.data, tmp_path / "elsewhere")
    moved = LocalLauncher(world.launcher._engine, tmp_path / "elsewhere", threads=1)
    finish(moved.resume(run_id, world.watch))
    assert RunListing(tmp_path / "elsewhere" / "runs").get(run_id).state == "finished"


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


def test_checksum_stands_beside_the_model(world: World) -> None:
    model = finish(world.begin(rounds=1))
    assert model is not None
    assert checksum_path(model).read_text().endswith("  model.pth\n")
