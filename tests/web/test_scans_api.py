"""The scans of a hospital: what is told about them, to whom, and what may be changed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fedlung.settings import Settings
from fedlung.stores.hospital_store import HospitalStore
from fedlung.web.live.streams import ADMIN, Stream
from fedlung.web.services import Services
from tests.upload_world import Sender, a_chest, metaimage_files, put_scan
from tests.web.conftest import SignedIn


@pytest.fixture
def staff(signed_in: SignedIn) -> Sender:
    return Sender(signed_in("staff_a"))


@pytest.fixture
def store(services: Services) -> HospitalStore:
    return services.scans.hospital("hospital_a")


@pytest.fixture
def scan_id(store: HospitalStore) -> str:
    return put_scan(store, a_chest(name="2.25.1"))


def one(staff: Sender, scan_id: str) -> dict[str, Any]:
    found: dict[str, Any] = staff.browser.get(f"/api/scans/{scan_id}").get_json()
    return found


def declare_read(staff: Sender, scan_id: str, version: int = 0) -> None:
    body = {"version": version, "is_read": True, "findings": []}
    assert staff.change("PUT", f"/api/scans/{scan_id}/annotations", body).status_code == 200


def test_a_scan_goes_from_checked_to_ready(staff: Sender, scan_id: str, store: HospitalStore) -> None:
    assert one(staff, scan_id)["state"] == "checked"
    too_early = staff.change("PATCH", f"/api/scans/{scan_id}", {"is_ready": True})
    assert too_early.status_code == 422
    assert "read, no nodules" in too_early.get_json()["error"]["fields"]["is_ready"]
    declare_read(staff, scan_id)
    scan = one(staff, scan_id)
    assert (scan["state"], scan["is_read"], scan["nodules"]) == ("annotated", True, 0)
    changed = staff.change("PATCH", f"/api/scans/{scan_id}", {"is_ready": True}).get_json()
    assert (changed["state"], changed["is_ready"]) == ("ready", True)
    store.usage.append("run", 3, [scan_id])
    store.usage.append("run", 4, [scan_id])
    assert one(staff, scan_id)["used"] == [{"run_id": "run", "rounds": "3-4"}]
    back = staff.change("PATCH", f"/api/scans/{scan_id}", {"is_ready": False}).get_json()
    assert (back["state"], back["is_ready"]) == ("annotated", False)


@pytest.mark.parametrize("label", ["", "   ", "x" * 121, 7, "a\x07b"])
def test_a_label_has_to_make_sense(staff: Sender, scan_id: str, label: object) -> None:
    answer = staff.change("PATCH", f"/api/scans/{scan_id}", {"label": label})
    assert answer.status_code == 422
    assert list(answer.get_json()["error"]["fields"]) == ["label"]


def test_a_label_may_be_anything_that_people_read(staff: Sender, scan_id: str, settings: Settings) -> None:
    name = "<b>李</b> =1+1"
    assert staff.change("PATCH", f"/api/scans/{scan_id}", {"label": f" {name} "}).get_json()["label"] == name
    assert "李" not in (settings.data / "audit.jsonl").read_text()


def test_two_scans_of_a_hospital_have_two_names(staff: Sender, scan_id: str, services: Services) -> None:
    put_scan(services.scans.hospital("hospital_a"), a_chest(5, "1.2.3.5"), "CT 0002")
    answer = staff.change("PATCH", f"/api/scans/{scan_id}", {"label": " CT  0002"})
    assert (answer.status_code, list(answer.get_json()["error"]["fields"])) == (422, ["label"])
    assert staff.change("PATCH", "/api/scans/1.2.3.5", {"label": "CT 0002"}).status_code == 200, "its own name is free"


@pytest.mark.parametrize("body", [{"labels": "x"}, {"is_ready": "yes"}, {"is_ready": 1}])
def test_other_fields_are_refused(staff: Sender, scan_id: str, body: dict[str, Any]) -> None:
    assert staff.change("PATCH", f"/api/scans/{scan_id}", body).status_code == 422


def test_clinicians_are_not_told_names_of_files(staff: Sender, scan_id: str, signed_in: SignedIn) -> None:
    clinician = signed_in("clinician_a")
    assert one(staff, scan_id)["uploaded_as"] == "somebody's name.mhd"
    for path in ("/api/scans", f"/api/scans/{scan_id}"):
        answer = clinician.get(path)
        assert answer.status_code == 200
        assert "somebody" not in answer.text
        assert "patient_key" not in answer.text


def test_all_of_them_in_numbers(staff: Sender, scan_id: str, store: HospitalStore) -> None:
    put_scan(store, a_chest(1, "2.25.2"), "CT 0002")
    finding = {"center_xyz_mm": [0, 0, 0], "diameter_mm": 6.5}
    body = {"version": 0, "is_read": True, "findings": [finding, {**finding, "kind": "ignore"}]}
    assert staff.change("PUT", f"/api/scans/{scan_id}/annotations", body).status_code == 200
    store.set_ready(scan_id, True, "staff_a")
    answer = staff.browser.get("/api/scans").get_json()
    totals = answer["totals"]
    assert (totals["scans"], totals["ready"], totals["nodules"]) == (2, 1, 1)
    assert sum(totals["size_histogram"]["counts"]) == 1
    assert totals["spacing"]["slice_mm"]["median"] == 5.0
    assert totals["manufacturers"] == {"": 2}
    assert totals["bytes"] == store.scans.bytes_used() > 0
    assert (answer["is_ready"], answer["keep_original_dicom"]) == (True, False)


def test_the_coordinator_sees_the_switch_and_numbers_only(staff: Sender, scan_id: str, signed_in: SignedIn) -> None:
    declare_read(staff, scan_id)
    staff.change("PATCH", f"/api/scans/{scan_id}", {"is_ready": True})
    admin = signed_in("admin")

    def card() -> Any:
        return admin.get("/api/hospitals").get_json()[0]

    assert (card()["ready"], card()["scans"], card()["scans_not_ready"]) == (True, 1, 0)
    answer = staff.change("PUT", "/api/scans/readiness", {"is_ready": False})
    assert answer.get_json() == {"is_ready": False, "keep_original_dicom": False}
    assert (card()["ready"], card()["declared_ready"], card()["scans"]) == (False, False, 1)
    assert scan_id not in admin.get("/api/hospitals").text
    for path in ("/api/scans", f"/api/scans/{scan_id}", f"/api/scans/{scan_id}/volume", "/api/uploads"):
        assert admin.get(path).status_code == 403


def test_a_hospital_that_is_not_ready_is_left_out_of_runs(
    staff: Sender, signed_in: SignedIn, settings: Settings
) -> None:
    staff.change("PUT", "/api/scans/readiness", {"is_ready": False})
    admin = Sender(signed_in("admin"))
    named = admin.change("POST", "/api/runs", {"rounds": 1, "hospitals": ["hospital_a", "hospital_b"]})
    assert named.status_code == 422
    assert "hospital_a" in named.get_json()["error"]["fields"]["hospitals"]
    everybody = admin.change("POST", "/api/runs", {"rounds": 1})
    assert everybody.status_code == 201
    assert everybody.get_json()["config"]["hospitals"] == ["hospital_b"]
    Sender(signed_in("staff_b")).change("PUT", "/api/scans/readiness", {"is_ready": False})
    nobody = admin.change("POST", "/api/runs", {"rounds": 1})
    assert "No hospital" in nobody.get_json()["error"]["fields"]["hospitals"]


def test_deleting_is_explained_confirmed_and_complete(
    staff: Sender, scan_id: str, store: HospitalStore, settings: Settings
) -> None:
    declare_read(staff, scan_id)
    store.usage.append("run", 1, [scan_id])
    staff.browser.get(f"/api/scans/{scan_id}/volume?slab=0").close()
    told = staff.browser.get(f"/api/scans/{scan_id}/consequences").get_json()
    assert (told["label"], told["used"][0]["run_id"], len(told["sentences"])) == ("CT 0001", "run", 3)
    wrong = staff.change("DELETE", f"/api/scans/{scan_id}", {"confirm": "CT 1"})
    assert (wrong.status_code, list(wrong.get_json()["error"]["fields"])) == (422, ["confirm"])
    assert staff.change("DELETE", f"/api/scans/{scan_id}", {"confirm": "CT 0001"}).status_code == 204
    assert staff.browser.get(f"/api/scans/{scan_id}").status_code == 404
    left = [path for path in settings.data.rglob(f"*{scan_id}*") if path.name != "used.jsonl"]
    assert left == []
    assert list((settings.data / "cache" / "volumes").iterdir()) == []
    assert "scan_deleted" in (settings.data / "audit.jsonl").read_text()


def test_a_program_deletes_without_a_body(staff: Sender, signed_in: SignedIn, scan_id: str) -> None:
    address, stranger = f"/api/scans/{scan_id}", Sender(signed_in("staff_b"))
    assert [scan["id"] for scan in staff.browser.get("/api/scans").get_json()["scans"]] == [scan_id]
    assert stranger.browser.delete(address, headers=stranger.headers).status_code == 404
    assert staff.browser.delete(address, headers=staff.headers).status_code == 204
    assert staff.browser.get("/api/scans").get_json()["scans"] == []


def test_a_program_finishes_an_upload_without_a_body(staff: Sender, services: Services, tmp_path: Path) -> None:
    for name, content in metaimage_files(a_chest(), tmp_path).items():
        url = staff.create(name, len(content), "g").headers["Location"]
        staff.patch(url, 0, content)
    assert staff.browser.post(f"{url}/finish", headers=staff.headers).status_code == 202
    services.scans.intake.work_once()
    assert [result["outcome"] for result in staff.group("g")["results"]] == ["stored"]


def test_changes_are_told_in_the_house_and_the_administration_hears_that_numbers_changed(
    staff: Sender, scan_id: str, services: Services
) -> None:
    streams = [Stream(role, hospital) for role in ("staff", "clinician") for hospital in ("hospital_a", "hospital_b")]
    before = {stream: services.hub.seq(stream) for stream in (ADMIN, *streams)}
    declare_read(staff, scan_id)
    services.hub.drain(lambda name, event, room: None)
    heard = {str(stream): services.hub.since(stream, seq) for stream, seq in before.items()}
    assert heard["staff:hospital_b"] == heard["clinician:hospital_b"] == []
    told = [{name: event[name] for name in event if name not in ("seq", "time")} for event in heard["admin"] or ()]
    assert told == [{"event": "hospital_status", "hospital": "hospital_a", "hospitals_changed": True}]
    for stream in ("staff:hospital_a", "clinician:hospital_a"):
        assert [(event["event"], event["scans_changed"]) for event in heard[stream] or ()] == [
            ("hospital_status", True)
        ]
    assert scan_id not in json.dumps(heard)
