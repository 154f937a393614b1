"""The snapshot: what each role sees, and that the number and the events after it fit together."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest
from flask.testing import FlaskClient

from fedlung import __version__
from fedlung.settings import Settings
from fedlung.web.live.streams import Everyone
from fedlung.web.services import Services

SignedIn = Callable[[str], FlaskClient]


def test_a_snapshot_of_each_role(signed_in: SignedIn) -> None:
    admin = signed_in("admin").get("/api/status").get_json()
    assert (admin["stream"], admin["run"], admin["online"], admin["version"]) == ("admin", None, [], __version__)
    assert [hospital["id"] for hospital in admin["hospitals"]] == ["hospital_a", "hospital_b"]
    for username, stream in [("staff_a", "staff:hospital_a"), ("clinician_a", "clinician:hospital_a")]:
        own = signed_in(username).get("/api/status")
        assert own.get_json()["stream"] == stream
        assert "online" not in own.get_json()
        assert "hospital_b" not in own.text


def test_the_number_and_what_came_after_it(signed_in: SignedIn, services: Services) -> None:
    browser = signed_in("staff_a")
    first = browser.get("/api/status").get_json()["seq"]
    for turn in range(3):
        services.hub.publish("training_status", {"run_id": "r", "state": "running", "round": turn}, Everyone())
    services.hub.drain(lambda name, event, room: None)
    later = browser.get(f"/api/status?since={first + 1}").get_json()
    assert later["seq"] == first + 3
    assert [(event["event"], event["seq"], event["round"]) for event in later["events"]] == [
        ("training_status", first + 2, 1),
        ("training_status", first + 3, 2),
    ]
    assert "events" not in browser.get("/api/status").get_json()


@pytest.mark.parametrize("since", ["0", "1", "9007199254740991"])
def test_a_number_that_is_not_remembered_is_answered_with_a_gap(signed_in: SignedIn, since: str) -> None:
    assert signed_in("staff_a").get(f"/api/status?since={since}").get_json()["events"] is None


@pytest.mark.parametrize("since", ["", "x", "-1", "1.5", "\u0661", "1" * 17])
def test_what_is_no_number_is_refused(signed_in: SignedIn, since: str) -> None:
    answer = signed_in("staff_a").get("/api/status", query_string={"since": since})
    assert (answer.status_code, list(answer.get_json()["error"]["fields"])) == (422, ["since"])


# What the command line does in the same folder, step by step.
ANOTHER_PROCESS = """
import sys
from pathlib import Path
from fedlung.events import RoundFinished, TrainingStatus
from fedlung.stores.runs import RunFolder
with RunFolder.create(Path(sys.argv[1]), "run-1", {"arguments": {"rounds": 2}}) as run:
    run.append_event(TrainingStatus("run-1", "running", 0, 2))
    for number in (1, 2):
        print(flush=True)
        sys.stdin.readline()
        run.append_round(RoundFinished("run-1", number, 2, 10, 2.5, 0.1, {"loss": 0.5}, ()).to_json())
    run.append_event(TrainingStatus("run-1", "finished", 2, 2))
"""


def test_a_run_of_another_process_is_seen_as_it_goes(signed_in: SignedIn, settings: Settings) -> None:
    browser = signed_in("admin")

    def seen() -> list[object]:
        runs = (browser.get("/api/status").get_json()["run"], browser.get("/api/runs").get_json()[0])
        return [(run["id"], run["state"], run["round"]) for run in runs]

    assert browser.get("/api/status").get_json()["run"] is None
    command = [sys.executable, "-c", ANOTHER_PROCESS, str(settings.data / "runs")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for complete in (0, 1):
            process.stdout.readline()
            assert seen() == [("run-1", "running", complete)] * 2
            process.stdin.write(b"\n")
            process.stdin.flush()
    assert process.returncode == 0
    assert seen() == [("run-1", "finished", 2)] * 2


def test_the_machine_is_for_administrators(signed_in: SignedIn, stranger: FlaskClient) -> None:
    load = signed_in("admin").get("/api/system").get_json()
    assert 0 < load["process_memory_bytes"] <= load["memory_used_bytes"] <= load["memory_total_bytes"]
    assert load["cores"] >= 1
    assert load["gpu"] is None
    assert signed_in("staff_a").get("/api/system").status_code == 403
    assert stranger.get("/api/system").status_code == 401


def test_the_sign_of_life_is_for_everybody(stranger: FlaskClient) -> None:
    assert stranger.get("/healthz").get_json() == {"status": "ok", "version": __version__}


def test_the_way_in_leads_home(signed_in: SignedIn, stranger: FlaskClient) -> None:
    homes = {"admin": "/server", "staff_a": "/client", "clinician_b": "/inference"}
    assert {name: signed_in(name).get("/").headers["Location"] for name in homes} == homes
    assert stranger.get("/").headers["Location"] == "/login"
