"""The API of the registry: promote, roll back, download, and what happens to models that somebody touched."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from fedlung.settings import Settings
from fedlung.stores.model_registry import ModelEntry
from fedlung.web.services import Services
from tests.web.conftest import SignedIn
from tests.web.fake_launcher import write_model

Post = Callable[[FlaskClient, str], TestResponse]
TRAVERSALS = ["..", "../one", "..%2fone", "%2e%2e", "one%00", "one%23", "%2fetc%2fpasswd", "..\\one", "x"]


@pytest.fixture(autouse=True)
def models(services: Services, settings: Settings) -> list[ModelEntry]:
    """Two models of a run of both hospitals; ``two`` is the newer one."""
    entries = []
    for number, name in enumerate(("one", "two"), start=1):
        file = write_model(settings.data / f"{name}.pth", name.encode())
        card = {"created": f"2026-01-0{number}", "run_id": "run-1", "round": number, "num_hospitals": 2}
        card |= {"hospitals": {"hospital_a": 8, "hospital_b": 4}, "config": {"hospitals": ["hospital_a", "hospital_b"]}}
        card |= {"metrics": {"validation": {"hospital_a": {"cpm": 0.5}, "hospital_b": {"cpm": 0.25}}}}
        entries.append(services.models.add(name, file, card))
    return entries


@pytest.fixture
def post(token_of: Callable[[FlaskClient, str], str]) -> Post:
    return lambda browser, path: browser.post(path, headers={"X-CSRFToken": token_of(browser, "/account")})


def listed(browser: FlaskClient) -> dict[str, Any]:
    return {model["id"]: model for model in browser.get("/api/models").get_json() if not model["built_in"]}


def test_list(signed_in: SignedIn) -> None:
    found = listed(signed_in("admin"))
    assert list(found) == ["two", "one"]
    one = found["one"]
    assert (one["intact"], one["promoted"], one["built_in"], one["size_bytes"]) == (True, False, False, 3)
    assert one["sha256"] == hashlib.sha256(b"one").hexdigest()
    assert (one["run_id"], one["round"], one["hospitals"]) == ("run-1", 1, {"hospital_a": 8, "hospital_b": 4})


def test_promote_and_roll_back(signed_in: SignedIn, post: Post, services: Services) -> None:
    admin = signed_in("admin")
    for name in ("one", "two", "one", "one"):
        answer = post(admin, f"/api/models/{name}/promote")
        assert (answer.status_code, answer.get_json()["promoted"]) == (200, True)
        assert [key for key, model in listed(admin).items() if model["promoted"]] == [name]
    deeds = services.audit.page(action="model_promoted")
    assert [(deed["target"], deed["details"]["before"]) for deed in deeds] == [
        ("one", "two"),
        ("two", "one"),
        ("one", ""),
    ]
    assert listed(admin)["one"]["promoted_by"] == "admin"
    assert listed(signed_in("clinician_a"))["one"]["promoted"] is True


def test_a_touched_model_is_shown_and_refused(
    signed_in: SignedIn, post: Post, models: list[ModelEntry], services: Services
) -> None:
    admin = signed_in("admin")
    post(admin, "/api/models/two/promote")
    models[0].path.write_bytes(b"0ne")
    assert {name: model["intact"] for name, model in listed(admin).items()} == {"two": True, "one": False}
    for answer in (post(admin, "/api/models/one/promote"), admin.get("/api/models/one/download")):
        assert (answer.status_code, answer.get_json()["error"]["code"]) == (422, "bad_checkpoint")
    assert post(admin, "/api/models/one/verify").get_json()["intact"] is False
    assert post(admin, "/api/models/two/verify").get_json()["intact"] is True
    assert services.models.promoted_id() == "two"
    assert services.audit.page(action="model_downloaded") == []
    assert [deed["details"]["intact"] for deed in services.audit.page(action="model_verified")] == [True, False]


@pytest.mark.parametrize("username", ["admin", "staff_a"])
def test_download(signed_in: SignedIn, services: Services, username: str) -> None:
    answer = signed_in(username).get("/api/models/one/download", buffered=True)
    assert answer.data == b"one"
    assert answer.content_length == 3
    assert answer.headers["Content-Disposition"] == "attachment; filename=one.pth"
    assert answer.headers["X-Checksum-Sha256"] == hashlib.sha256(b"one").hexdigest()
    (deed,) = services.audit.page(action="model_downloaded")
    assert (deed["actor"], deed["target"]) == (username, "one")


@pytest.mark.parametrize(("username", "status"), [("staff_a", 403), ("clinician_b", 403)])
def test_who_may_not_decide(signed_in: SignedIn, post: Post, username: str, status: int) -> None:
    browser = signed_in(username)
    for what in ("promote", "verify"):
        assert post(browser, f"/api/models/one/{what}").status_code == status


def test_clinicians_do_not_download(signed_in: SignedIn) -> None:
    assert signed_in("clinician_a").get("/api/models/one/download").status_code == 403


def test_a_stranger_gets_nothing(stranger: FlaskClient) -> None:
    for path in ("", "/one/download", "/one/card"):
        assert stranger.get(f"/api/models{path}").status_code == 401
    for what in ("promote", "verify"):
        assert stranger.post(f"/api/models/one/{what}").status_code == 401


def test_without_token_nothing_changes(signed_in: SignedIn, services: Services) -> None:
    admin = signed_in("admin")
    for what in ("promote", "verify"):
        assert admin.post(f"/api/models/one/{what}").status_code == 400
    assert services.models.promotions() == []


@pytest.mark.parametrize("username", ["staff_a", "clinician_a", "staff_b", "clinician_b"])
def test_no_hospital_learns_of_another(signed_in: SignedIn, username: str) -> None:
    browser = signed_in(username)
    own, other = ("a", "b") if username.endswith("a") else ("b", "a")
    for path in ("/api/models", "/api/models/one/card"):
        text = browser.get(path).text
        assert f"hospital_{own}" in text
        assert f"hospital_{other}" not in text
    assert listed(browser)["one"]["num_hospitals"] == 2


def test_card(signed_in: SignedIn) -> None:
    card = signed_in("admin").get("/api/models/one/card").get_json()
    assert (card["id"], card["run_id"]) == ("one", "run-1")
    assert card["metrics"]["validation"].keys() == {"hospital_a", "hospital_b"}


@pytest.mark.parametrize("model_id", TRAVERSALS)
def test_unknown_ids_are_not_found(signed_in: SignedIn, post: Post, model_id: str) -> None:
    admin = signed_in("admin")
    for what in ("download", "card"):
        assert admin.get(f"/api/models/{model_id}/{what}").status_code == 404
    for what in ("promote", "verify"):
        assert post(admin, f"/api/models/{model_id}/{what}").status_code == 404


def test_a_damaged_history_of_promotions_is_said(signed_in: SignedIn, services: Services) -> None:
    (services.models.root / "promoted.json").write_text(json.dumps({"model_id": "one"}))
    answer = signed_in("admin").get("/api/models")
    assert (answer.status_code, answer.get_json()["error"]["code"]) == (503, "unreadable_store")
