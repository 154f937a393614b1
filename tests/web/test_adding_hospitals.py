"""A new hospital from the page: who may add it, what is refused, and that its people can begin at once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from fedlung.settings import Settings
from fedlung.stores.users import STAFF
from fedlung.web.live.streams import Stream
from fedlung.web.services import Services
from tests.at_once import run_together
from tests.rendered_pages import noted_pages
from tests.upload_world import Sender, a_chest, metaimage_files, store_scan
from tests.web.conftest import PASSWORD, SignedIn, csrf_token

ADMINS = Stream("admin")


def add(browser: FlaskClient, body: Any) -> Any:
    return browser.post("/api/hospitals", json=body, headers={"X-CSRFToken": csrf_token(browser, "/account")})


def ids(settings: Settings) -> set[str]:
    return {path.parent.name for path in settings.data.glob("*/scans")}


def heard(services: Services, stream: Stream, since: int) -> list[dict[str, Any]]:
    services.hub.drain(lambda name, event, room: None)
    return services.hub.since(stream, since) or []


def test_a_hospital_is_added_and_everybody_who_leads_is_told(
    signed_in: SignedIn, services: Services, settings: Settings
) -> None:
    admin, colleague = signed_in("admin"), signed_in("admin")
    streams = [ADMINS, Stream(STAFF, "hospital_a"), Stream(STAFF, "north")]
    before = [services.hub.seq(stream) for stream in streams]
    answer = add(admin, {"id": "north", "name_en": " Northern  Hospital ", "name_zh": "北方医院"})
    assert answer.status_code == 201, answer.text
    card = answer.get_json()
    assert (card["id"], card["name"], card["scans"], card["ready"]) == ("north", "Northern Hospital", 0, False)
    listed = colleague.get("/api/hospitals").get_json()
    assert [hospital["id"] for hospital in listed] == ["hospital_a", "hospital_b", "north"]
    assert [hospital["id"] for hospital in colleague.get("/api/status").get_json()["hospitals"]][-1] == "north"
    told = [heard(services, stream, seq) for stream, seq in zip(streams, before, strict=True)]
    assert [[(event["event"], event["hospital"], event["hospitals_changed"]) for event in each] for each in told] == [
        [("hospital_status", "north", True)],
        [],
        [],
    ]
    (noted,) = services.audit.page(action="hospital_added")
    assert (noted["actor"], noted["target"], noted["hospital_id"]) == ("admin", "north", "")
    assert noted["details"] == {"name_en": "Northern Hospital", "name_zh": "北方医院"}
    assert json.loads((settings.data / "north" / "hospital.json").read_bytes())["name"]["zh"] == "北方医院"


def test_its_people_begin_at_once(signed_in: SignedIn, services: Services, settings: Settings, tmp_path: Path) -> None:
    admin = signed_in("admin")
    add(admin, {"id": "north"})
    with noted_pages(admin.application) as pages:
        admin.get("/admin/users")
        assert {"id": "north", "name": "north"} in pages.last("admin_users.html")["hospitals"]
    form = {"username": "staff_n", "display_name": "Staff N", "role": "staff", "hospital_id": "north"}
    made = admin.post("/admin/users", data={**form, "csrf_token": csrf_token(admin, "/account")})
    assert made.status_code == 303
    newcomer = services.users.by_username("staff_n")
    assert newcomer is not None
    assert newcomer.hospital_id == "north"
    services.accounts.create_user("test", "staff_m", "Staff M", "staff", "north", PASSWORD)
    staff = Sender(signed_in("staff_m"))
    scan_id = store_scan(staff, services, metaimage_files(a_chest(), tmp_path))
    assert (settings.data / "north" / "scans" / f"{scan_id}.mhd").is_file()
    assert staff.browser.get("/client").status_code == 200
    assert staff.browser.get("/api/hospitals").get_json()[0]["scans_not_ready"] == 1
    assert admin.get("/api/hospitals").get_json()[-1]["id"] == "north"
    assert Sender(signed_in("staff_a")).browser.get(f"/api/scans/{scan_id}").status_code == 404


@pytest.mark.parametrize("who", ["staff_a", "clinician_a", "stranger"])
def test_nobody_else_may(signed_in: SignedIn, stranger: FlaskClient, settings: Settings, who: str) -> None:
    browser = stranger if who == "stranger" else signed_in(who)
    token = csrf_token(browser, "/login" if who == "stranger" else "/account")
    before = sorted(path.name for path in settings.data.iterdir())
    answer = browser.post("/api/hospitals", json={"id": "north"}, headers={"X-CSRFToken": token})
    assert answer.status_code == (401 if who == "stranger" else 403)
    assert sorted(path.name for path in settings.data.iterdir()) == before


def test_not_without_the_token_of_the_page(signed_in: SignedIn, settings: Settings) -> None:
    answer = signed_in("admin").post("/api/hospitals", json={"id": "north"})
    assert (answer.status_code, answer.get_json()["error"]["code"]) == (400, "bad_csrf")
    assert "north" not in ids(settings)


LONG = "x" * 101
REFUSED: list[tuple[dict[str, Any], str]] = [
    *(({"id": value}, "id") for value in ("", "..", "../x", "a/b", "CON", "com1", "runs", "scans", "医院", "x" * 65)),
    *(({"id": value}, "id") for value in (None, 7, True, ["north"], {"north": 1}, "north\0", "north\n", "\uff4eorth")),
    ({}, "id"),
    ({"id": "north", "name_en": LONG}, "name_en"),
    ({"id": "north", "name_zh": "\u202e"}, "name_zh"),
    ({"id": "north", "name_zh": ["x"]}, "name_zh"),
    ({"id": "north", "name_en": "   "}, "name_en"),
    ({"id": "north", "name_en": "HOSPITAL A"}, "name_en"),
    ({"id": "north", "path": "/etc"}, "path"),
]


@pytest.mark.parametrize(("body", "field"), REFUSED)
def test_what_makes_no_sense_is_refused_with_a_sentence(
    signed_in: SignedIn, services: Services, settings: Settings, body: dict[str, Any], field: str
) -> None:
    before = sorted(path.name for path in settings.data.iterdir())
    answer = add(signed_in("admin"), body)
    error = answer.get_json()["error"]
    assert (answer.status_code, error["code"], list(error["fields"])) == (422, "invalid_input", [field])
    assert error["fields"][field].endswith(".")
    assert sorted(path.name for path in settings.data.iterdir()) == before
    assert services.audit.page(action="hospital_added") == []


@pytest.mark.parametrize("body", [[], "north", 7])
def test_what_is_no_object_is_not_understood(signed_in: SignedIn, body: Any) -> None:
    assert add(signed_in("admin"), body).status_code == 400


@pytest.mark.parametrize("taken", ["hospital_a", "HOSPITAL_A", "Hospital_B"])
def test_an_id_that_is_taken(signed_in: SignedIn, settings: Settings, taken: str) -> None:
    answer = add(signed_in("admin"), {"id": taken})
    assert (answer.status_code, answer.get_json()["error"]["code"]) == (409, "conflict")
    assert "taken" in answer.get_json()["error"]["message"]
    assert ids(settings) == {"hospital_a", "hospital_b"}


def test_a_sentence_in_the_readers_language(signed_in: SignedIn) -> None:
    admin = signed_in("admin")
    admin.set_cookie("fedlung_language", "zh")
    for body in ({"id": "hospital_a"}, {"id": "../x"}):
        error = add(admin, body).get_json()["error"]
        sentence = error.get("fields", {}).get("id", error["message"])
        assert sentence.endswith("。")


def test_of_two_administrators_one_adds_it(signed_in: SignedIn, services: Services, settings: Settings) -> None:
    admins = [signed_in("admin") for _ in range(4)]
    headers = [{"X-CSRFToken": csrf_token(admin, "/account")} for admin in admins]
    codes: list[int] = []

    def ask(number: int) -> None:
        body = {"id": "north" if number % 2 else "North", "name_en": f"Name {number}"}
        codes.append(admins[number].post("/api/hospitals", json=body, headers=headers[number]).status_code)

    run_together(ask, len(admins))
    assert sorted(codes) == [201, 409, 409, 409]
    (noted,) = services.audit.page(action="hospital_added")
    (made,) = ids(settings) - {"hospital_a", "hospital_b"}
    assert noted["target"] == made
    assert json.loads((settings.data / made / "hospital.json").read_bytes())["name"] == {
        "en": noted["details"]["name_en"]
    }
