"""The pages of runs, models and hospitals: who gets which, and what they say of runs that are not there."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from fedlung.settings import Settings
from fedlung.stores.runs import RunFolder
from tests.web.conftest import SignedIn

RUN = "20260101-120000-abcd"
PAGES = {  # path -> roles
    "/server": {"admin"},
    "/history": {"admin", "staff", "clinician"},
    f"/history/{RUN}": {"admin", "staff", "clinician"},
    "/models": {"admin", "staff", "clinician"},
    "/client": {"staff"},
    "/inference": {"staff", "clinician"},
}
NAMES = {"admin": "admin", "staff": "staff_a", "clinician": "clinician_a"}


@pytest.fixture(autouse=True)
def run_folder(settings: Settings) -> None:
    RunFolder.create(settings.data / "runs", RUN, {"arguments": {"rounds": 3}}).close()


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("role", NAMES)
def test_who_gets_which_page(signed_in: SignedIn, role: str, path: str) -> None:
    answer = signed_in(NAMES[role]).get(path)
    assert answer.status_code == (200 if role in PAGES[path] else 403)
    assert answer.mimetype == "text/html"


@pytest.mark.parametrize("path", PAGES)
def test_a_stranger_is_sent_to_the_sign_in(stranger: FlaskClient, path: str) -> None:
    answer = stranger.get(path)
    assert answer.status_code in (302, 303)
    assert answer.headers["Location"].startswith("/login")


@pytest.mark.parametrize("run_id", ["nothing", "..%2fhospital_a", f"{RUN}%00", "%2e%2e", "<script>"])
def test_a_run_that_is_not_there(signed_in: SignedIn, run_id: str) -> None:
    answer = signed_in("admin").get(f"/history/{run_id}")
    assert answer.status_code == 404
    assert "<script>" not in answer.text.replace("<script ", "")


def test_the_page_of_a_run_knows_its_run(signed_in: SignedIn) -> None:
    assert RUN in signed_in("staff_b").get(f"/history/{RUN}").text
