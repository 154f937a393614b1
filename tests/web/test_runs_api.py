"""The API of runs: what each role may do and see, wrong requests, downloads."""

from __future__ import annotations

import csv
import io
import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from fedlung.web.services import Services
from tests.web.conftest import SignedIn
from tests.web.fake_launcher import LONG, FakeLauncher

Change = Callable[..., TestResponse]
TRAVERSALS = ["..", "../hospital_a", "..%2fhospital_a", "%2e%2e", "x%00", "x%23", "%2fetc%2fpasswd", "..\\x", "x"]


@pytest.fixture
def change(token_of: Callable[[FlaskClient, str], str]) -> Change:
    """Sends JSON as a page does, with the token of the page."""

    def send(browser: FlaskClient, method: str, path: str, **more: Any) -> TestResponse:
        return browser.open(path, method=method, headers={"X-CSRFToken": token_of(browser, "/account")}, **more)

    return send


@pytest.fixture
def admin(signed_in: SignedIn) -> FlaskClient:
    return signed_in("admin")


def start(change: Change, browser: FlaskClient, **asked: Any) -> dict[str, Any]:
    answer = change(browser, "POST", "/api/runs", json={"rounds": 2, **asked})
    assert answer.status_code == 201, answer.text
    run = answer.get_json()
    assert isinstance(run, dict)
    return run


def until(browser: FlaskClient, run_id: str, state: str) -> dict[str, Any]:
    deadline = time.monotonic() + LONG
    while (run := browser.get(f"/api/runs/{run_id}").get_json())["state"] != state:
        assert time.monotonic() < deadline, run
        time.sleep(0.01)
    assert isinstance(run, dict)
    return run


def test_an_administrator_starts_and_looks(admin: FlaskClient, change: Change, services: Services) -> None:
    run = start(change, admin, seed=3)
    assert run["state"] in ("queued", "running", "finished")
    assert (run["rounds"], run["config"]["seed"], run["started_by"]) == (2, 3, "admin")
    done = until(admin, run["id"], "finished")
    assert [record["round"] for record in done["records"]] == [1, 2]
    (listed,) = admin.get("/api/runs").get_json()
    assert listed == {name: value for name, value in done.items() if name not in ("records", "current")}
    (deed,) = services.audit.page(action="run_started")
    assert (deed["actor"], deed["target"], deed["details"]["rounds"]) == ("admin", run["id"], 2)


def test_pause_resume_stop_and_resume(
    admin: FlaskClient, change: Change, launcher: FakeLauncher, services: Services
) -> None:
    launcher.held = True
    run_id = start(change, admin)["id"]

    def press(what: str) -> dict[str, Any]:
        answer = change(admin, "POST", f"/api/runs/{run_id}/{what}")
        assert answer.status_code == 200, answer.text
        pressed = answer.get_json()
        assert isinstance(pressed, dict)
        return pressed

    until(admin, run_id, "running")
    assert press("pause")["pending"] == "pause"
    launcher.runs[0].let()
    assert until(admin, run_id, "paused")["round"] == 1
    press("resume")
    until(admin, run_id, "running")
    press("stop")
    assert until(admin, run_id, "stopped")["can_resume"]
    press("resume")
    launcher.runs[1].let()
    assert until(admin, run_id, "finished")["round"] == 2
    deeds = [deed["action"] for deed in services.audit.page() if deed["target"] == run_id]
    assert deeds == ["run_resumed", "run_stopped", "run_resumed", "run_paused", "run_started"]


