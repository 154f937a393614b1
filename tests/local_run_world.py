"""Web runs on real coordinators with least-squares hospitals: what tests of the launcher have in common."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import federated_training
from fedlung.errors import HospitalData
from fedlung.stores.checkpoints import load_checkpoint, save_checkpoint
from fedlung.stores.run_listing import RunListing
from fedlung.web.training.launching import RunHandle
from fedlung.web.training.local_launcher import Engine, LocalLauncher
from fedlung.web.training.request import RunRequest
from tests.least_squares import ARCHITECTURE, LeastSquaresTrainer, Watch, bits, hospitals, zero_weights

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
    """A data folder with four hospitals, whose ``trainers`` a test may spoil; the command opens the same ones."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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
        monkeypatch.setattr(federated_training, "open_hospital", self.open_hospital)
        monkeypatch.setattr(federated_training, "initial_weights", lambda seed: zero_weights(np.float32))
        monkeypatch.setattr(federated_training, "ARCHITECTURE", ARCHITECTURE)

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


def stopped_after(world: World, rounds: int) -> str:
    handle = world.begin()

    def stop(event: Any) -> None:
        Watch.__call__(world.watch, event)
        if event.name == "round_finished" and event.round == rounds:
            handle.stop()

    handle._on_event = stop  # type: ignore[attr-defined]
    finish(handle)
    return handle.run_id
