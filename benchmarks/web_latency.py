"""How long pages take while fifty browsers watch, with and without a training; and what watching costs the training.

The real server process with the demo's hospitals. First a training has the machine for itself; then fifty live sockets
are opened and requests come at a steady rate, while it goes on and after it has been stopped. A request's time counts
from the moment when it was due, so that a server that stands still is charged with everything that waits.
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from benchmarks.tables import ROOT, table
from benchmarks.timing import conditions, load
from fedlung.imaging.phantom import write_hospitals
from tests.web.browsers import Browser, Server, free_port

PASSWORD = "a bench under the old lime tree"
HOSPITALS, SCANS = 3, 8  # as in the demo
BROWSERS = 50
PER_SECOND = 10
IDLE_SECONDS = 60
ALONE, WATCHED = 3, 3  # rounds that count, after a first one
PATIENCE_SECONDS = 900.0
STATUS = "/api/status"
PATHS = {
    "admin": ("/server", STATUS, "/history", "/api/system", "/models", STATUS, "/api/runs", "/api/models"),
    "staff_a": ("/client", STATUS, "/history", STATUS),
    "clinician_b": ("/inference", STATUS, "/models", STATUS),
}


@dataclass(frozen=True)
class Visit:
    """One request: when it was due, and how long after that the whole answer had come."""

    path: str
    due: float
    seconds: float
    status: int


class Visitors:
    """Requests at a steady rate, whatever the server does; each on a connection of its own."""

    def __init__(self, url: str, cookies: dict[str, str]) -> None:
        self._address = url.removeprefix("http://")
        longest = max(map(len, PATHS.values()))
        self._asked = [
            (paths[turn % len(paths)], cookies[who]) for turn in range(longest) for who, paths in PATHS.items()
        ]

    def come(self, until: Callable[[], bool]) -> list[Visit]:
        """Every tenth of a second one, until ``until`` says that it is enough."""
        pending: list[Future[Visit]] = []
        begun = time.perf_counter()
        with ThreadPoolExecutor(64) as pool:
            while not until():
                due = begun + len(pending) / PER_SECOND
                time.sleep(max(0.0, due - time.perf_counter()))
                path, cookie = self._asked[len(pending) % len(self._asked)]
                pending.append(pool.submit(self._ask, path, cookie, due))
        return [visit.result() for visit in pending]

    def _ask(self, path: str, cookie: str, due: float) -> Visit:
        connection = http.client.HTTPConnection(self._address, timeout=60)
        connection.request("GET", path, headers={"Cookie": cookie, "Accept": "application/json, text/html"})
        answer = connection.getresponse()
        answer.read()
        connection.close()
        return Visit(path, due, time.perf_counter() - due, answer.status)


def run(work: Path) -> str:
    """Start the server, measure, and return the tables."""
    before = load()
    data = work / "data"
    if not (data / "hospital_a").is_dir():
        write_hospitals(data, HOSPITALS, SCANS, seed=0)
    environment = {**os.environ, "FEDLUNG_DEMO_PASSWORD": PASSWORD, "FEDLUNG_LOG_LEVEL": "ERROR"}
    server = Server(["app.py", "--demo", "--data", str(data)], free_port(), environment)
    try:
        server.wait_until_ready(120)
        people = {who: Browser(server.url).sign_in(who, PASSWORD) for who in PATHS}
        return _measured(server, people, data) + f"\n\n{conditions(before)}"
    finally:
        server.end(signal.SIGTERM, 60)


def _measured(server: Server, people: dict[str, Browser], data: Path) -> str:
    cookies = {who: person.cookie() for who, person in people.items()}
    visitors = Visitors(server.url, cookies)
    admin = people["admin"]
    run_id = admin.post("/api/runs", {"rounds": 100}).json()["id"]
    rounds = data / "runs" / run_id / "rounds.jsonl"
    _wait_for(rounds, 1 + ALONE)
    with _Listeners(server.url, cookies) as watching:
        busy = visitors.come(until=lambda: _complete(rounds) > ALONE + WATCHED + 1)
        heard = watching.stop()
    admin.post(f"/api/runs/{run_id}/stop")
    _wait_until(lambda: admin.get(f"/api/runs/{run_id}").json()["state"] == "stopped")
    with _Listeners(server.url, cookies):
        end = time.monotonic() + IDLE_SECONDS
        idle = visitors.come(until=lambda: time.monotonic() > end)
    paces = _round_seconds(rounds)
    alone, watched = paces[1 : 1 + ALONE], paces[-WATCHED:]
    return "\n\n".join([_latencies(idle, busy), _training(alone, watched), _note(len(busy), heard)])


class _Listeners:
    """Fifty browsers with live sockets, in a process of their own."""

    def __init__(self, url: str, cookies: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.web.listeners", url, str(BROWSERS), *cookies.values()],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> _Listeners:
        assert self._process.stdout is not None
        if self._process.stdout.readline() != "connected\n":
            raise RuntimeError("not every live socket was accepted")
        return self

    def stop(self) -> dict[str, Any]:
        """Close all sockets; what they heard."""
        answer, _ = self._process.communicate("\n", timeout=60)
        return dict(json.loads(answer))

    def __exit__(self, *error: object) -> None:
        if self._process.poll() is None:
            self.stop()


def _complete(rounds: Path) -> int:
    """Lines of the run's table of rounds, the one of the beginning among them."""
    return rounds.read_bytes().count(b"\n") if rounds.exists() else 0


