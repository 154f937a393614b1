"""Scans of one patient know of each other, inside their hospital; what makes them one is not told."""

from __future__ import annotations

import json

from fedlung.stores.hospital_store import HospitalStore
from fedlung.web.services import Services
from tests.upload_world import a_chest, put_scan
from tests.web.conftest import SignedIn


def of_patient(store: HospitalStore, scan_id: str, patient_key: str) -> str:
    put_scan(store, a_chest(name=scan_id))
    path = store.folder / "scan_records" / f"{scan_id}.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "patient_key": patient_key}))
    return scan_id


def test_scans_of_one_patient_are_told_inside_the_hospital_only(services: Services, signed_in: SignedIn) -> None:
    here, there = services.scans.hospital("hospital_a"), services.scans.hospital("hospital_b")
    for number, key in enumerate(["key", "key", "other", "", ""], start=1):
        of_patient(here, f"2.25.{number}", key)
    of_patient(there, "2.25.9", "key")
    browser = signed_in("clinician_a")
    told = {number: browser.get(f"/api/scans/2.25.{number}").get_json()["same_patient"] for number in (1, 2, 3, 4)}
    assert told == {1: ["2.25.2"], 2: ["2.25.1"], 3: [], 4: []}
    assert b"patient_key" not in browser.get("/api/scans/2.25.1").data
