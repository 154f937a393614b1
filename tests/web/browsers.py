"""Programs that act as browsers against a real server: signing in over HTTP, listening on the live socket."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests
import socketio

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_SECONDS = 20.0
START_SECONDS = 60.0  # of a process, on a busy machine


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def wait_until(happened: Callable[[], bool], what: str, seconds: float = PATIENCE_SECONDS) -> None:
    until = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < until, f"in {seconds} s it did not happen that {what}"
        time.sleep(0.02)


class Server:
    """A server process; ``url`` is where it answers."""

    def __init__(self, arguments: list[str], port: int, environment: dict[str, str]) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.process = subprocess.Popen(
            [sys.executable, *arguments, "--port", str(port)],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def wait_until_ready(self, seconds: float = PATIENCE_SECONDS) -> None:
        wait_until(self._answers, f"the server answers\n{self.output_so_far()}", seconds)

    def publish(self, name: str, payload: dict[str, Any], audience: str = "everyone") -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"name": name, "payload": payload, "audience": audience}) + "\n")
        self.process.stdin.flush()

    def end(self, signal_number: int, seconds: float = PATIENCE_SECONDS) -> tuple[int, float, str]:
        """Send a signal; exit code, seconds until then, and everything that was printed."""
        begun = time.monotonic()
        self.process.send_signal(signal_number)
        try:
            output, _ = self.process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        return self.process.returncode, time.monotonic() - begun, output

    def kill(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()

    def output_so_far(self) -> str:
        return self.process.communicate()[0] if self.process.poll() is not None else ""

    def _answers(self) -> bool:
        if self.process.poll() is not None:
            raise AssertionError(f"the server has ended with {self.process.returncode}:\n{self.output_so_far()}")
        try:
            return requests.get(f"{self.url}/healthz", timeout=2).ok
        except requests.RequestException:
            return False


Start = Callable[[], Server]


@contextmanager
def served_app(data: Path, threads: int, session_cap: int) -> Iterator[Start]:
    """What starts `tests.web.served_app` on a data folder, again and again; in the end all are killed."""
    variables = {"FEDLUNG_THREADS": str(threads), "FEDLUNG_SESSION_CAP": str(session_cap)}
    started: list[Server] = []

    def start() -> Server:
        started.append(Server(["-m", "tests.web.served_app", "--data", str(data)], free_port(), os.environ | variables))
        started[-1].wait_until_ready(START_SECONDS)
        return started[-1]

    try:
        yield start
    finally:
        for server in started:
            server.kill()


class Browser:
    """One person's browser: a session, and perhaps a live socket that notes every event."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.http = requests.Session()
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.ends: list[str] = []  # why the socket was closed
        self.socket = socketio.Client(reconnection=False)
        self.socket.on("*", lambda name, event: self.events.append((name, event)))
        self.socket.on("disconnect", self.ends.append)

    def sign_in(self, username: str, password: str) -> Browser:
        form = {"username": username, "password": password, "csrf_token": self.token("/login")}
        answer = self.http.post(f"{self.url}/login", data=form, allow_redirects=False, timeout=PATIENCE_SECONDS)
        assert answer.status_code == 303, answer.text
        return self

    def cookie(self) -> str:
        return "; ".join(f"{cookie.name}={cookie.value}" for cookie in self.http.cookies)

    def with_the_same_cookies(self) -> Browser:
        other = Browser(self.url)
        other.http.cookies.update(self.http.cookies)
        return other

    def token(self, path: str = "/account") -> str:
        page = self.get(path).text
        found = re.search(r'name="csrf-token" content="([^"]+)"', page)
        assert found, page
        return found[1]

    def get(self, path: str) -> requests.Response:
        return self.http.get(self.url + path, timeout=PATIENCE_SECONDS)

    def post(self, path: str, json: Any = None) -> requests.Response:
        headers = {"X-CSRFToken": self.token(), "Accept": "application/json"}
        return self.http.post(self.url + path, json=json, headers=headers, timeout=PATIENCE_SECONDS)

    def listen(self, *transports: str, origin: str | None = None) -> Browser:
        headers = {"Cookie": self.cookie()}
        if origin and "polling" in transports:
            headers["Origin"] = origin
        # Over WebSocket the client says its own origin, which a header would only double.
        self.socket.eio.websocket_extra_options = {"origin": origin} if origin else {}
        self.socket.connect(self.url, headers=headers, transports=list(transports) or ["websocket"])
        return self

    def named(self, name: str) -> list[dict[str, Any]]:
        return [event for heard, event in self.events if heard == name]

    def stop_listening(self) -> None:
        if not self.socket.connected:
            return
        if self.socket.transport() == "polling":
            # The client may forget to say goodbye when its writing thread sees the end first.
            address = f"{self.url}/socket.io/?EIO=4&transport=polling&sid={self.socket.eio.sid}"
            self.http.post(address, data="1", timeout=PATIENCE_SECONDS)
        self.socket.disconnect()

    def close(self) -> None:
        self.stop_listening()
        for left_open in (self.socket.eio.ws, self.socket.eio.http, self.http):
            if left_open is not None:  # the client leaves them to the garbage collector
                left_open.close()
