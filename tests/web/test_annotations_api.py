"""Annotations over HTTP: saved in versions, checked finding by finding, brought along as a table, taken away as one."""

from __future__ import annotations

import io
from typing import Any

import pytest

from fedlung.imaging.annotations import COLUMNS, read_findings
from fedlung.imaging.intake.deidentify import uid_remapper
from fedlung.settings import Settings
from fedlung.stores.hospital_store import HospitalStore
from fedlung.stores.secret_key import secret_key
from fedlung.web.services import Services
from tests.upload_world import Sender, a_chest, put_scan
from tests.web.conftest import SignedIn

UID = "2.25.1"
URL = f"/api/scans/{UID}/annotations"
FINDING = {"center_xyz_mm": [1.5, 2.5, -3.5], "diameter_mm": 6.5}


@pytest.fixture
def store(services: Services) -> HospitalStore:
    store = services.scans.hospital("hospital_a")
    put_scan(store, a_chest(name=UID))
    return store


@pytest.fixture
def staff(signed_in: SignedIn, store: HospitalStore) -> Sender:
    return Sender(signed_in("staff_a"))


def save(staff: Sender, version: int, *findings: dict[str, Any], is_read: bool = True, **more: Any) -> Any:
    body = {"version": version, "is_read": is_read, "findings": list(findings), **more}
    return staff.change("PUT", URL, body)


def test_findings_are_saved_with_author_and_time(staff: Sender, settings: Settings) -> None:
    empty = staff.browser.get(URL).get_json()
    assert (empty["version"], empty["is_read"], empty["findings"], empty["history"]) == (0, False, [], [])
    saved = save(staff, 0, {**FINDING, "comment": " 结节 <b> ", "author": "somebody else"}).get_json()
    (finding,) = saved["findings"]
    assert (saved["version"], saved["author"], finding["author"], finding["comment"]) == (
        1,
        "staff_a",
        "staff_a",
        "结节 <b>",
    )
    assert (finding["kind"], finding["origin"], finding["time"]) == ("nodule", "click", saved["time"])
    again = save(staff, 1, finding, {**FINDING, "kind": "ignore"}).get_json()
    assert [version["version"] for version in again["history"]] == [2, 1]
    assert again["findings"][0] == finding, "who left it as it was is not its author"
    (row,) = read_findings(settings.data / "hospital_a" / "annotations.csv")
    assert (row.series_uid, list(row.center_xyz_mm), row.diameter_mm) == (UID, *FINDING.values())


def test_who_was_slower_sees_what_was_saved(staff: Sender) -> None:
    assert save(staff, 0, FINDING).status_code == 200
    answer = save(staff, 0)
    assert answer.status_code == 409
    content = answer.get_json()
    assert content["error"]["code"] == "conflict"
    assert "staff_a" in content["error"]["message"]
    assert (content["newest"]["version"], len(content["newest"]["findings"])) == (1, 1)


WRONG = {
    "outside": ({**FINDING, "center_xyz_mm": [1e4, 0, 0]}, "findings.0.center_xyz_mm"),
    "half a voxel outside": ({**FINDING, "center_xyz_mm": [-150 - 1.4, 0, 0]}, "findings.0.center_xyz_mm"),
    "two numbers": ({**FINDING, "center_xyz_mm": [1, 2]}, "findings.0.center_xyz_mm"),
    "text": ({**FINDING, "center_xyz_mm": "123"}, "findings.0.center_xyz_mm"),
    "too small": ({**FINDING, "diameter_mm": 0.99}, "findings.0.diameter_mm"),
    "too large": ({**FINDING, "diameter_mm": 100.1}, "findings.0.diameter_mm"),
    "yes": ({**FINDING, "diameter_mm": True}, "findings.0.diameter_mm"),
    "unknown diameter of a nodule": ({**FINDING, "diameter_mm": -1}, "findings.0.diameter_mm"),
    "kind": ({**FINDING, "kind": "mass"}, "findings.0.kind"),
    "origin": ({**FINDING, "origin": "magic"}, "findings.0.origin"),
    "comment": ({**FINDING, "comment": "x" * 501}, "findings.0.comment"),
    "more fields": ({**FINDING, "malignant": True}, "findings.0"),
    "no finding": ("nodule", "findings.0"),
}


@pytest.mark.parametrize(("finding", "field"), WRONG.values(), ids=WRONG.keys())
def test_a_finding_that_makes_no_sense_is_named(staff: Sender, finding: Any, field: str) -> None:
    answer = save(staff, 0, finding, FINDING)
    assert answer.status_code == 422
    assert list(answer.get_json()["error"]["fields"]) == [field]
    assert staff.browser.get(URL).get_json()["version"] == 0


def test_the_last_point_that_lies_in_a_voxel(staff: Sender) -> None:
    assert save(staff, 0, {**FINDING, "center_xyz_mm": [-150 - 1.3, 0, 0]}).status_code == 200


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"findings": []}, "version"),
        ({"version": "1", "findings": []}, "version"),
        ({"version": 0}, "findings"),
        ({"version": 0, "findings": {}}, "findings"),
        ({"version": 0, "findings": [], "is_read": "yes"}, "is_read"),
        ({"version": 0, "findings": [], "origin": "x"}, "origin"),
        ({"version": 0, "findings": [], "author": "admin"}, "author"),
    ],
)
def test_a_body_that_makes_no_sense(staff: Sender, body: dict[str, Any], field: str) -> None:
    answer = staff.change("PUT", URL, body)
    assert (answer.status_code, list(answer.get_json()["error"]["fields"])) == (422, [field])


