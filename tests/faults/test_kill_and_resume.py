"""``kill -9`` at random moments: what is on disk is sound, and the resumed run ends as if nothing had happened."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from fedlung.stores.atomic_files import read_lines
from fedlung.stores.checkpoints import load_checkpoint
from fedlung.stores.run_thresholds import threshold_metadata
from fedlung.stores.runs import RunFolder, read_events, read_rounds
from tests.faults.kill_and_resume_driver import ROUNDS, coordinator
from tests.least_squares import ARCHITECTURE, bits

ROOT = Path(__file__).resolve().parents[2]
RUNS, KILLS_EACH = 5, 4
LONG = 60.0


class Driver:
    """The process that forks runs on order."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.kill_and_resume_driver"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def start(self, runs: Path) -> int:
        """Start or resume the run in a child; returns its process id."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{runs} run\n")
        self.process.stdin.flush()
        return self.number()

    def number(self) -> int:
        assert self.process.stdout is not None
        return int(self.process.stdout.readline())

    def kill_after(self, seconds: float, child: int) -> int:
        """Kill the child, and return its exit code: -9, or 0 if it was done before."""
        time.sleep(seconds)
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        return self.number()


@pytest.fixture(scope="module")
def driver() -> Iterator[Driver]:
    made = Driver()
    yield made
    with made.process as process:
        assert process.stdin is not None
        process.stdin.close()
        process.wait(LONG)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, bytes], dict[str, Any], float]:
    """Final weights, what the model says of its threshold, and duration of a run that nobody kills, in this process."""
    with RunFolder.create(tmp_path_factory.mktemp("undisturbed"), "run", {}) as folder:
        started = time.monotonic()
        state = coordinator(folder).run()
        return bits(state.weights), threshold_metadata(folder.rounds(), ROUNDS), time.monotonic() - started


@pytest.mark.parametrize("number", range(RUNS))
def test_killed_run_resumes_to_the_same_bits(
    tmp_path: Path, driver: Driver, undisturbed: tuple[dict[str, bytes], dict[str, Any], float], number: int
) -> None:
    weights, metadata, duration = undisturbed
    moments = random.Random(number)
    for _ in range(KILLS_EACH):
        code = driver.kill_after(moments.uniform(0, 0.5 * duration), driver.start(tmp_path))
        assert code in (-signal.SIGKILL, 0)
        check_what_is_on_disk(tmp_path / "run")
    driver.start(tmp_path)
    assert driver.number() == 0

    rounds = read_rounds(tmp_path / "run")
    assert [record["round"] for record in rounds] == list(range(ROUNDS + 1))
    final = load_checkpoint(tmp_path / "run" / rounds[-1]["checkpoint"], expected_architecture=ARCHITECTURE)
    assert bits(final.weights) == weights
    assert threshold_metadata(rounds, ROUNDS) == metadata
    assert 0 < metadata["display_threshold"] < 1
    assert read_events(tmp_path / "run")[-1]["state"] == "finished"


def check_what_is_on_disk(run: Path) -> None:
    """After a kill: every line but the last parses, and every complete round has its sound checkpoint."""
    if not run.exists():
        return  # killed before the folder, which comes with its config or not at all
    with RunFolder.open(run) as folder:
        assert folder.config["run_id"] == "run"
        for name in ("events.jsonl", "rounds.jsonl"):
            path = run / name
            assert read_lines(path)[1] == (path.stat().st_size if path.exists() else 0)
        rounds = folder.rounds()
        assert [record["round"] for record in rounds] == list(range(len(rounds)))
        for record in rounds:
            checkpoint = load_checkpoint(run / record["checkpoint"], expected_architecture=ARCHITECTURE)
            assert checkpoint.sha256 == record["sha256"]
            assert checkpoint.metadata["round"] == record["round"]
        events = read_events(run)
        assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
