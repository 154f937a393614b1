"""The server as a process: it ends in order with browsers attached, holds its folder, and outlasts slow clients."""

from __future__ import annotations

import http.client
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from tests.web.browsers import ROOT, Browser, Start, free_port, served_app, wait_until
from tests.web.conftest import PASSWORD

pytestmark = pytest.mark.slow
THREADS = 32


@pytest.fixture
def data(tmp_path: Path, make_data: Callable[[Path], Path]) -> Path:
    return make_data(tmp_path / "data")


@pytest.fixture
def start(data: Path) -> Iterator[Start]:
    with served_app(data, THREADS, session_cap=10) as start_:
        yield start_


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP], ids=lambda number: number.name)
def test_a_signal_stops_the_run_lets_browsers_go_and_ends_within_seconds(start: Start, number: int) -> None:
    server = start()
    admin = Browser(server.url).sign_in("admin", PASSWORD).listen("websocket")
    staff = Browser(server.url).sign_in("staff_a", PASSWORD).listen("polling")
    run_id = admin.post("/api/runs", {"rounds": 3}).json()["id"]
    wait_until(lambda: bool(staff.named("round_started")), "the run is under way")
    code, seconds, output = server.end(number)
    assert code == 0, output
    assert seconds < 8
    assert "Traceback" not in output
    wait_until(lambda: not admin.socket.connected and not staff.socket.connected, "browsers know")
    assert staff.named("run_finished")[-1] | {"seq": 0, "time": ""} == {
        "event": "run_finished",
        "run_id": run_id,
        "state": "stopped",
        "round": 0,
        "rounds": 3,
        "model_id": None,
        "seq": 0,
        "time": "",
    }
    for browser in (admin, staff):
        browser.close()


def test_a_session_and_a_stopped_run_outlive_a_restart(start: Start) -> None:
    first = start()
    admin = Browser(first.url).sign_in("admin", PASSWORD)
    run_id = admin.post("/api/runs", {"rounds": 3}).json()["id"]
    first.process.kill()
    first.process.wait(10)
    second = start()
    admin.url = second.url
    run = admin.get("/api/status").json()["run"]
    assert (run["id"], run["state"], run["can_resume"]) == (run_id, "stopped", True)
    admin.close()


def test_a_connection_may_rest_between_two_questions(start: Start) -> None:
    connection = http.client.HTTPConnection(start().url.removeprefix("http://"), timeout=10)
    for rest_seconds in (0, 4):
        time.sleep(rest_seconds)
        connection.request("GET", "/healthz")
        answer = connection.getresponse()
        assert (answer.status, answer.read()[:1]) == (200, b"{")
        assert not answer.will_close
    connection.close()


def test_a_second_server_on_the_folder_is_told_who_is_there(start: Start, data: Path) -> None:
    server = start()
    arguments = [sys.executable, "app.py", "--data", str(data), "--port", str(free_port())]
    second = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert (second.returncode, second.stdout) == (1, "")
    assert f"in use by process {server.process.pid} " in second.stderr
    assert len(second.stderr.splitlines()) == 1


def test_clients_that_send_a_byte_now_and_then_do_not_hold_the_server(start: Start) -> None:
    server = start()
    host, port = server.url.removeprefix("http://").split(":")
    head = b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\nContent-Length: 100\r\n"
    slow = [socket.create_connection((host, int(port))) for _ in range(2 * THREADS)]
    for index, connection in enumerate(slow):
        connection.sendall(head[:20] if index % 2 else head + b"\r\nuser")
    begun = time.monotonic()
    assert requests.get(f"{server.url}/healthz", timeout=15).status_code == 200
    assert time.monotonic() - begun < 10
    for connection in slow:
        connection.close()
