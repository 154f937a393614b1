"""A web run on phantoms with the real network: the command's bits, undisturbed or killed in the middle of a round."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import federated_training
from fedlung.imaging.phantom import write_hospitals
from fedlung.stores.checkpoints import load_checkpoint
from fedlung.stores.model_registry import ModelRegistry
from fedlung.stores.run_listing import INTERRUPTED, RunListing
from fedlung.web.live.hub import Hub
from fedlung.web.training.local_launcher import LocalLauncher
from fedlung.web.training.service import RunService
from tests.faults.web_run_driver import ASKED
from tests.least_squares import bits
from tests.run_service_world import BOSS
from tests.small_training import AS_COMMAND, small_engine

ROOT = Path(__file__).resolve().parents[2]
LONG = 200.0
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("web_runs") / "data"
    write_hospitals(folder, 2, 2, 0, workers=1, scale=0.6)
    return folder


@pytest.fixture(scope="module")
def of_the_command(data: Path) -> dict[str, bytes]:
    """Weights of the run that the command makes with the same options and seed."""
    out = data.parent / "command.pth"
    options = ["--rounds=3", "--seed=3", "--held-out=0.5", "--val-every=3", "--strategy=fedavgm"]
    places = [f"--data={data}", f"--out={out}", f"--runs={data.parent / 'runs'}", f"--cache={data / 'cache'}"]
    assert federated_training.main([*options, *places, *AS_COMMAND, "--threads=1", "--concurrent=1"]) == 0
    return bits(load_checkpoint(out, expected_architecture=federated_training.ARCHITECTURE).weights)


def drive(data: Path, what: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.faults.web_run_driver", str(data), what]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)


def read_until(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdout is not None
    for said in process.stdout:
        if said.strip() == line:
            return
    pytest.fail(f"the run ended before {line}")


def last_weights(data: Path, run_id: str) -> dict[str, bytes]:
    last = RunListing(data / "runs").get(run_id).records[-1]
    path = data / "runs" / run_id / last["checkpoint"]
    return bits(load_checkpoint(path, expected_architecture=federated_training.ARCHITECTURE).weights)


def test_undisturbed_it_has_the_bits_of_the_command(data: Path, of_the_command: dict[str, bytes]) -> None:
    process = drive(data, "start")
    process.communicate(timeout=LONG)
    record = RunListing(data / "runs").all()[0]
    assert (record.state, record.round) == ("finished", ASKED.rounds)
    assert last_weights(data, record.run_id) == of_the_command
    assert record.records[-1]["validation"].keys() == {"hospital_a", "hospital_b"}
    assert record.scans == {"hospital_a": 1, "hospital_b": 1}  # the other half is held out


def test_killed_in_a_round_it_is_shown_as_interrupted_and_ends_with_the_same_bits(
    data: Path, of_the_command: dict[str, bytes]
) -> None:
    process = drive(data, "start")
    with process:
        read_until(process, "round_started 2")
        process.send_signal(signal.SIGKILL)
    launcher = LocalLauncher(small_engine(), data, threads=1)
    models = ModelRegistry(data.parent / "models")
    service = RunService(launcher, RunListing(data / "runs"), models, Hub())
    run = service.current(BOSS)
    assert run is not None
    assert (run["state"], run["reason"], run["round"], run["can_resume"]) == ("stopped", INTERRUPTED, 1, True)

    service.resume(run["id"])
    active = service._active
    assert active is not None
    assert active.thread is not None
    active.thread.join(LONG)
    run = service.current(BOSS)
    assert run is not None
    assert (run["state"], run["round"], run["model_id"]) == ("finished", ASKED.rounds, f"{run['id']}-r0003")
    assert last_weights(data, run["id"]) == of_the_command
    registered = load_checkpoint(
        models.get(run["model_id"]).path, expected_architecture=federated_training.ARCHITECTURE
    )
    assert bits(registered.weights) == of_the_command
    by_command = load_checkpoint(data.parent / "command.pth", expected_architecture=federated_training.ARCHITECTURE)
    assert registered.metadata["validation_pooled"] == by_command.metadata["validation_pooled"]
    assert registered.metadata["validation_pooled"]["num_scans"] == 2
