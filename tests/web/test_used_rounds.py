"""Which scans went into which rounds: noted by the run, shown to the hospital they belong to."""

from __future__ import annotations

import time

import pytest

from fedlung.settings import Settings
from fedlung.web.services import Services
from tests.upload_world import Sender, a_chest, put_scan
from tests.web.conftest import SignedIn
from tests.web.fake_launcher import LONG, FakeLauncher


def run(admin: Sender, rounds: int) -> str:
    run_id = str(admin.change("POST", "/api/runs", {"rounds": rounds}).get_json()["id"])
    until = time.monotonic() + LONG
    while admin.browser.get(f"/api/runs/{run_id}").get_json()["state"] != "finished":
        assert time.monotonic() < until
        time.sleep(0.01)
    return run_id


def test_rounds_are_noted_for_the_hospitals_whose_answers_count(
    signed_in: SignedIn, services: Services, launcher: FakeLauncher
) -> None:
    for hospital in ("hospital_a", "hospital_b"):
        put_scan(services.scans.hospital(hospital), a_chest(name=f"of {hospital}"))
    admin, staff = Sender(signed_in("admin")), Sender(signed_in("staff_a"))
    launcher.dropped = {2: {"hospital_a": "its update holds NaN"}}
    first = run(admin, 3)
    launcher.dropped = {}
    second = run(admin, 2)
    scan = staff.browser.get("/api/scans/of hospital_a").get_json()
    assert scan["used"] == [{"run_id": first, "rounds": "1, 3"}, {"run_id": second, "rounds": "1-2"}]
    other = Sender(signed_in("staff_b")).browser.get("/api/scans/of hospital_b").get_json()
    assert [use["rounds"] for use in other["used"]] == ["1-3", "1-2"]


def test_a_run_goes_on_when_nothing_can_be_noted(
    signed_in: SignedIn, services: Services, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    put_scan(services.scans.hospital("hospital_a"), a_chest(name="1"))
    (settings.data / "hospital_a" / "used.jsonl").mkdir()
    run(Sender(signed_in("admin")), 1)
    assert "which scans of hospital_a were used" in caplog.text
