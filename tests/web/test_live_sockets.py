"""Live events over real sockets from a real server: who hears what, numbers without holes, and who is cut off."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests
import socketio
import websocket

from fedlung.web.live.sockets import MESSAGES_PER_SECOND
from tests.web.browsers import Browser, Server, served_app, wait_until
from tests.web.conftest import HOSPITALS, PASSWORD

CAP = 6
Open = Callable[..., Browser]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, make_data: Callable[[Path], Path]) -> Iterator[Server]:
    data = make_data(tmp_path_factory.mktemp("served") / "data")
    with served_app(data, threads=32, session_cap=CAP) as start:
        yield start()


@pytest.fixture
def browser(server: Server, watcher: Browser) -> Iterator[Open]:
    """``browser("staff_a")`` is signed in; with transports, it listens, too."""
    opened: list[Browser] = []

    def open_(username: str, *transports: str) -> Browser:
        opened.append(Browser(server.url).sign_in(username, PASSWORD))
        if transports:
            opened[-1].listen(*transports)
        return opened[-1]

    yield open_
    for one in opened:
        one.close()
    wait_until(lambda: open_tabs(watcher) == 0, "all sockets are closed again")


@pytest.fixture(scope="module")
def watcher(server: Server) -> Iterator[Browser]:
    """An administrator who asks, and has no socket."""
    admin = Browser(server.url).sign_in("admin", PASSWORD)
    yield admin
    admin.close()


def open_tabs(watcher: Browser) -> int:
    return sum(person["tabs"] for person in watcher.get("/api/status").json()["online"])


def play_a_round(server: Server, run_id: str) -> None:
    """Hospital A answers, hospital B is left out with a reason that names it."""
    server.publish("training_status", {"run_id": run_id, "state": "running", "round": 0, "rounds": 1, "reason": ""})
    server.publish("round_started", {"run_id": run_id, "round": 1, "rounds": 1, "hospitals": list(HOSPITALS)})
    for turn in range(20):
        for hospital in HOSPITALS:
            progress = {"run_id": run_id, "round": 1, "hospital": hospital, "state": "training", "fraction": turn / 20}
            server.publish("client_progress", progress)
    done = {"run_id": run_id, "round": 1, "hospital": "hospital_a", "state": "done", "fraction": 1.0, "reason": ""}
    server.publish("client_progress", done)
    server.publish(
        "client_progress", {**done, "hospital": "hospital_b", "state": "dropped", "reason": "hospital_b: NaN"}
    )
    server.publish(
        "round_finished",
        {
            "run_id": run_id,
            "round": 1,
            "metrics": {"loss": 0.25},
            "hospitals": [{"hospital": "hospital_a", "metrics": {"loss": 0.25}}],
            "dropped": {"hospital_b": "NaN in weights"},
            "validation": {"hospital_b": {"dice": 0.125}},
        },
    )
    server.publish("run_finished", {"run_id": run_id, "state": "finished", "round": 1, "rounds": 1})


@pytest.mark.parametrize("transport", ["websocket", "polling"])
def test_each_stream_gets_its_own_events_with_numbers_without_holes(
    server: Server, browser: Open, transport: str
) -> None:
    listeners = {name: browser(name, transport) for name in ("admin", "staff_a", "clinician_a", "staff_b")}
    before = {name: one.get("/api/status").json()["seq"] for name, one in listeners.items()}
    play_a_round(server, f"run-{transport}")
    wait_until(lambda: all(one.named("run_finished") for one in listeners.values()), "everybody hears the end")
    for name, one in listeners.items():
        numbers = [event["seq"] for heard, event in one.events if heard != "online_users"]
        if name == "admin":
            numbers = [event["seq"] for _, event in one.events if event["seq"] > before[name]]
        assert numbers == list(range(before[name] + 1, before[name] + 1 + len(numbers))), name
    for name in ("staff_a", "clinician_a"):
        heard = json.dumps(listeners[name].events)
        assert "hospital_b" not in heard
        assert "0.125" not in heard
        assert listeners[name].named("online_users") == []
        assert listeners[name].named("round_finished")[0]["metrics"] == {"loss": 0.25}
    assert "hospital_a" not in json.dumps(listeners["staff_b"].events)
    assert listeners["staff_b"].named("round_finished")[0]["dropped"] == {"hospital_b": "NaN in weights"}
    assert "NaN in weights" in json.dumps(listeners["admin"].named("round_finished"))


def test_progress_is_thinned_but_its_last_state_arrives(server: Server, browser: Open) -> None:
    staff = browser("staff_a", "websocket")
    play_a_round(server, "run-thin")
    wait_until(lambda: bool(staff.named("run_finished")), "the run ends")
    progress = staff.named("client_progress")
    assert 1 <= len(progress) <= 3
    assert progress[-1]["state"] == "done"


def test_who_was_away_gets_what_was_missed_or_a_gap(server: Server, browser: Open) -> None:
    staff = browser("staff_a", "websocket")
    known = staff.get("/api/status").json()["seq"]
    staff.stop_listening()
    play_a_round(server, "run-away")

    def missed() -> list[dict[str, object]]:
        return list(staff.get(f"/api/status?since={known}").json()["events"])

    wait_until(lambda: any(event["event"] == "run_finished" for event in missed()), "the events can be asked for")
    events = missed()
    assert [event["seq"] for event in events] == list(range(known + 1, known + 1 + len(events)))
    assert events[-1]["event"] == "run_finished"
    assert staff.get("/api/status?since=1").json()["events"] is None


def test_tabs_are_counted_per_person(server: Server, browser: Open) -> None:
    admin = browser("admin", "websocket")
    tabs = [browser("staff_a", "websocket"), browser("staff_a", "websocket"), browser("staff_b", "websocket")]

    def online() -> dict[str, int]:
        return {person["username"]: person["tabs"] for person in admin.named("online_users")[-1]["online"]}

    wait_until(lambda: online() == {"admin": 1, "staff_a": 2, "staff_b": 1}, "all are seen")
    tabs[0].stop_listening()
    tabs[2].stop_listening()
    wait_until(lambda: online() == {"admin": 1, "staff_a": 1}, "who left is not seen")
    told = admin.get("/api/status").json()["online"]
    assert [person["username"] for person in told] == ["admin", "staff_a"]
    assert told[1] == {
        "username": "staff_a",
        "display_name": "Staff A",
        "role": "staff",
        "hospital": "hospital_a",
        "tabs": 1,
    }


def test_signing_out_closes_the_other_tabs_at_once(browser: Open) -> None:
    first, second, other = (
        browser("staff_b", "websocket"),
        browser("staff_b", "polling"),
        browser("staff_a", "websocket"),
    )
    thief = first.with_the_same_cookies()
    begun = time.monotonic()
    assert first.post("/logout").status_code == 200  # after the redirect to the sign-in
    wait_until(lambda: bool(first.ends) and bool(second.ends), "both tabs are cut off")
    assert time.monotonic() - begun < 3
    assert first.ends == second.ends == [socketio.Client.reason.SERVER_DISCONNECT]
    assert other.socket.connected
    with pytest.raises(socketio.exceptions.ConnectionError):
        thief.listen("websocket")
    thief.close()


@pytest.mark.parametrize("transport", ["websocket", "polling"])
def test_strangers_get_no_socket(server: Server, transport: str) -> None:
    stranger = Browser(server.url)
    with pytest.raises(socketio.exceptions.ConnectionError):
        stranger.listen(transport)
    stranger.close()


@pytest.mark.parametrize("transport", ["websocket", "polling"])
def test_a_page_of_another_site_gets_no_socket(browser: Open, transport: str) -> None:
    victim = browser("admin")
    with pytest.raises(socketio.exceptions.ConnectionError):
        victim.listen(transport, origin="http://evil.example")
    victim.listen(transport, origin=victim.url)
    assert victim.socket.connected


def test_a_full_server_refuses_sockets_and_still_serves_pages(server: Server, watcher: Browser, browser: Open) -> None:
    everybody = [browser("staff_a", "websocket") for _ in range(CAP)]
    late = browser("staff_a")
    with pytest.raises(socketio.exceptions.ConnectionError):
        late.listen("websocket")
    refused = requests.get(f"{server.url}/socket.io/?EIO=4&transport=polling", timeout=5)
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "10")
    assert late.get("/api/status").status_code == 200
    everybody[0].stop_listening()
    wait_until(lambda: open_tabs(watcher) == CAP - 1, "a place is free")
    late.listen("websocket")
    assert late.socket.connected


def test_what_browsers_send_is_ignored(server: Server, browser: Open) -> None:
    staff = browser("staff_a", "websocket")
    for name, payload in [
        ("round_finished", {"run_id": "x"}),
        ("join", "admin"),
        ("message", [1, None]),
        ("connect", {}),
    ]:
        staff.socket.emit(name, payload)
    server.publish("training_status", {"run_id": "after", "state": "running"})
    wait_until(lambda: bool(staff.named("training_status")), "the socket lives")
    assert [name for name, _ in staff.events] == ["training_status"]


@pytest.mark.parametrize("transport", ["websocket", "polling"])
def test_who_sends_too_much_is_cut_off(browser: Open, transport: str) -> None:
    staff, other = browser("staff_a", transport), browser("staff_b", transport)
    with contextlib.suppress(socketio.exceptions.BadNamespaceError):  # it was cut off already
        for _ in range(3 * MESSAGES_PER_SECOND):
            staff.socket.emit("noise", {})
            time.sleep(0.002)  # or polling puts so many into one request that the request is refused
    wait_until(lambda: not staff.socket.connected, "the noisy one is cut off")
    assert other.socket.connected


def test_a_huge_message_is_cut_off_without_being_read(server: Server, browser: Open) -> None:
    staff, other = browser("staff_a"), browser("staff_b", "websocket")
    address = server.url.replace("http", "ws") + "/socket.io/?EIO=4&transport=websocket"
    wire = websocket.create_connection(address, cookie=staff.cookie(), timeout=10)
    assert wire.recv().startswith("0")
    wire.send("40")
    assert wire.recv().startswith("40")
    with contextlib.suppress(OSError, websocket.WebSocketConnectionClosedException):
        wire.send(f'42["noise","{"x" * 10_000_000}"]')
    wait_until(lambda: hung_up(wire), "the server hangs up")
    wire.shutdown()
    assert other.socket.connected


def hung_up(wire: websocket.WebSocket) -> bool:
    try:
        return not wire.recv()
    except (OSError, websocket.WebSocketConnectionClosedException):
        return True