def _wait_for(rounds: Path, complete: int) -> None:
    _wait_until(lambda: _complete(rounds) > complete)


def _wait_until(happened: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while not happened():
        if time.monotonic() > until:
            raise RuntimeError(f"in {PATIENCE_SECONDS:g} s the training did not come as far as it should")
        time.sleep(0.25)


def _round_seconds(rounds: Path) -> list[float]:
    """Of each complete round after the first."""
    ends = [datetime.fromisoformat(json.loads(line)["time"]) for line in rounds.read_text().splitlines()][1:]
    return [(end - start).total_seconds() for start, end in pairwise(ends)]


def _latencies(idle: Sequence[Visit], busy: Sequence[Visit]) -> str:
    header = ("with 50 browsers watching", "requests", "p50 ms", "p95 ms", "p99 ms", "longest ms")
    rows = []
    for title, visits in (("no training", idle), ("**while three hospitals train**", busy)):
        pages = [visit for visit in visits if not visit.path.startswith("/api/")]
        rows += [(f"{title}: pages", *_cells(pages)), (f"{title}: everything", *_cells(visits))]
    return table(header, rows)


def _cells(visits: Sequence[Visit]) -> tuple[str, ...]:
    failed = sum(visit.status != http.client.OK for visit in visits)
    if failed:
        raise RuntimeError(f"{failed} of {len(visits)} requests failed")
    cuts = statistics.quantiles([visit.seconds * 1000 for visit in visits], n=100, method="inclusive")
    longest = max(visit.seconds for visit in visits)
    return str(len(visits)), *(f"{cuts[part - 1]:.0f}" for part in (50, 95, 99)), f"{longest * 1000:.0f}"


def _training(alone: Sequence[float], watched: Sequence[float]) -> str:
    before, after = statistics.median(alone), statistics.median(watched)
    header = ("training", "seconds per round", "slower by")
    rows = [
        ("nobody watches", f"{before:.1f}", ""),
        (f"{BROWSERS} browsers, {PER_SECOND} requests/s", f"{after:.1f}", f"{after / before - 1:.0%}"),
    ]
    return table(header, rows)


def _note(count: int, heard: dict[str, Any]) -> str:
    return (
        f"{PER_SECOND} requests per second, each on a new connection and timed from when it was due ({count} while "
        f"training); live events reach the {BROWSERS} browsers after {heard['p50_ms']:.0f} ms (p50) and "
        f"{heard['p99_ms']:.0f} ms (p99), {heard['events']} in all, {heard['holes']} missing. Browsers, requests and "
        "server share the machine."
    )
