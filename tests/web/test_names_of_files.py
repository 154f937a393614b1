"""The name of a file that was sent may be a patient's: the hospital's staff see it, and nobody else does."""

from __future__ import annotations

import base64
import contextlib
import re
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from fedlung.imaging.intake.digest import voxels_sha256
from fedlung.settings import Settings
from fedlung.stores.hospitals import HospitalFolders
from fedlung.stores.supabase.mirror_rows import Site
from fedlung.stores.supabase.mirror_sources import AnnotationSource, AuditSource, SiteSource
from fedlung.web.services import Services
from tests.fake_reader import LONG, FakeReader
from tests.marked_chest import save_dicom
from tests.upload_world import Sender, a_chest, metaimage_files, store_scan, written_long_ago
from tests.web.conftest import SignedIn
from tests.web.fake_launcher import FakeLauncher
from tests.web.reading_people import Person, reading_services

pytestmark = pytest.mark.slow
FOLDER = "Wang_Xiaoming_1950"
"""Not the patient's name in the DICOM headers, which SEG and SR of a kept original have to hold."""
_STREAM = re.compile(rb"stream\r?\n(.*?)endstream", re.DOTALL)


@pytest.fixture
def services(settings: Settings, launcher: FakeLauncher) -> Iterator[Services]:
    with reading_services(settings, launcher, FakeReader()) as made:
        yield made


@pytest.fixture
def scan_id(signed_in: SignedIn, services: Services, tmp_path: Path) -> str:
    """A DICOM series sent as a folder; the originals are kept, so that there are SEG and SR."""
    services.scans.hospital("hospital_a").readiness.set_hospital(keep_original_dicom=True)
    files = {f"{FOLDER}/{path.name}": path.read_bytes() for path in save_dicom(tmp_path / "series")}
    return store_scan(Sender(signed_in("staff_a")), services, files)


def holds(content: bytes) -> bool:
    """Also within the packed pages of a PDF, in both encodings that its fonts use."""
    texts = [content]
    for packed in _STREAM.findall(content):
        with contextlib.suppress(ValueError, zlib.error):
            texts.append(zlib.decompress(base64.a85decode(b"<~" + packed.strip(), adobe=True)))
    return any(FOLDER.encode(code) in text for text in texts for code in ("utf-8", "utf-16-be"))


def test_staff_see_the_name_and_clinicians_do_not(signed_in: SignedIn, scan_id: str) -> None:
    seen = signed_in("staff_a").get(f"/api/scans/{scan_id}").get_json()
    assert seen["uploaded_as"] == FOLDER
    assert "file name" not in seen["removed"], "it is kept"
    clinician = signed_in("clinician_a")
    for path in ("/api/scans", f"/api/scans/{scan_id}", "/api/status"):
        assert not holds(clinician.get(path).data), path


def test_no_export_holds_the_name(signed_in: SignedIn, services: Services, scan_id: str) -> None:
    clinician = Person(signed_in("clinician_a"))
    asked = clinician.ask(scan_id)["id"]
    assert services.predictions.wait_until_idle(LONG)
    clinician.judge(asked, m1="accepted")
    for ending in (".csv", ".json", ".pdf", "/seg.dcm", "/sr.dcm"):
        answer = clinician.get(f"/api/predictions/{asked}/export{ending}")
        assert answer.status_code == 200, (ending, answer.text)
        assert not holds(answer.data), ending
    assert not holds(clinician.get(f"/api/predictions/{asked}").data)
    staff = signed_in("staff_a")
    staff_label = Person(staff).send("PATCH", f"/api/scans/{scan_id}", {"label": FOLDER})
    assert staff_label.status_code == 200
    assert holds(clinician.get(f"/api/predictions/{asked}/export.pdf").data), "it would be found"


def test_nothing_of_it_leaves_the_hospital(
    signed_in: SignedIn, services: Services, settings: Settings, scan_id: str
) -> None:
    staff = Person(signed_in("staff_a"))
    body: dict[str, Any] = {"version": 0, "findings": [], "is_read": True}
    assert staff.send("PUT", f"/api/scans/{scan_id}/annotations", body).status_code == 200
    assert staff.send("PATCH", f"/api/scans/{scan_id}", {"is_ready": True}).status_code == 200
    admin = signed_in("admin")
    for path in ("/server", "/audit", "/api/hospitals", "/api/status", "/api/runs", "/history", "/models"):
        assert not holds(admin.get(path, follow_redirects=True).data), path
    assert admin.get(f"/api/scans/{scan_id}").status_code in (403, 404)
    assert scan_id in admin.get("/audit").text
    for other in ("staff_b", "clinician_b"):
        assert signed_in(other).get(f"/api/scans/{scan_id}").status_code == 404

    hospitals, site = HospitalFolders(settings.data), Site(uuid4(), "5ec7e7")
    sources = (
        AuditSource(site, services.audit.path),
        AnnotationSource(site, hospitals),
        SiteSource(site, hospitals),
    )
    rows = [row for source in sources for batch in source.news({}) for row in batch.rows]
    assert len(rows) > len(sources)
    assert FOLDER not in repr(rows)
    outside = [path for path in settings.data.rglob("*") if path.is_file() and "hospital_a" not in path.parts]
    assert not [path for path in outside if FOLDER.encode() in path.read_bytes()]
    assert not [path for path in (settings.data / "hospital_a" / "scans").iterdir() if holds(path.read_bytes())]


def test_the_audit_does_not_name_files_that_were_copied_by_hand(
    signed_in: SignedIn, services: Services, settings: Settings
) -> None:
    scans = settings.data / "hospital_a" / "scans"
    metaimage_files(replace(a_chest(), series_uid=FOLDER), scans)
    written_long_ago(scans)
    while services.scans.intake.work_once():
        pass
    staff = Person(signed_in("staff_a"))
    body: dict[str, Any] = {"version": 0, "findings": [], "is_read": True}
    assert staff.send("PUT", f"/api/scans/{FOLDER}/annotations", body).status_code == 200
    assert staff.send("PATCH", f"/api/scans/{FOLDER}", {"is_ready": True}).status_code == 200
    assert staff.send("DELETE", f"/api/scans/{FOLDER}", {"confirm": FOLDER}).status_code == 204
    audit = services.audit.path.read_text()
    assert FOLDER not in audit
    assert audit.count(f'"voxels {voxels_sha256(a_chest())[:16]}"') == 3
