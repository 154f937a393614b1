"""Every id of one hospital, asked for by the people of another one and by the administration: it does not exist."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fedlung.web.services import Services
from tests.upload_world import TUS, Sender, a_chest, metaimage_files, put_scan
from tests.web.conftest import SignedIn

SCAN, CANARY = "2.25.11", "CT of hospital b"
OWN_SCAN = "2.25.22"


@pytest.fixture
def upload(signed_in: SignedIn, services: Services) -> str:
    """Hospital b has a scan and an open upload, hospital a a scan of its own."""
    put_scan(services.scans.hospital("hospital_b"), a_chest(1, SCAN), CANARY)
    put_scan(services.scans.hospital("hospital_a"), a_chest(2, OWN_SCAN), "CT of hospital a")
    staff = Sender(signed_in("staff_b"))
    url = staff.create(f"{CANARY}.mhd", 10, "group").headers["Location"]
    assert staff.patch(url, 0, b"0123").status_code == 204
    return str(url)


def attempts(scan_id: str, upload: str) -> Iterator[tuple[str, str, object]]:
    """(method, path, body) of everything that takes an id."""
    scan = f"/api/scans/{scan_id}"
    for path in ("", "/consequences", "/thumbnail", "/volume", "/volume?slab=0", "/annotations"):
        yield "GET", scan + path, None
    yield "PATCH", scan, {"is_ready": True, "label": "mine now"}
    yield "DELETE", scan, {"confirm": CANARY}
    yield "PUT", f"{scan}/annotations", {"version": 0, "is_read": True, "findings": []}
    yield "HEAD", upload, None
    yield "DELETE", upload, None
    yield "POST", f"{upload}/finish", {"files": [upload.rpartition("/")[2]]}


def state(services: Services) -> object:
    store = services.scans.hospital("hospital_b")
    (group,) = store.uploads.groups()
    newest = store.annotations.newest(SCAN)
    received = [store.uploads.received(group, file) for file in group.files]
    return store.scans.records(), group, received, newest, store.readiness.now()


@pytest.mark.parametrize("username", ["staff_a", "clinician_a", "admin"])
def test_what_is_anothers_does_not_exist(signed_in: SignedIn, services: Services, upload: str, username: str) -> None:
    person, before = Sender(signed_in(username)), state(services)
    for method, path, body in attempts(SCAN, upload):
        answer = person.browser.open(path, method=method, json=body, headers=person.headers)
        # Who may not do it at all is told so, before anything is looked up.
        expected = {404} if username == "staff_a" else {403, 404}
        assert answer.status_code in expected, f"{method} {path}"
        assert CANARY not in answer.text
    patched = person.patch(upload, 4, b"4567")
    assert patched.status_code in {404} if username == "staff_a" else {403}
    for path in ("/api/scans", "/api/uploads", "/api/annotations/export.csv", "/api/status", "/api/hospitals"):
        text = person.browser.get(path).text
        assert CANARY not in text, path
        assert SCAN not in text, path
    assert state(services) == before


@pytest.mark.parametrize("username", ["staff_b", "clinician_b"])
def test_its_own_people_find_it(signed_in: SignedIn, upload: str, username: str) -> None:
    browser = signed_in(username)
    assert browser.get(f"/api/scans/{SCAN}").get_json()["label"] == CANARY
    assert browser.get(f"/api/scans/{OWN_SCAN}").status_code == 404
    if username == "staff_b":
        assert browser.head(upload, headers=TUS).headers["Upload-Offset"] == "4"


def test_one_anothers_uploads_do_not_mix(signed_in: SignedIn, upload: str) -> None:
    """The same group key in two hospitals is two groups."""
    staff_a, staff_b = Sender(signed_in("staff_a")), Sender(signed_in("staff_b"))
    own = staff_a.create("own.mhd", 4, "group").headers["Location"]
    assert [file["name"] for file in staff_a.group("group")["files"]] == ["own.mhd"]
    assert [file["name"] for file in staff_b.group("group")["files"]] == [f"{CANARY}.mhd"]
    mixed = {"files": [own.rpartition("/")[2], upload.rpartition("/")[2]]}
    staff_a.patch(own, 0, b"0123")
    assert staff_a.change("POST", f"{own}/finish", mixed).status_code == 404


def test_the_same_scan_in_two_hospitals_is_no_duplicate(
    signed_in: SignedIn, services: Services, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Whether another hospital has a scan must not be found out by sending it."""
    ids = []
    for username in ("staff_a", "staff_b"):
        staff = Sender(signed_in(username))
        staff.send(metaimage_files(a_chest(name="same"), tmp_path_factory.mktemp(username)), "group")
        services.scans.intake.work_once()
        group = staff.group("group")
        assert group["state"] == "done"
        ids.append(group["results"][0]["scan_id"])
    assert ids[0] != ids[1], "one name is two ids in two hospitals"


@pytest.mark.parametrize(
    "scan_id",
    ["..%2fhospital_b%2fscans%2f2.25.11", "%2e%2e", "2.25.11%00", "2.25.11.mhd", "*", "2.25.11%2f..%2f2.25.22"],
)
def test_an_id_is_never_a_path(signed_in: SignedIn, upload: str, scan_id: str) -> None:
    browser = signed_in("staff_a")
    for path in ("", "/volume", "/thumbnail", "/annotations"):
        assert browser.get(f"/api/scans/{scan_id}{path}").status_code == 404
    assert browser.head(f"/api/uploads/{scan_id}", headers=TUS).status_code == 404
