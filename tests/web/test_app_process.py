"""``python app.py`` as people start it: the first start, the ends, the second socket mode, wrong settings."""

from __future__ import annotations

import os
import re
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.web.browsers import ROOT, Browser, Server, free_port, wait_until
from tests.web.conftest import PASSWORD

LOADING_SECONDS = 60.0  # torch, on a busy machine
Start = Callable[..., Server]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    started: list[Server] = []

    def start_(data: Path, *options: str, **variables: str) -> Server:
        server = Server(["app.py", "--data", str(data), *options], free_port(), {**os.environ, **variables})
        started.append(server)
        server.wait_until_ready(LOADING_SECONDS)
        return server

    yield start_
    for server in started:
        server.kill()


@pytest.mark.slow
def test_the_first_start_makes_an_administrator_and_the_second_shows_nothing(start: Start, tmp_path: Path) -> None:
    data = tmp_path / "new" / "data"
    first = start(data)
    code, _, output = first.end(signal.SIGTERM)
    assert code == 0
    password = re.search(r"^admin +admin +- +(\S+)$", output, flags=re.MULTILINE)
    assert password is not None, output
    assert first.url in output
    for name in ("users.json", "instance/secret_key"):
        assert stat.S_IMODE((data / name).stat().st_mode) == 0o600
    assert password[1] not in (data / "users.json").read_text()

    second = start(data)
    admin = Browser(second.url).sign_in("admin", password[1])
    assert admin.get("/server").url.endswith("/account"), "the password must be changed first"
    admin.close()
    code, _, output = second.end(signal.SIGINT)
    assert code == 0
    assert password[1] not in output
    assert "password" not in output


@pytest.mark.slow
@pytest.mark.parametrize("options", [(), ("--debug",)], ids=["eventlet", "werkzeug"])
def test_the_other_servers_carry_live_events_and_end_in_order(
    start: Start, tmp_path: Path, make_data: Callable[[Path], Path], options: tuple[str, ...]
) -> None:
    mode = {} if options else {"SOCKETIO_ASYNC_MODE": "eventlet"}
    server = start(make_data(tmp_path / "data"), *options, **mode)
    admin = Browser(server.url).sign_in("admin", PASSWORD).listen("websocket")
    staff = Browser(server.url).sign_in("staff_a", PASSWORD).listen("polling")
    wait_until(lambda: len(admin.named("online_users")[-1:]) == 1, "who is there is told")
    assert admin.post("/api/runs", {"rounds": 2}).status_code == 201
    # The hospitals hold no scan, so that the run fails; a native thread tells it to both transports.
    wait_until(lambda: bool(admin.named("run_finished")) and bool(staff.named("run_finished")), "the run ends")
    assert admin.named("run_finished")[0]["state"] == "failed"
    code, seconds, output = server.end(signal.SIGTERM)
    assert (code, seconds < 8) == (0, True), output
    assert "Traceback" not in output
    assert "DeprecationWarning" not in output
    for browser in (admin, staff):
        browser.close()


WRONG = [
    ({"FEDLUNG_ALLOWED_ORIGINS": "*"}, "FEDLUNG_ALLOWED_ORIGINS: "),
    ({"FEDLUNG_MODE": "site"}, "--mode site: "),
    ({"FEDLUNG_HOST": "192.0.2.1"}, "cannot listen on 192.0.2.1:"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("variables", "said"), WRONG)
def test_a_wrong_setting_is_one_line_and_nothing_is_made(tmp_path: Path, variables: dict[str, str], said: str) -> None:
    data = tmp_path / "data"
    answer = subprocess.run(
        [sys.executable, "app.py", "--data", str(data)],
        cwd=ROOT,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (answer.returncode, answer.stdout) == (2, "")
    assert answer.stderr.startswith(said)
    assert len(answer.stderr.splitlines()) == 1
    assert not data.exists()


def test_pages_do_not_load_torch() -> None:
    program = "import app, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, timeout=60, check=False).returncode == 0
