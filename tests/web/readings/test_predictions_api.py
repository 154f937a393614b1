"""The API of predictions: ask, follow, judge, offer; and that a hospital's readings exist for its own people only."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient

from fedlung.errors import FedLungError
from fedlung.settings import Settings
from fedlung.stores.scan_records import ScanRecord
from fedlung.stores.scans import FileScanStore
from fedlung.web.services import Services
from tests.fake_reader import LONG, SHAPE_ZYX, SPACING_ZYX_MM, FakeReader, write_scan
from tests.web.reading_people import Person

OWN_PEOPLE, STRANGERS = ("staff_a", "clinician_a"), ("staff_b", "clinician_b")
ID_PATHS = (
    "",
    "/mask",
    "/offer",
    "/export.csv",
    "/export.json",
    "/export.pdf",
    "/export/seg.dcm",
    "/export/sr.dcm",
    "/comparison?prior={id}",
)


@pytest.mark.parametrize("username", OWN_PEOPLE)
def test_ask_follow_and_read(person: Callable[[str], Person], services: Services, username: str) -> None:
    somebody = person(username)
    asked = somebody.ask()
    assert asked["state"] in ("queued", "running", "finished")
    assert services.predictions.wait_until_idle(LONG)
    found = somebody.read(asked["id"])
    assert (found["state"], found["scan_id"], found["by"]) == ("finished", "scan", username)
    assert [c["id"] for c in found["candidates"]] == ["m1", "m2", "m3"]
    assert found["candidates"][0]["position"]["text"] == "right lung, lower third"
    assert found["marks"]["version"] == 0
    assert (found["total_seconds"], found["threshold"]) == (round(sum(found["seconds"].values()), 3), 0.5)
    assert found["notice"] == "Research use, not for diagnosis."
    assert [entry["id"] for entry in somebody.get("/api/predictions?scan_id=scan").get_json()] == [asked["id"]]
    assert somebody.get("/api/predictions?scan_id=x").get_json() == []
    (deed,) = services.audit.page(action="prediction_asked")
    assert (deed["actor"], deed["target"], deed["hospital_id"]) == (username, asked["id"], "hospital_a")


def test_the_second_time_the_answer_is_there(person: Callable[[str], Person], done: str) -> None:
    asked = person("staff_a").ask()
    assert (asked["id"], asked["state"]) == (done, "finished")


def test_what_is_shown_of_the_model_names_no_other_hospital(person: Callable[[str], Person], done: str) -> None:
    found = person("clinician_a").read(done)
    assert "hospital_b" not in str(found)
    model = found["model"]
    assert (model["id"], model["hospitals"], model["rounds"], model["validation"]) == ("one", 2, 3, {"cpm": 0.5})
    assert found["operating_points"] == [], "its validation named no threshold"


def test_every_id_crossed_between_two_hospitals_is_not_found(
    person: Callable[[str], Person], done: str, services: Services
) -> None:
    others = person("staff_b").ask()["id"]
    assert services.predictions.wait_until_idle(LONG)
    for names, foreign in ((STRANGERS, done), (OWN_PEOPLE, others)):
        for name in names:
            somebody = person(name)
            for path in ID_PATHS:
                answer = somebody.get(f"/api/predictions/{foreign}{path.format(id=foreign)}")
                assert answer.status_code == 404, f"{name} {path}"
            assert somebody.get(f"/inference/{foreign}").status_code == 404
            assert somebody.send("POST", f"/api/predictions/{foreign}/offer").status_code == 404
            assert somebody.send("DELETE", f"/api/predictions/{foreign}").status_code == 404
            body = {"version": 0, "items": []}
            assert somebody.send("PUT", f"/api/predictions/{foreign}/marks", body).status_code == 404
            assert foreign not in somebody.get("/api/predictions").text
    # An own prediction beside another hospital's is no way in either.
    assert person("staff_a").get(f"/api/predictions/{done}/comparison?prior={others}").status_code == 404


def test_a_scan_of_another_hospital_cannot_be_read(person: Callable[[str], Person], settings: Settings) -> None:
    write_scan(settings.data / "hospital_b", "only_b")
    answer = person("clinician_a").send("POST", "/api/predictions", {"scan_id": "only_b"})
    assert (answer.status_code, answer.get_json()["error"]["code"]) == (404, "not_found")


@pytest.mark.parametrize("prediction_id", ["x", "..", "%2e%2e", "*", "0" * 32])
def test_made_up_ids_are_not_found(person: Callable[[str], Person], done: str, prediction_id: str) -> None:
    assert person("staff_a").get(f"/api/predictions/{prediction_id}").status_code == 404


def test_administrators_and_strangers_stay_out(
    person: Callable[[str], Person], done: str, stranger: FlaskClient
) -> None:
    admin = person("admin")
    for path in ID_PATHS:
        address = f"/api/predictions/{done}{path.format(id=done)}"
        assert admin.get(address).status_code == 403
        assert stranger.get(address).status_code == 401


def test_a_failed_reading_says_which_stage_and_why_and_has_no_list(
    person: Callable[[str], Person], fake: FakeReader, services: Services
) -> None:
    fake.failure = FedLungError("the network's heat is NaN or infinite")
    somebody = person("clinician_a")
    asked = somebody.ask()
    assert services.predictions.wait_until_idle(LONG)
    found = somebody.read(asked["id"])
    assert (found["state"], found["candidates"], found["marks"], found["num_candidates"]) == (
        "failed",
        None,
        None,
        None,
    )
    assert found["error"] == {
        "stage": "network",
        "stage_text": "running the network",
        "code": "failed",
        "message": "the network's heat is NaN or infinite",
    }
    for path in ("/mask", "/export.csv", "/export.json", "/export.pdf", "/export/seg.dcm"):
        answer = somebody.get(f"/api/predictions/{asked['id']}{path}")
        assert (answer.status_code, answer.get_json()["error"]["code"]) == (409, "conflict")


def test_marks_are_kept_with_author_and_a_conflict_shows_the_newest(person: Callable[[str], Person], done: str) -> None:
    first, second = person("clinician_a"), person("staff_a")
    items = first.read(done)["marks"]["items"]
    items[0]["status"] = "accepted"
    own = {"id": "r-1", "source": "reader", "center_xyz_mm": [-60, 10, 20], "diameter_mm": 6.5, "status": "open"}
    path = f"/api/predictions/{done}/marks"
    saved = first.send("PUT", path, {"version": 0, "items": [*items, own], "first_read_declared": True}).get_json()
    assert (saved["version"], saved["author"], saved["first_read_declared"]) == (1, "clinician_a", True)
    assert [mark["author"] for mark in saved["items"]] == ["clinician_a", "", "", "clinician_a"]
    late = second.send("PUT", path, {"version": 0, "items": items})
    assert (late.status_code, late.get_json()["error"]["code"]) == (409, "conflict")
    seen_by_second = {**saved, "first_read_declared": False}
    assert late.get_json()["marks"] == seen_by_second
    assert second.read(done)["marks"] == seen_by_second
    assert second.read(done)["history"][0]["accepted"] == 1


WRONG_MARKS: dict[str, tuple[dict[str, Any], str]] = {
    "outside": ({"center_xyz_mm": [900, 0, 0]}, "center_xyz_mm"),
    "nan": ({"center_xyz_mm": [float("nan"), 0, 0]}, "center_xyz_mm"),
    "two numbers": ({"center_xyz_mm": [0, 0]}, "center_xyz_mm"),
    "too small": ({"diameter_mm": 0.5}, "diameter_mm"),
    "too large": ({"diameter_mm": 101}, "diameter_mm"),
    "unknown status": ({"status": "perhaps"}, "status"),
    "the model's id": ({"id": "m1"}, "id"),
    "made-up mark of the model": ({"source": "model"}, "id"),
    "a path": ({"id": "../x"}, "id"),
    "long comment": ({"comment": "x" * 1001}, "comment"),
}


@pytest.mark.parametrize("name", WRONG_MARKS)
def test_marks_that_make_no_sense_are_refused_by_field(person: Callable[[str], Person], done: str, name: str) -> None:
    change, field = WRONG_MARKS[name]
    own = {"id": "r1", "source": "reader", "center_xyz_mm": [-60, 10, 20], "diameter_mm": 6.5, "status": "open"}
    body = {"version": 0, "items": [{**own, **change}]}
    answer = person("staff_a").send("PUT", f"/api/predictions/{done}/marks", body)
    assert answer.status_code == 422
    assert any(field in named for named in answer.get_json()["error"]["fields"])


def test_accepted_marks_are_offered_to_the_staff(person: Callable[[str], Person], done: str) -> None:
    clinician, staff = person("clinician_a"), person("staff_a")
    path = f"/api/predictions/{done}"
    assert clinician.send("POST", f"{path}/offer").status_code == 409, "nothing is accepted yet"
    items = clinician.read(done)["marks"]["items"]
    items[0] |= {"status": "accepted", "comment": "sure"}
    assert clinician.send("PUT", f"{path}/marks", {"version": 0, "items": items}).status_code == 200
    assert [entry["offered"] for entry in staff.get("/api/predictions?scan_id=scan").get_json()] == [None]
    assert clinician.send("POST", f"{path}/offer").status_code == 201
    (entry,) = staff.get("/api/predictions?scan_id=scan").get_json()
    assert (entry["offered"]["by"], entry["offered"]["nodules"]) == ("clinician_a", 1)
    offered = staff.get(f"{path}/offer").get_json()
    assert (offered["by"], offered["origin"], offered["scan_id"], offered["marks_version"]) == (
        "clinician_a", "prediction", "scan", 1,
    )  # fmt: skip
    (finding,) = offered["findings"]
    assert (finding["center_xyz_mm"], finding["kind"], finding["comment"], finding["author"]) == (
        items[0]["center_xyz_mm"], "nodule", "sure", "clinician_a",
    )  # fmt: skip
    assert staff.read(done)["offers"] == [{name: offered[name] for name in ("time", "by", "marks_version", "nodules")}]


def test_the_mask_lies_on_the_grid_of_its_headers(person: Callable[[str], Person], done: str) -> None:
    somebody = person("clinician_a")
    answer = somebody.get(f"/api/predictions/{done}/mask")
    assert (answer.headers["Content-Encoding"], answer.headers["Content-Type"]) == ("gzip", "application/octet-stream")
    shape = [int(number) for number in answer.headers["X-Shape-Zyx"].split()]
    origin = np.array(answer.headers["X-Origin-Xyz-Mm"].split(), dtype=float)
    labels = np.frombuffer(gzip.decompress(answer.data), dtype=np.uint8).reshape(shape)
    for number, candidate in enumerate(somebody.read(done)["candidates"], start=1):
        middle = np.argwhere(labels == number).mean(axis=0)[::-1] + origin  # 1 mm, axes of the world
        assert np.linalg.norm(middle - candidate["center_xyz_mm"]) < 1.0


def test_the_queue_is_shown(person: Callable[[str], Person], fake: FakeReader, settings: Settings) -> None:
    write_scan(settings.data / "hospital_a", "second", seed=5)
    fake.go_on.clear()
    somebody = person("clinician_a")
    first = somebody.ask()
    assert fake.reached.wait(LONG)
    second = somebody.ask("second")
    assert (second["state"], second["queue_position"]) == ("queued", 1)
    running = somebody.read(first["id"])
    assert (running["state"], running["stage"], running["progress"], running["queue_position"]) == (
        "running", "network", 0.5, 0,
    )  # fmt: skip
    assert running["candidates"] is None


@pytest.mark.parametrize("body", [{}, {"scan_id": 7}, {"scan_id": ""}, {"scan_id": "scan", "model_id": 1}])
def test_requests_that_make_no_sense_are_refused(person: Callable[[str], Person], body: dict[str, Any]) -> None:
    answer = person("clinician_a").send("POST", "/api/predictions", body)
    assert (answer.status_code, len(answer.get_json()["error"]["fields"])) == (422, 1)


def test_a_scan_that_was_refused_is_not_read_and_the_reading_says_why(
    person: Callable[[str], Person], settings: Settings, services: Services
) -> None:
    folder = settings.data / "hospital_a"
    check = {"code": "hu", "level": "error", "text": "No HU of %(organ)s.", "values": {"organ": "a body"}}
    known = ScanRecord("scan", "scan", "", "folder", "2026-01-01", "x", "v0", SHAPE_ZYX, SPACING_ZYX_MM)
    FileScanStore(folder).describe(replace(known, checks=(check,)), folder)
    asked = person("clinician_a").ask()
    assert services.predictions.wait_until_idle(LONG)
    found = person("clinician_a").read(asked["id"])
    assert (found["state"], found["candidates"], found["error"]["stage"]) == ("failed", None, "read")
    assert "No HU of a body." in found["error"]["message"]


def test_a_damaged_model_is_refused_at_once(person: Callable[[str], Person], services: Services) -> None:
    services.models.get("one").path.write_bytes(b"torn")
    answer = person("clinician_a").send("POST", "/api/predictions", {"scan_id": "scan"})
    assert (answer.status_code, answer.get_json()["error"]["code"]) == (422, "bad_checkpoint")


def test_the_page_of_a_prediction(person: Callable[[str], Person], done: str) -> None:
    page = person("clinician_a").get(f"/inference/{done}")
    assert page.status_code == 200
    assert done in page.text
