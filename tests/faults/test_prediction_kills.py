"""A server that is killed while it reads; models and scans that are damaged between the request and the reading."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask_babel import Babel

import app as front
from fedlung.events import FAILED, FINISHED, QUEUED, RUNNING
from fedlung.settings import Settings
from fedlung.stores.checkpoints import save_checkpoint
from fedlung.stores.hospitals import HospitalFolders
from fedlung.stores.model_registry import ModelRegistry
from fedlung.stores.predictions import PredictionRecord, PredictionStore
from fedlung.web.live.hub import Hub
from fedlung.web.predictions.scan_files import FolderScans
from fedlung.web.predictions.service import PredictionService
from tests.fake_reader import write_scan
from tests.web.fake_launcher import write_model

ROOT = Path(__file__).resolve().parents[2]
LONG = 120.0


def drive(data: Path, what: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.faults.prediction_driver", str(data), what]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for number, name in enumerate(("first", "second")):
        write_scan(tmp_path / "hospital_a", name, seed=number)
    models = ModelRegistry(tmp_path / "models")
    models.add("one", write_model(tmp_path / "one.pth", b"sound one"), {})
    return tmp_path


def states(data: Path) -> dict[str, PredictionRecord]:
    return {record.scan_id: record for record in PredictionStore(HospitalFolders(data)).all("hospital_a")}


@pytest.mark.slow
def test_after_a_kill_the_running_and_the_queued_one_both_finish(data: Path) -> None:
    with drive(data, "hold") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        process.send_signal(signal.SIGKILL)
    left = states(data)
    assert (left["first"].state, left["first"].attempts, left["second"].state) == (RUNNING, 1, QUEUED)
    with drive(data, "finish") as process:
        assert process.communicate(timeout=LONG)[0] == "idle\n"
    done = states(data)
    assert {name: (record.state, record.num_candidates) for name, record in done.items()} == {
        "first": (FINISHED, 3),
        "second": (FINISHED, 3),
    }
    assert (done["first"].id, done["first"].attempts) == (left["first"].id, 2)
    assert len(list((data / "hospital_a" / "predictions").glob("*/*.partial"))) == 0


@pytest.mark.slow
def test_a_kill_after_cancelling_leaves_it_cancelled(data: Path) -> None:
    with drive(data, "cancel") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        process.send_signal(signal.SIGKILL)
    left = states(data)["first"]
    assert left.error is not None
    assert (left.state, left.error["code"], left.error["by"]) == (FAILED, "cancelled", "wang")
    with drive(data, "finish") as process:
        assert process.communicate(timeout=LONG)[0] == "idle\n"
    assert (states(data)["first"], states(data)["second"].state) == (left, FINISHED)


@pytest.mark.slow
def test_a_kill_in_the_middle_of_cancelling_leaves_a_reading_that_is_taken_up(data: Path) -> None:
    with drive(data, "tear") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        process.send_signal(signal.SIGKILL)
    assert states(data)["first"].state == RUNNING, "nobody was told that it is cancelled"
    with drive(data, "finish") as process:
        assert process.communicate(timeout=LONG)[0] == "idle\n"
    assert {record.state for record in states(data).values()} == {FINISHED}


# --- with the real network ---------------------------------------------------------------------------------


@pytest.fixture
def real(data: Path) -> Iterator[PredictionService]:
    """A service with the real reader, and a model of random weights that is promoted."""
    from train_simple_model import ARCHITECTURE, initial_weights  # here: only the slow tests load torch

    file = data / "random.pth"
    save_checkpoint(file, weights=initial_weights(0), architecture=ARCHITECTURE, metadata={})
    models = ModelRegistry(data / "models")
    models.add("random", file, {})
    models.promote("random", "admin")
    hospitals = HospitalFolders(data)
    settings = Settings.from_env(["--data", str(data)], {"FEDLUNG_TRAINING_THREADS": "1"})
    reader = front.make_reader(settings)
    made = PredictionService(PredictionStore(hospitals), FolderScans(hospitals), models, reader, Hub())
    app = Flask("real")
    Babel(app)
    with app.test_request_context():
        yield made
    made.close()


def flip_a_bit(data: Path) -> None:
    file = data / "models" / "random" / "model.pth"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def cut_the_pixels(data: Path) -> None:
    file = data / "hospital_a" / "scans" / "first.raw"
    file.write_bytes(file.read_bytes()[:-1])


DAMAGES = {flip_a_bit: ("model", "bad_checkpoint"), cut_the_pixels: ("read", "bad_scan")}


@pytest.mark.slow
@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_what_is_damaged_fails_with_its_reason_and_the_next_scan_is_read(
    real: PredictionService, data: Path, damage: Callable[[Path], None]
) -> None:
    asked = real.request("hospital_a", "first", None, "li")
    damage(data)
    real.start()
    assert real.wait_until_idle(LONG)
    failed = real.store.get("hospital_a", asked.id)
    assert failed.error is not None
    assert (failed.state, failed.num_candidates) == (FAILED, None)
    assert (failed.error["stage"], failed.error["code"]) == DAMAGES[damage]


@pytest.mark.slow
def test_undamaged_the_real_network_reads_the_scan(real: PredictionService) -> None:
    asked = real.request("hospital_a", "second", None, "li")
    real.start()
    assert real.wait_until_idle(LONG)
    done = real.store.get("hospital_a", asked.id)
    assert (done.state, done.error) == (FINISHED, None)
    assert list(done.seconds) == ["model", "read", "prepare", "network", "candidates", "describe"]
