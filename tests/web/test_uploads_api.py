"""Uploads over HTTP: the tus protocol, groups, limits, and what becomes of what was sent."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from fedlung.settings import Settings
from fedlung.stores.room import Limits
from fedlung.stores.upload_groups import CHECKING
from fedlung.web.services import Services
from tests.upload_world import PIECES, TUS, Sender, a_chest, encoded, metaimage_files, written_long_ago
from tests.web.conftest import SignedIn


@pytest.fixture
def staff(signed_in: SignedIn) -> Sender:
    return Sender(signed_in("staff_a"))


def error_of(answer: object) -> tuple[int, str]:
    return answer.status_code, answer.get_json()["error"]["code"]  # type: ignore[attr-defined]


def started(staff: Sender, size: int = 10, group: str = "g") -> str:
    answer = staff.create("ct.mhd", size, group)
    assert answer.status_code == 201, answer.text
    return str(answer.headers["Location"])


def test_what_the_server_can_do(staff: Sender) -> None:
    answer = staff.browser.options("/api/uploads")
    assert answer.status_code == 204
    assert answer.headers["Tus-Version"] == answer.headers["Tus-Resumable"] == "1.0.0"
    extensions = answer.headers["Tus-Extension"].split(",")
    assert {"creation", "termination", "checksum", "expiration"} <= set(extensions)
    assert int(answer.headers["Tus-Max-Size"]) > 300_000_000


def test_a_file_arrives_in_pieces(staff: Sender) -> None:
    url = started(staff)
    assert url.startswith("/api/uploads/")
    answer = staff.patch(url, 0, b"0123")
    assert (answer.status_code, answer.headers["Upload-Offset"]) == (204, "4")
    assert "GMT" in answer.headers["Upload-Expires"]
    head = staff.browser.head(url, headers=TUS)
    assert (head.headers["Upload-Offset"], head.headers["Upload-Length"]) == ("4", "10")
    assert head.headers["Cache-Control"] == "no-store"
    assert staff.patch(url, 4, b"456789").status_code == 204
    group = staff.group("g")
    assert (group["state"], group["progress"], group["by"]) == ("uploading", 1.0, "staff_a")
    assert group["files"] == [{"id": url.rpartition("/")[2], "name": "ct.mhd", "size_bytes": 10, "received_bytes": 10}]


def test_a_small_file_comes_with_its_creation(staff: Sender) -> None:
    headers = {**staff.headers, "Upload-Length": "4", "Upload-Metadata": encoded(filename="ct.mhd")}
    answer = staff.browser.post("/api/uploads", headers=headers, data=b"0123", content_type=PIECES)
    assert (answer.status_code, answer.headers["Upload-Offset"]) == (201, "4")
    assert staff.offset(answer.headers["Location"]) == 4


def test_more_than_a_form_may_hold_goes_into_a_piece(staff: Sender) -> None:
    content = bytes(3_000_000)
    url = started(staff, len(content))
    assert staff.patch(url, 0, content).headers["Upload-Offset"] == str(len(content))


REFUSED: dict[str, tuple[Callable[[Sender, str], object], tuple[int, str]]] = {
    "wrong offset": (lambda staff, url: staff.patch(url, 3, b"x"), (409, "conflict")),
    "no offset": (lambda staff, url: staff.patch(url, 0, b"x", **{"Upload-Offset": ""}), (422, "invalid_input")),
    "negative offset": (lambda staff, url: staff.patch(url, -1, b"x"), (422, "invalid_input")),
    "more than announced": (lambda staff, url: staff.patch(url, 0, bytes(11)), (413, "too_large")),
    "wrong type": (
        lambda staff, url: staff.browser.patch(
            url, data=b"x", headers={**staff.headers, "Upload-Offset": "0"}, content_type="text/plain"
        ),
        (415, "wrong_media_type"),
    ),
    "wrong checksum": (
        lambda staff, url: staff.patch(url, 0, b"x", **{"Upload-Checksum": "sha256 AAAA"}),
        (460, "checksum_mismatch"),
    ),
    "unknown checksum": (
        lambda staff, url: staff.patch(url, 0, b"x", **{"Upload-Checksum": "crc32 AAAA"}),
        (422, "invalid_input"),
    ),
    "unfinished": (lambda staff, url: staff.finish([url]), (409, "conflict")),
    "no such upload": (lambda staff, url: staff.patch(f"{url}x", 0, b"x"), (404, "not_found")),
}


@pytest.mark.parametrize(("ask", "expected"), REFUSED.values(), ids=REFUSED.keys())
def test_what_makes_no_sense_is_refused(
    staff: Sender, ask: Callable[[Sender, str], object], expected: tuple[int, str]
) -> None:
    url = started(staff)
    assert error_of(ask(staff, url)) == expected
    assert staff.offset(url) == 0


def test_a_right_checksum_is_accepted(staff: Sender) -> None:
    url = started(staff)
    digest = base64.b64encode(hashlib.sha256(b"0123").digest()).decode()
    assert staff.patch(url, 0, b"0123", **{"Upload-Checksum": f"sha256 {digest}"}).status_code == 204


@pytest.mark.parametrize("version", ["", "0.2.2", "1.0.0 "])
def test_another_version_of_the_protocol(staff: Sender, version: str) -> None:
    headers = {**staff.headers, "Tus-Resumable": version, "Upload-Length": "1"}
    answer = staff.browser.post("/api/uploads", headers=headers)
    if version.strip() != "1.0.0":
        assert (answer.status_code, answer.headers["Tus-Version"]) == (412, "1.0.0")


@pytest.mark.parametrize(
    ("length", "metadata", "field"),
    [
        ("ten", encoded(filename="a"), "Upload-Length"),
        ("10", "", "filename"),
        ("10", encoded(filename="x" * 501), "filename"),
        ("10", "filename %%%", "Upload-Metadata"),
        ("10", encoded(filename="a", group="../x"), "group"),
        ("10", encoded(filename="a", sha256="12"), "sha256"),
    ],
)
def test_headers_are_read_strictly(staff: Sender, length: str, metadata: str, field: str) -> None:
    headers = {**staff.headers, "Upload-Length": length, "Upload-Metadata": metadata}
    answer = staff.browser.post("/api/uploads", headers=headers)
    assert error_of(answer) == (422, "invalid_input")
    assert list(answer.get_json()["error"]["fields"]) == [field]
    assert staff.browser.get("/api/uploads").get_json() == []


NAMES = [
    "<img src=x onerror=alert(1)>.mhd",
    "=1+1.mhd",
    "a\nb.mhd",
    "\u202edhm.exe",
    "病人.mhd",
    "CON",
    "../../x.mhd",
    "a\0b",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_data_and_never_a_path(staff: Sender, settings: Settings, name: str) -> None:
    url = staff.create(name, 1, "g").headers["Location"]
    staff.patch(url, 0, b"x")
    assert staff.group("g")["files"][0]["name"] == name
    stored = [path.name for path in (settings.data / "hospital_a" / "uploads").rglob("*")]
    assert not [each for each in stored if not each.replace(".", "").isalnum()]


def test_too_large_for_the_quota_is_refused_before_anything_is_written(
    staff: Sender, services: Services, settings: Settings
) -> None:
    store = services.scans.hospital("hospital_a")
    store.room.limits = Limits(quota_bytes=1000)
    assert started(staff, 600)
    answer = staff.create("more.raw", 500, "g2")
    assert error_of(answer) == (413, "over_quota")
    store.room.limits = Limits(reserve_bytes=10**18)
    assert error_of(staff.create("more.raw", 1, "g2")) == (507, "no_space")
    assert len(staff.browser.get("/api/uploads").get_json()) == 1
    services.scans.hospital("hospital_b").room.require(500)


def test_cancelling_leaves_nothing(staff: Sender, settings: Settings) -> None:
    url = started(staff)
    staff.patch(url, 0, b"0123")
    assert staff.browser.delete(url, headers=staff.headers).status_code == 204
    assert staff.browser.get("/api/uploads").get_json() == []
    assert list((settings.data / "hospital_a" / "uploads").iterdir()) == []
    assert staff.browser.head(url, headers=TUS).status_code == 404


def test_a_scan_comes_in_and_a_second_time_it_is_known(
    staff: Sender, services: Services, settings: Settings, tmp_path: Path
) -> None:
    files = metaimage_files(a_chest(name="Zhang San"), tmp_path)
    assert staff.send(files, "g1")["state"] == "waiting"
    assert staff.browser.get("/api/scans").get_json()["scans"] == [], "a partial upload is no scan"
    assert services.scans.intake.work_once()
    done = staff.group("g1")
    assert (done["state"], done["results"][0]["outcome"]) == ("done", "stored")
    (scan,) = staff.browser.get("/api/scans").get_json()["scans"]
    assert (scan["scan_id"], scan["state"], scan["is_ready"]) == (done["results"][0]["scan_id"], "checked", False)
    assert (scan["label"], scan["uploaded_as"]) == ("CT 0001", "Zhang San.mhd")
    assert staff.browser.get(scan["thumbnail"]).data[:4] == b"\x89PNG"
    middle = staff.browser.get(f"/api/scans/{scan['scan_id']}").get_json()["slabs"] // 2
    assert [path.name for path in (settings.data / "cache" / "volumes").glob("*/*")] == [f"{middle}.gz"]

    staff.send(files, "g2")
    services.scans.intake.work_once()
    again = staff.group("g2")
    assert (again["state"], again["results"][0]["scan_id"]) == ("duplicate", scan["scan_id"])
    assert "CT 0001" in again["results"][0]["sentence"]
    assert not [path for path in (settings.data / "hospital_a").rglob("*") if path.suffix in (".part", ".partial")]
    log = (settings.data / "audit.jsonl").read_text()
    assert "scan_stored" in log
    assert "Zhang" not in log


def test_what_is_no_scan_is_refused_with_a_sentence_and_leaves_nothing(
    staff: Sender, services: Services, settings: Settings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    before = sorted(path.name for path in (settings.data / "hospital_a").iterdir())
    header, pixels = metaimage_files(a_chest(name="canary"), tmp_path).items()
    staff.send(dict([header, (pixels[0], pixels[1][:-1])]), "short")
    staff.send({"canary.exe": b"MZ"}, "program")
    while services.scans.intake.work_once():
        pass
    for key in ("short", "program"):
        group = staff.group(key)
        assert group["state"] == "refused", group
        assert group["results"][0]["sentence"]
    assert {path.name for path in (settings.data / "hospital_a" / "uploads").rglob("*") if path.is_file()} == {
        "state.json"
    }
    assert sorted(path.name for path in (settings.data / "hospital_a").iterdir()) == sorted([*before, "uploads"])
    assert "canary" not in caplog.text


def test_a_file_that_arrived_damaged_is_refused(staff: Sender, services: Services, tmp_path: Path) -> None:
    urls = []
    for name, content in metaimage_files(a_chest(), tmp_path).items():
        urls.append(staff.create(name, len(content), "g").headers["Location"])
        staff.patch(urls[-1], 0, content)
    wrong = {urls[1].rpartition("/")[2]: hashlib.sha256(b"something else").hexdigest()}
    assert staff.finish(urls, wrong).status_code == 202
    services.scans.intake.work_once()
    group = staff.group("g")
    assert (group["state"], group["results"][0]["name"]) == ("refused", "scan.raw")
    assert "send it again" in group["results"][0]["sentence"]


def test_two_patients_with_one_file_name_are_two_scans(staff: Sender, services: Services, tmp_path: Path) -> None:
    for seed in (1, 2):
        folder = tmp_path / str(seed)
        folder.mkdir()
        staff.send(metaimage_files(a_chest(seed, "ct"), folder), f"g{seed}")
    while services.scans.intake.work_once():
        pass
    assert [staff.group(f"g{seed}")["state"] for seed in (1, 2)] == ["done", "done"]
    scans = staff.browser.get("/api/scans").get_json()["scans"]
    assert sorted(scan["label"] for scan in scans) == ["CT 0001", "CT 0002"]


def test_a_group_under_examination_is_examined_again_after_a_restart(
    staff: Sender, services: Services, tmp_path: Path
) -> None:
    staff.send(metaimage_files(a_chest(), tmp_path), "g")
    store = services.scans.hospital("hospital_a")
    group = store.uploads.groups()[0]
    store.uploads.set_state(group.id, CHECKING)
    (store.uploads.workspace(group) / "half a scan").touch()
    services.scans.intake._begin(store)
    assert services.scans.intake.work_once()
    assert staff.group("g")["state"] == "done"


def test_an_examination_that_breaks_is_told(
    staff: Sender, services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fedlung.web.scans.examination.MODULE", "fedlung.no_such_module")
    staff.send(metaimage_files(a_chest(), tmp_path), "g")
    assert services.scans.intake.work_once()
    group = staff.group("g")
    assert (group["state"], group["results"][0]["scan_id"]) == ("refused", None)
    assert "unexpectedly" in group["results"][0]["sentence"]


def test_a_scan_that_was_copied_by_hand_is_looked_at(staff: Sender, services: Services, settings: Settings) -> None:
    metaimage_files(replace(a_chest(), series_uid="by hand"), settings.data / "hospital_a" / "scans")
    (settings.data / "hospital_a" / "scans" / "broken.mhd").write_text("ObjectType = Image\n")
    written_long_ago(settings.data / "hospital_a" / "scans")
    before = {scan["scan_id"]: scan for scan in staff.browser.get("/api/scans").get_json()["scans"]}
    assert (before["by hand"]["state"], before["by hand"]["is_read"]) == ("ready", True)
    while services.scans.intake.work_once():
        pass
    after = {scan["scan_id"]: scan for scan in staff.browser.get("/api/scans").get_json()["scans"]}
    assert (after["by hand"]["state"], after["by hand"]["source"]) == ("ready", "folder")
    assert {check["level"] for check in after["by hand"]["checks"]} <= {"ok", "warning"}
    assert (after["broken"]["state"], after["broken"]["checks"][0]["level"]) == ("refused", "error")
    assert (after["by hand"]["is_ready"], after["broken"]["is_ready"]) == (True, False)
    assert staff.browser.get("/api/scans/broken").get_json()["geometry"] is None


def test_only_staff_uploads(signed_in: SignedIn, stranger: FlaskClient) -> None:
    for username, status in (("clinician_a", 403), ("admin", 403)):
        assert Sender(signed_in(username)).create("a", 1).status_code == status
    assert stranger.post("/api/uploads", headers=TUS).status_code == 401
