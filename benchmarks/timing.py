"""Fair timing: competitors take turns, each number is a median, and the load of the machine stands beside it."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Mapping
from typing import TypeVar

from benchmarks.tables import machine

Result = TypeVar("Result")


def timed(work: Callable[[], Result]) -> tuple[float, Result]:
    """Wall seconds of one call, and what it returned."""
    started = time.perf_counter()
    result = work()
    return time.perf_counter() - started, result


def fastest(work: Callable[[], object], repeats: int) -> float:
    """Shortest wall seconds of several calls after one to warm up: for a bound, not for a comparison."""
    work()
    return min(timed(work)[0] for _ in range(repeats))


def in_turns(competitors: Mapping[str, Callable[[], float]], turns: int) -> dict[str, float]:
    """Median seconds of each competitor; one at a time, in turns, so that a slow minute of the machine hits all.

    The first turn warms up and does not count.
    """
    seconds: dict[str, list[float]] = {name: [] for name in competitors}
    for turn in range(turns + 1):
        for name, run in competitors.items():
            spent = run()
            if turn:
                seconds[name].append(spent)
    return {name: statistics.median(values) for name, values in seconds.items()}


def load() -> float:
    """Processes that wanted a core during the last minute, the benchmark's own included."""
    return os.getloadavg()[0]


def conditions(load_before: float) -> str:
    """The line under a table: the machine, and how busy it was with other work when the benchmark began."""
    return f"Machine: {machine()}. Load before the start: {load_before:.1f}."
