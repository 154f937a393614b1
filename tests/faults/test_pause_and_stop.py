"""Pause, resume and stop from another thread, while the run is at work."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fedlung.errors import Stopped
from fedlung.events import FINISHED, PAUSED, RUNNING, STOPPED
from fedlung.stores.runs import RunFolder
from tests.least_squares import Result, Watch, bits, hospitals
from tests.troubled_federation import LONG, a_coordinator, troubled


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[RunFolder]:
    with RunFolder.create(tmp_path, "run-1", {}) as created:
        yield created


def test_pause_takes_effect_after_the_round_and_resume_goes_on(folder: RunFolder) -> None:
    watch, paused = Watch(), threading.Event()

    def on_event(event: Any) -> None:
        watch(event)
        if event.name == "round_started" and event.round == 2:
            coordinator.pause()
        if event.name == "training_status" and event.state == PAUSED:
            paused.set()

    coordinator = a_coordinator(folder, hospitals(), on_event)
    thread = threading.Thread(target=coordinator.run)
    thread.start()
    assert paused.wait(LONG)
    time.sleep(0.05)
    assert thread.is_alive()
    assert [event.round for event in watch.named("round_finished")] == [1, 2]
    coordinator.resume()
    thread.join(LONG)
    states = [(event.state, event.round) for event in watch.named("training_status")]
    assert states == [(RUNNING, 0), (PAUSED, 2), (RUNNING, 2), (FINISHED, 3)]


@pytest.mark.parametrize("while_paused", [False, True])
def test_stop_gives_up_the_round_under_way(folder: RunFolder, while_paused: bool) -> None:
    watch, there, raised = Watch(), threading.Event(), []

    def at_work(result: Result) -> Result:
        there.set()
        time.sleep(0.3)
        return result

    def on_event(event: Any) -> None:
        watch(event)
        if while_paused and event.name == "round_finished" and event.round == 1:
            coordinator.pause()
        if event.name == "training_status" and event.state == PAUSED:
            there.set()

    trainers = hospitals()
    trainers["hospital_a"] = troubled(trainers["hospital_a"], at_work, when=(2,))
    coordinator = a_coordinator(folder, trainers, on_event)

    def run() -> None:
        try:
            coordinator.run()
        except Stopped as error:
            raised.append(str(error))

    thread = threading.Thread(target=run)
    thread.start()
    assert there.wait(LONG)
    coordinator.stop()
    thread.join(LONG)
    assert raised == [f"stopped: round 1 of 3 is kept; go on with --resume {folder.path}"]
    assert watch.events[-1].state == STOPPED
    assert a_coordinator(folder, hospitals()).run().round == 3


def test_stopped_and_resumed_run_ends_with_the_same_bits(folder: RunFolder, tmp_path: Path) -> None:
    with RunFolder.create(tmp_path, "run-2", {}) as other:
        undisturbed = a_coordinator(other, hospitals(batch=8), fraction=0.7, schedule="cosine").run()

    def stop_after_round_1(event: Any) -> None:
        if event.name == "round_started" and event.round == 2:
            coordinator.stop()

    coordinator = a_coordinator(folder, hospitals(batch=8), stop_after_round_1, fraction=0.7, schedule="cosine")
    with pytest.raises(Stopped):
        coordinator.run()
    resumed = a_coordinator(folder, hospitals(batch=8), fraction=0.7, schedule="cosine").run()
    assert bits(resumed.weights) == bits(undisturbed.weights)