def test_conflicts(admin: FlaskClient, change: Change, launcher: FakeLauncher) -> None:
    launcher.held = True
    run_id = start(change, admin)["id"]
    answer = change(admin, "POST", "/api/runs", json={})
    assert (answer.status_code, answer.get_json()["error"]["code"]) == (409, "conflict")
    assert "Another run is under way" in answer.get_json()["error"]["message"]
    change(admin, "POST", f"/api/runs/{run_id}/stop")
    until(admin, run_id, "stopped")
    for what in ("pause", "stop"):
        assert change(admin, "POST", f"/api/runs/{run_id}/{what}").status_code == 409


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"data": b"{", "content_type": "application/json"}, 400),
        ({"data": b"[]", "content_type": "application/json"}, 400),
        ({"data": b"3", "content_type": "application/json"}, 400),
        ({"data": b"rounds=3", "content_type": "application/x-www-form-urlencoded"}, 415),
        ({"data": b'{"rounds": NaN}', "content_type": "application/json"}, 422),
        ({"json": {"rounds": 0}}, 422),
        ({"json": {"is_admin": True}}, 422),
    ],
)
def test_wrong_bodies(admin: FlaskClient, change: Change, body: dict[str, Any], status: int) -> None:
    answer = change(admin, "POST", "/api/runs", **body)
    assert answer.status_code == status, answer.text
    assert answer.get_json()["error"]["code"] in ("bad_request", "wrong_media_type", "invalid_input")
    assert admin.get("/api/runs").get_json() == []


def test_wrong_fields_are_named_in_the_readers_language(admin: FlaskClient, change: Change) -> None:
    answer = change(admin, "POST", "/api/runs", json={"rounds": 0, "hospitals": ["hospital_x"]})
    assert answer.get_json()["error"]["fields"] == {"rounds": "Must be at least 1."}
    answer = change(admin, "POST", "/api/runs", json={"hospitals": ["<b>x</b>"]})
    assert answer.get_json()["error"]["fields"] == {"hospitals": "There is no hospital <b>x</b>."}
    assert answer.content_type == "application/json"


def test_without_token_nothing_changes(admin: FlaskClient, change: Change) -> None:
    assert admin.post("/api/runs", json={}).status_code == 400
    run_id = start(change, admin)["id"]
    for method, path in (("POST", "pause"), ("POST", "resume"), ("POST", "stop"), ("PUT", "note")):
        assert admin.open(f"/api/runs/{run_id}/{path}", method=method, json={"text": "x"}).status_code == 400


READS = ["", "/events", "/events?format=csv", "/events?format=jsonl", "/rounds.csv"]
CHANGES = [("POST", "/pause"), ("POST", "/resume"), ("POST", "/stop"), ("PUT", "/note")]


def test_a_stranger_gets_nothing(stranger: FlaskClient, admin: FlaskClient, change: Change) -> None:
    run_id = start(change, admin)["id"]
    for path in ("/api/runs", "/api/strategies", *(f"/api/runs/{run_id}{rest}" for rest in READS)):
        assert stranger.get(path).status_code == 401
    for method, rest in CHANGES:
        assert stranger.open(f"/api/runs/{run_id}{rest}", method=method).status_code == 401


@pytest.mark.parametrize("username", ["staff_a", "clinician_b"])
def test_hospitals_look_and_do_not_touch(
    signed_in: SignedIn, change: Change, admin: FlaskClient, username: str
) -> None:
    run_id = start(change, admin)["id"]
    until(admin, run_id, "finished")
    browser = signed_in(username)
    assert change(browser, "POST", "/api/runs", json={}).status_code == 403
    for method, rest in CHANGES:
        assert change(browser, method, f"/api/runs/{run_id}{rest}", json={"text": "x"}).status_code == 403
    for rest in READS:
        assert browser.get(f"/api/runs/{run_id}{rest}").status_code == 200
    assert len(browser.get("/api/runs").get_json()) == 1


