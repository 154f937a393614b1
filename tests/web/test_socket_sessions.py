"""Who listens must be signed in all the time: at the handshake, when the session grows too old, when nobody knows."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
import requests
import socketio
from flask import Flask
from werkzeug.serving import make_server

from fedlung.settings import Settings
from fedlung.web.live import sockets
from fedlung.web.live.sockets import live_sockets
from fedlung.web.services import Services
from fedlung.web.sessions import CLOCK
from tests.web.browsers import Browser, wait_until
from tests.web.conftest import PASSWORD


@pytest.fixture
def url(app: Flask) -> Iterator[str]:
    """Where the application of this test answers, served by threads of this process."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    live_sockets(app).start()
    yield f"http://127.0.0.1:{server.server_port}"
    live_sockets(app).close()
    server.shutdown()
    thread.join(10)
    server.server_close()


@pytest.fixture
def staff(url: str) -> Iterator[Browser]:
    browser = Browser(url).sign_in("staff_a", PASSWORD)
    yield browser
    browser.close()


@pytest.mark.parametrize("transport", ["websocket", "polling"])
def test_a_socket_whose_session_grew_too_old_is_closed_and_not_opened_again(
    app: Flask, settings: Settings, staff: Browser, monkeypatch: pytest.MonkeyPatch, transport: str
) -> None:
    staff.listen(transport)
    monkeypatch.setattr(sockets, "CHECK_SECONDS", 0.05)
    time.sleep(0.2)
    assert staff.ends == []
    app.extensions[CLOCK] = lambda: time.time() + settings.session_idle_seconds + 1
    wait_until(lambda: bool(staff.ends), "the socket is closed")
    again = staff.with_the_same_cookies()
    with pytest.raises(socketio.exceptions.ConnectionError):
        again.listen(transport)
    again.close()


def test_a_temporary_password_opens_no_socket(services: Services, staff: Browser) -> None:
    admin, user = services.users.by_username("admin"), services.users.by_username("staff_a")
    assert admin is not None
    assert user is not None
    _, temporary = services.accounts.reset_password(admin.username, user.id, user.version)
    staff.http.cookies.clear()
    staff.sign_in("staff_a", temporary)
    with pytest.raises(socketio.exceptions.ConnectionError):
        staff.listen("websocket")


def test_unreadable_accounts_open_no_socket_and_break_nothing(settings: Settings, staff: Browser) -> None:
    settings.users_file.write_text("{")
    with pytest.raises(socketio.exceptions.ConnectionError):
        staff.listen("polling")
    assert requests.get(f"{staff.url}/healthz", timeout=5).ok
