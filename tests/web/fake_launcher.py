"""A launcher that trains nothing and knows no torch: runs that go on when a test says so, with real run folders."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fedlung.errors import WrongArgument
from fedlung.events import (
    FAILED,
    FINISHED,
    PAUSED,
    RUNNING,
    STOPPED,
    ClientProgress,
    HospitalResult,
    HospitalStatus,
    RoundFinished,
    RoundStarted,
)
from fedlung.federation.strategies import STRATEGIES
from fedlung.stores.checksums import checksum_path
from fedlung.stores.run_recorder import RunRecorder
from fedlung.stores.runs import RunFolder, find_run
from fedlung.web.training.launching import OnEvent
from fedlung.web.training.request import RunRequest
from fedlung.web.training.run_json import ASKED

SCANS = {"hospital_a": 8, "hospital_b": 4, "hospital_c": 2}
ALL = ("hospital_a", "hospital_b")
LONG = 20.0
LEARNING_RATE = 0.002


class FakeLauncher:
    """``held`` makes runs wait before each round for `FakeRun.let`; otherwise they run through.

    Attributes:
        dropped: round -> hospital -> reason, of hospitals that do not answer.
        left_out: hospital -> why it cannot be opened.
        failure: what the run fails with in its first round, if anything.
        runs: every handle, in order.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.held = False
        self.dropped: dict[int, dict[str, str]] = {}
        self.left_out: dict[str, str] = {}
        self.failure = ""
        self.runs: list[FakeRun] = []

    def begin(self, request: RunRequest, started_by: str, on_event: OnEvent) -> FakeRun:
        if request.strategy not in STRATEGIES:
            raise WrongArgument(f"no strategy {request.strategy}")
        arguments = {argument: getattr(request, name) for name, argument in ASKED.items()}
        config = {"arguments": arguments, "started_by": started_by, "request": request.model_dump()}
        return self._run(RunFolder.create_new(self.folder, lambda run_id: config), on_event)

    def resume(self, run_id: str, on_event: OnEvent) -> FakeRun:
        return self._run(RunFolder.open(find_run(self.folder, run_id)), on_event)

    def _run(self, folder: RunFolder, on_event: OnEvent) -> FakeRun:
        self.runs.append(FakeRun(self, folder, on_event))
        return self.runs[-1]


class FakeRun:
    def __init__(self, launcher: FakeLauncher, folder: RunFolder, on_event: OnEvent) -> None:
        self.run_id = folder.run_id
        self._launcher = launcher
        self._folder = folder
        self._rounds = folder.config["arguments"]["rounds"]
        self._recorder = RunRecorder(folder, self._rounds, on_event)
        self._changed = threading.Condition()
        self._allowed = 0
        self._is_paused = self._is_stopping = False
        self._complete = (folder.last_complete_round() or {"round": 0})["round"]

    def let(self, rounds: int = 1) -> None:
        """Let a held run do so many rounds more."""
        with self._changed:
            self._allowed += rounds
            self._changed.notify_all()

    def scans_of(self, hospital: str) -> tuple[str, ...]:
        folder = self._launcher.folder.parent / hospital / "scans"
        return tuple(sorted(path.stem for path in folder.glob("*.mhd")))

    def pause(self) -> None:
        self._set(paused=True)

    def resume(self) -> None:
        self._set(paused=False)

    def stop(self) -> None:
        with self._changed:
            self._is_stopping = True
            self._changed.notify_all()

    def wait(self) -> Path | None:
        with self._folder:
            state, reason = self._lead()
            self._recorder.end(state, self._complete, reason)
            return self._model() if self._complete else None

    def _lead(self) -> tuple[str, str]:
        asked = self._folder.config["arguments"]["hospitals"] or list(ALL)
        hospitals = [name for name in asked if name not in self._launcher.left_out]
        for name in asked:
            reason = self._launcher.left_out.get(name, "")
            state = "left_out" if reason else "ready"
            self._recorder.tell(HospitalStatus(self.run_id, name, state, 0 if reason else SCANS[name], reason))
        self._folder.add_to_config({"scans": {name: SCANS[name] for name in hospitals}})
        self._recorder.status(RUNNING, self._complete)
        while self._complete < self._rounds:
            self._pause_if_asked()
            if not self._one_round(hospitals):
                return STOPPED, f"stopped: round {self._complete} of {self._rounds} is kept"
            if self._launcher.failure:
                return FAILED, self._launcher.failure
        return FINISHED, ""

    def _one_round(self, hospitals: list[str]) -> bool:
        number = self._complete + 1
        dropped = self._launcher.dropped.get(number, {})
        self._recorder.tell(RoundStarted(self.run_id, number, self._rounds, tuple(hospitals), LEARNING_RATE))
        for name in hospitals:
            state = "dropped" if name in dropped else "training"
            self._recorder.tell(ClientProgress(self.run_id, number, name, state, 0.5, dropped.get(name, "")))
        with self._changed:
            go_on = self._changed.wait_for(self._may_go_on, LONG)
            if self._is_stopping or not go_on:
                return False
            self._allowed -= 1
        if self._launcher.failure:
            return True
        answered = [name for name in hospitals if name not in dropped]
        for name in answered:
            self._recorder.tell(ClientProgress(self.run_id, number, name, "done", 1.0))
        finished = a_round(self.run_id, number, self._rounds, answered, dropped)
        self._folder.append_round(finished.to_json())
        self._complete = number
        self._recorder.tell(finished)
        return True

    def _may_go_on(self) -> bool:
        return self._is_stopping or self._allowed > 0 or not self._launcher.held

    def _pause_if_asked(self) -> None:
        with self._changed:
            if self._is_paused and not self._is_stopping:
                self._recorder.status(PAUSED, self._complete)
                self._changed.wait_for(lambda: self._is_stopping or not self._is_paused, LONG)
                self._recorder.status(RUNNING, self._complete)

    def _set(self, paused: bool) -> None:
        with self._changed:
            self._is_paused = paused
            self._changed.notify_all()

    def _model(self) -> Path:
        return write_model(self._folder.path / "model.pth", f"{self.run_id} {self._complete}".encode())


def write_model(path: Path, content: bytes) -> Path:
    """A file in the place of a model, with its checksum."""
    path.write_bytes(content)
    checksum_path(path).write_text(f"{hashlib.sha256(content).hexdigest()}  {path.name}\n")
    return path


def a_round(
    run_id: str, number: int, rounds: int, answered: list[str], dropped: Mapping[str, str] | None = None
) -> RoundFinished:
    """Loss falls with the rounds, and each hospital has its own."""
    losses: dict[str, Any] = {name: {"loss": len(name) * SCANS[name] / number, "dice": 0.5} for name in answered}
    return RoundFinished(
        run_id,
        number,
        rounds,
        num_examples=sum(SCANS[name] for name in answered),
        seconds=1.5,
        learning_rate=LEARNING_RATE,
        metrics={"loss": 1 / number, "dice": 0.5},
        hospitals=tuple(HospitalResult(name, SCANS[name], 1.25, losses[name]) for name in answered),
        dropped=dict(dropped or {}),
        validation={
            name: {"cpm": 1 / SCANS[name], "dice": 0.25, "num_scans": 2.0, "num_nodules": float(SCANS[name])}
            for name in answered
        },
    )
