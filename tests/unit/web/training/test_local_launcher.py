"""Runs of the web on real coordinators with least-squares hospitals: the same as the command's, bit for bit."""

from __future__ import annotations

import os
import shutil
import threading
from pathlib import Path

import pytest

from fedlung.stores.checkpoints import load_checkpoint
from fedlung.stores.checksums import checksum_path
from fedlung.stores.run_listing import RunListing
from fedlung.stores.runs import read_config
from fedlung.web.training.local_launcher import NICENESS, LocalLauncher
from fedlung.web.training.request import RunRequest
from tests.least_squares import bits
from tests.local_run_world import AS_COMMAND, ASKED, World, finish, of_the_command, stopped_after
from tests.troubled_federation import raise_out_of_memory, troubled


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return World(tmp_path, monkeypatch)


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


def test_checksum_stands_beside_the_model(world: World) -> None:
    model = finish(world.begin(rounds=1))
    assert model is not None
    assert checksum_path(model).read_text().endswith("  model.pth\n")