@pytest.mark.parametrize("role", ["staff", "clinician"])
@pytest.mark.parametrize(("own", "other"), [("a", "b"), ("b", "a")])
def test_no_hospital_learns_of_another(
    signed_in: SignedIn, change: Change, admin: FlaskClient, launcher: FakeLauncher, role: str, own: str, other: str
) -> None:
    """Every answer about a run with results, a refusal and a failure of both hospitals."""
    launcher.dropped = {1: {f"hospital_{other}": "its update holds NaN"}}
    run_id = start(change, admin)["id"]
    until(admin, run_id, "finished")
    change(admin, "PUT", f"/api/runs/{run_id}/note", json={"text": f"hospital_{other} is slow"})
    browser = signed_in(f"{role}_{own}")
    answers = {path: browser.get(f"/api/runs/{run_id}{path}").text for path in READS}
    answers["list"] = browser.get("/api/runs").text
    for path, text in answers.items():
        assert f"hospital_{other}" not in text, path
        assert "NaN" not in text, path
    assert f"hospital_{own}" in answers[""]
    assert f"hospital_{own}" in answers["/events"]
    assert f"hospital_{own}" in answers["/rounds.csv"]
    assert f"hospital_{other}" in admin.get(f"/api/runs/{run_id}").text


@pytest.mark.parametrize("run_id", TRAVERSALS)
def test_unknown_ids_are_not_found(admin: FlaskClient, change: Change, run_id: str) -> None:
    for rest in READS:
        assert admin.get(f"/api/runs/{run_id}{rest}").status_code == 404
    for method, rest in CHANGES:
        assert change(admin, method, f"/api/runs/{run_id}{rest}", json={"text": "x"}).status_code == 404


def test_notes(admin: FlaskClient, change: Change, services: Services) -> None:
    run_id = start(change, admin)["id"]
    until(admin, run_id, "finished")
    text = "  <script>alert(1)</script> 学习率  "
    run = change(admin, "PUT", f"/api/runs/{run_id}/note", json={"text": text}).get_json()
    assert (run["note"], run["note_by"]) == (text.strip(), "admin")
    for wrong in ({"text": 3}, {}, {"text": "x" * 4001}):
        assert change(admin, "PUT", f"/api/runs/{run_id}/note", json=wrong).status_code == 422
    assert admin.get(f"/api/runs/{run_id}").get_json()["note"] == text.strip()
    assert services.audit.page(action="run_noted")[0]["target"] == run_id


def test_downloads(admin: FlaskClient, change: Change, services: Services) -> None:
    run_id = start(change, admin)["id"]
    until(admin, run_id, "finished")
    events = admin.get(f"/api/runs/{run_id}/events").get_json()
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert events[-1]["event"] == "run_finished"

    lines = admin.get(f"/api/runs/{run_id}/events?format=jsonl")
    assert [json.loads(line) for line in lines.text.splitlines()] == events
    assert lines.headers["Content-Disposition"] == f'attachment; filename="{run_id}-events.jsonl"'

    table = admin.get(f"/api/runs/{run_id}/events?format=csv")
    assert table.content_type == "text/csv; charset=utf-8"
    assert table.data.startswith("\ufeffseq,time,event,".encode())
    assert len(list(csv.DictReader(io.StringIO(table.data.decode("utf-8-sig"))))) == len(events)

    rounds = list(csv.DictReader(io.StringIO(admin.get(f"/api/runs/{run_id}/rounds.csv").data.decode("utf-8-sig"))))
    assert [(row["round"], row["hospital"]) for row in rounds] == [
        (number, name) for number in "12" for name in ("(all)", "hospital_a", "hospital_b")
    ]
    assert admin.get(f"/api/runs/{run_id}/events?format=xlsx").status_code == 422
    assert len(services.audit.page(action="run_downloaded")) == 3


def test_the_form_gets_what_it_needs(signed_in: SignedIn) -> None:
    answer = signed_in("admin").get("/api/strategies").get_json()
    assert [form["name"] for form in answer["strategies"]] == ["fedavg", "fedprox", "fedavgm"]
    assert answer["defaults"]["rounds"] == 10
    assert answer["limits"]["rounds"] == {"min": 1, "max": 500}
