"""A Chinese reader meets Chinese: what audit, refusals, scans, models and readings hold in English is told in words."""

# ruff: noqa: RUF001

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from fedlung.settings import Settings
from fedlung.stores.audit import Action
from fedlung.web.services import Services
from tests.fake_reader import LONG, FakeReader
from tests.upload_world import Sender, a_chest, metaimage_files, store_scan
from tests.web.conftest import SignedIn, csrf_token
from tests.web.fake_launcher import FakeLauncher
from tests.web.reading_people import Person, reading_services

CHINESE = re.compile(r"[\u4e00-\u9fff]")


@pytest.fixture
def services(settings: Settings, launcher: FakeLauncher) -> Iterator[Services]:
    with reading_services(settings, launcher, FakeReader()) as made:
        yield made


def in_chinese(browser: FlaskClient) -> FlaskClient:
    browser.set_cookie("fedlung_language", "zh")
    return browser


def refused_table(browser: FlaskClient, text: str) -> Any:
    sent = {"file": (io.BytesIO(text.encode()), "t.csv")}
    token = {"X-CSRFToken": csrf_token(browser, "/account")}
    return browser.post("/api/annotations/import", data=sent, headers=token).get_json()["error"]


def test_the_audit(signed_in: SignedIn, services: Services) -> None:
    services.audit.append("first start", Action.USER_CREATED, "li", {"role": "staff"}, "hospital_a")
    services.audit.append("li", Action.SIGN_IN_REFUSED, "li", {"reason": "wrong password"})
    page = in_chinese(signed_in("admin")).get("/audit").text
    page = page[page.index("<tbody>") : page.index("</tbody>")]
    for words in ("首次启动", "医院人员", "密码错误", "医院 A"):
        assert words in page
    for stored in ("first start", "wrong password", "hospital_a"):
        assert stored not in page


def test_a_refused_table_of_annotations(signed_in: SignedIn) -> None:
    browser = signed_in("staff_a")
    english = refused_table(browser, "seriesuid,coordX\nu,1\n")["message"]
    assert english.startswith("t.csv: column coordY is missing")
    error = refused_table(in_chinese(browser), "seriesuid,coordX\nu,1\n")
    assert (error["code"], error["message"][:10]) == ("bad_annotations", "t.csv：缺少列 ")


def test_what_is_not_there(signed_in: SignedIn) -> None:
    message = in_chinese(signed_in("staff_a")).get("/api/scans/nothing").get_json()["error"]["message"]
    assert CHINESE.search(message)
    assert not re.search("[A-Za-z]", message)


def test_what_was_removed_from_a_scan(signed_in: SignedIn, services: Services, tmp_path: Path) -> None:
    staff = Sender(signed_in("staff_b"))
    scan_id = store_scan(staff, services, metaimage_files(a_chest(), tmp_path))
    store = services.scans.hospital("hospital_b")
    record = store.scans.record(scan_id)
    assert record is not None
    store.scans.describe(replace(record, removed=("file name", "PatientName"), uploaded_as="DICOM, 7 files"), tmp_path)
    seen = in_chinese(staff.browser).get(f"/api/scans/{scan_id}").get_json()
    assert seen["removed"] == ["PatientName"], "programs get the names of the fields; the name of the file is kept"
    assert seen["removed_words"] == ["患者姓名（PatientName）"]
    assert seen["uploaded_as"] == "DICOM，7 个文件"
    others = signed_in("clinician_b").get(f"/api/scans/{scan_id}").get_json()
    assert not {"removed", "removed_words", "uploaded_as"} & set(others)
    assert asdict(record)["removed"] != seen["removed_words"]


def test_models_and_readings(signed_in: SignedIn, services: Services) -> None:
    person = Person(in_chinese(signed_in("clinician_a")))
    model = next(each for each in person.browser.get("/api/models").get_json() if each["built_in"])
    told = [model["name"], *(model["card"][field] for field in ("name", "intended_use", "limits"))]
    assert [text for text in told if not CHINESE.search(text)] == []
    asked = person.send("POST", "/api/predictions", {"scan_id": "scan", "model_id": model["id"]}).get_json()
    assert services.predictions.wait_until_idle(LONG)
    assert CHINESE.search(person.browser.get(f"/api/predictions/{asked['id']}").get_json()["model"]["name"])
