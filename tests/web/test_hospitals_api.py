"""Hospitals in numbers: administrators see all, everybody else the own one, nobody a scan."""

from __future__ import annotations

import json
import time
from itertools import pairwise
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from fedlung.settings import Settings
from fedlung.web.services import Services
from fedlung.web.training.request import RunRequest
from tests.web.conftest import SignedIn
from tests.web.fake_launcher import LONG, FakeLauncher

UID = "1.2.840.1"


@pytest.fixture(autouse=True)
def scans(settings: Settings) -> Path:
    """One scan with one nodule in hospital_a; hospital_b has none."""
    folder = settings.data / "hospital_a"
    (folder / "scans" / f"{UID}.mhd").touch()
    (folder / "annotations.csv").write_text(f"seriesuid,coordX,coordY,coordZ,diameter_mm\n{UID},1,2,3,6.5\n")
    return folder


def test_an_administrator_sees_all_in_numbers(signed_in: SignedIn) -> None:
    answer = signed_in("admin").get("/api/hospitals")
    first, second = answer.get_json()
    edges = first["size_histogram"]["edges_mm"]
    assert first == {
        "id": "hospital_a",
        "name": "Hospital A",
        "online": True,
        "scans": 1,
        "nodules": 1,
        "annotated_scans": 1,
        "size_histogram": {
            "edges_mm": edges,
            "counts": [int(low <= 6.5 < high) for low, high in pairwise(edges)],
        },
        "last_error": None,
        "ready": True,
        "declared_ready": True,
        "scans_not_ready": 0,
        "last_seen": first["last_seen"],
    }
    assert (second["id"], second["ready"], second["scans"]) == ("hospital_b", False, 0)
    assert "no .mhd or .mha scan" in second["last_error"]
    assert UID not in answer.text


@pytest.mark.parametrize("username", ["staff_a", "clinician_a", "staff_b", "clinician_b"])
def test_everybody_else_sees_the_own_one(signed_in: SignedIn, username: str) -> None:
    answer = signed_in(username).get("/api/hospitals")
    assert [hospital["id"] for hospital in answer.get_json()] == [f"hospital_{username[-1]}"]
    other = "b" if username[-1] == "a" else "a"
    assert f"hospital_{other}" not in answer.text


def test_a_stranger_sees_none(stranger: FlaskClient) -> None:
    assert stranger.get("/api/hospitals").status_code == 401


def test_names_in_the_readers_language(signed_in: SignedIn, scans: Path) -> None:
    (scans / "hospital.json").write_text(json.dumps({"name": {"en": "Ruijin <b>", "zh": "瑞金医院"}}))
    browser = signed_in("staff_a")
    assert browser.get("/api/hospitals").get_json()[0]["name"] == "Ruijin <b>"
    browser.set_cookie("fedlung_language", "zh")
    assert browser.get("/api/hospitals").get_json()[0]["name"] == "瑞金医院"


def test_the_last_trouble_of_a_hospital_is_shown_until_it_answers(
    signed_in: SignedIn, services: Services, launcher: FakeLauncher
) -> None:
    boss = services.users.by_username("admin")
    assert boss is not None
    admin = signed_in("admin")

    def run(**asked: int) -> None:
        services.runs.start(RunRequest(**asked), boss)
        deadline = time.monotonic() + LONG
        while (current := services.runs.current(boss)) and current["state"] != "finished":
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def trouble() -> object:
        return admin.get("/api/hospitals").get_json()[0]["last_error"]

    launcher.dropped = {2: {"hospital_a": "its update holds NaN"}}
    run(rounds=2)
    assert trouble() == "its update holds NaN"
    run(rounds=3)  # dropped in round 2, back in round 3
    assert trouble() is None
    launcher.left_out = {"hospital_a": "cannot be opened"}
    run(rounds=1)
    assert trouble() == "cannot be opened"