def test_two_findings_cannot_have_one_id(staff: Sender) -> None:
    (finding,) = save(staff, 0, FINDING).get_json()["findings"]
    assert save(staff, 1, finding, finding).status_code == 422


def test_clinicians_read_and_do_not_write(staff: Sender, signed_in: SignedIn) -> None:
    save(staff, 0, FINDING)
    clinician = Sender(signed_in("clinician_a"))
    assert len(clinician.browser.get(URL).get_json()["findings"]) == 1
    assert save(clinician, 1).status_code == 403


def table(*rows: tuple[object, ...]) -> bytes:
    return "".join(",".join(map(str, row)) + "\n" for row in [COLUMNS, *rows]).encode()


def bring(staff: Sender, content: bytes, name: str = "annotations.csv", **form: str) -> Any:
    data = {"file": (io.BytesIO(content), name), **form}
    return staff.browser.post(
        "/api/annotations/import", data=data, headers=staff.headers, content_type="multipart/form-data"
    )


def test_a_table_is_looked_at_first(staff: Sender) -> None:
    content = table((UID, 0, 0, 0, 6), (UID, 9999, 0, 0, 6), ("1.2.unknown", 0, 0, 0, 6))
    report = bring(staff, content, dry_run="1").get_json()
    assert (report["rows"], report["matched"], report["outside"], report["applied"]) == (3, 1, 1, False)
    assert (report["unknown_uids"], report["scans"]) == (["1.2.unknown"], [{"scan_id": UID, "nodules": 1}])
    assert staff.browser.get(URL).get_json()["version"] == 0
    assert bring(staff, content).get_json()["applied"] is False, "looking is what happens when nothing is said"


def test_a_table_is_taken_over_once(staff: Sender, settings: Settings) -> None:
    click = {"center_xyz_mm": [1, 1, 0], "diameter_mm": 8}
    save(staff, 0, click, is_read=False)
    content = table((UID, 0, 0, 0, 6), (UID, 50, 50, 20, 4))
    for added in (1, 0):  # the first row is what the click marked
        report = bring(staff, content, dry_run="0").get_json()
        assert (report["applied"], report["added"]) == (True, {"nodule": added, "ignore": 0})
    now = staff.browser.get(URL).get_json()
    assert [(each["origin"], each["center_xyz_mm"][0]) for each in now["findings"]] == [("click", 1), ("csv", 50)]
    assert (now["version"], now["is_read"], now["origin"]) == (2, True, "csv")
    assert len(read_findings(settings.data / "hospital_a" / "annotations.csv")) == 2


def test_a_table_may_speak_of_the_original_uid(staff: Sender, services: Services, settings: Settings) -> None:
    remap = uid_remapper(secret_key(settings.data / "instance" / "site_secret"), "hospital_a")
    put_scan(services.scans.hospital("hospital_a"), a_chest(5, remap("1.3.6.1.4.1.14519.5")), "CT 0002")
    report = bring(staff, table(("1.3.6.1.4.1.14519.5", 0, 0, 0, 6)), dry_run="0").get_json()
    assert report["scans"] == [{"scan_id": remap("1.3.6.1.4.1.14519.5"), "nodules": 1}]


def test_findings_to_ignore(staff: Sender, settings: Settings) -> None:
    bring(staff, table((UID, 0, 0, 0, 6)), dry_run="0", as_ignored="1")
    assert staff.browser.get(URL).get_json()["findings"][0]["kind"] == "ignore"
    excluded = settings.data / "hospital_a" / "annotations_excluded.csv"
    assert len(read_findings(excluded, excluded=True)) == 1


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b"", "a.csv"),
        (b"\xff\xfe\x00", "a.csv"),
        (b"seriesuid,x\n1,2\n", "a.csv"),
        (b"<a/>", "a.xml"),
        (b"MZ", "a.exe"),
    ],
)
def test_what_is_no_table_is_told(staff: Sender, content: bytes, name: str) -> None:
    answer = bring(staff, content, name, dry_run="0")
    assert (answer.status_code, answer.get_json()["error"]["code"]) == (422, "bad_annotations")
    assert not list(staff.browser.get("/api/uploads").get_json())


def test_a_file_has_to_be_chosen(staff: Sender) -> None:
    answer = staff.browser.post("/api/annotations/import", data={"dry_run": "1"}, headers=staff.headers)
    assert list(answer.get_json()["error"]["fields"]) == ["file"]


def test_a_table_of_more_than_a_form_may_hold(staff: Sender) -> None:
    rows = [("1.2.3.4.5.6.7.8.9", 0, 0, 0, 6)] * 60_000
    head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="annotations.csv"\r\n\r\n'
    body = head + table(*rows) + b"\r\n--x--\r\n"
    assert len(body) > 1_000_000
    answer = staff.browser.post(
        "/api/annotations/import", data=body, headers=staff.headers, content_type="multipart/form-data; boundary=x"
    )
    assert answer.get_json()["rows"] == 60_000


def test_the_table_can_be_taken_away(staff: Sender, settings: Settings) -> None:
    save(staff, 0, FINDING)
    answer = staff.browser.get("/api/annotations/export.csv")
    assert (answer.mimetype, answer.headers["Content-Disposition"]) == (
        "text/csv",
        'attachment; filename="annotations.csv"',
    )
    assert answer.data == (settings.data / "hospital_a" / "annotations.csv").read_bytes()
