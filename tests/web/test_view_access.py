"""Who may call what: the inventory of all routes, and proof that nothing is open by oversight."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import wraps

import pytest
from flask import Flask
from flask.testing import FlaskClient

from fedlung.stores.users import ROLES
from fedlung.web.sessions import SIGNED_IN, Access, access, access_of
from tests.web.browsers import ROOT
from tests.web.conftest import SignedIn, csrf_token

EVERYBODY, NOBODY_YET = set(ROLES), set[str]()  # the second: no sign-in is needed
INVENTORY = {  # method and path -> roles
    "GET /": EVERYBODY,
    "GET /healthz": NOBODY_YET,
    "GET /static/<path:filename>": NOBODY_YET,
    "GET /login": NOBODY_YET,
    "POST /login": NOBODY_YET,
    "POST /preferences": NOBODY_YET,
    "POST /logout": EVERYBODY,
    "GET /account": EVERYBODY,
    "POST /account/profile": EVERYBODY,
    "POST /account/password": EVERYBODY,
    "GET /admin/users": {"admin"},
    "POST /admin/users": {"admin"},
    "POST /admin/users/<user_id>": {"admin"},
    "POST /admin/users/<user_id>/reset-password": {"admin"},
    "GET /audit": {"admin"},
    "GET /dev/patterns": EVERYBODY,
    "GET /api/status": EVERYBODY,
    "GET /api/system": {"admin"},
    "GET /server": {"admin"},
    "GET /client": {"staff"},
    "GET /client/scans/<scan_id>": {"staff"},
    "GET /inference": {"staff", "clinician"},
    "GET /inference/<prediction_id>": {"staff", "clinician"},
    "POST /api/predictions": {"staff", "clinician"},
    "GET /api/predictions": {"staff", "clinician"},
    "GET /api/predictions/<prediction_id>": {"staff", "clinician"},
    "DELETE /api/predictions/<prediction_id>": {"staff", "clinician"},
    "PUT /api/predictions/<prediction_id>/marks": {"staff", "clinician"},
    "POST /api/predictions/<prediction_id>/offer": {"staff", "clinician"},
    "GET /api/predictions/<prediction_id>/offer": {"staff", "clinician"},
    "GET /api/predictions/<prediction_id>/mask": {"staff", "clinician"},
    "GET /api/predictions/<prediction_id>/comparison": {"staff", "clinician"},
    "GET /api/predictions/<prediction_id>/export.csv": {"staff", "clinician"},
    "GET /api/predictions/<prediction_id>/export.json": {"staff", "clinician"},
    "GET /api/predictions/<prediction_id>/export.pdf": {"staff", "clinician"},
    "GET /api/predictions/<prediction_id>/export/seg.dcm": {"staff", "clinician"},
    "GET /api/predictions/<prediction_id>/export/sr.dcm": {"staff", "clinician"},
    "GET /history": EVERYBODY,
    "GET /history/<run_id>": EVERYBODY,
    "GET /models": EVERYBODY,
    "GET /api/hospitals": EVERYBODY,
    "POST /api/hospitals": {"admin"},
    "GET /api/strategies": EVERYBODY,
    "GET /api/runs": EVERYBODY,
    "POST /api/runs": {"admin"},
    "GET /api/runs/<run_id>": EVERYBODY,
    "POST /api/runs/<run_id>/pause": {"admin"},
    "POST /api/runs/<run_id>/resume": {"admin"},
    "POST /api/runs/<run_id>/stop": {"admin"},
    "PUT /api/runs/<run_id>/note": {"admin"},
    "GET /api/runs/<run_id>/events": EVERYBODY,
    "GET /api/runs/<run_id>/rounds.csv": EVERYBODY,
    "GET /api/uploads": {"staff"},
    "POST /api/uploads": {"staff"},
    "PATCH /api/uploads/<file_id>": {"staff"},
    "DELETE /api/uploads/<file_id>": {"staff"},
    "POST /api/uploads/<file_id>/finish": {"staff"},
    "GET /api/scans": {"staff", "clinician"},
    "PUT /api/scans/readiness": {"staff"},
    "GET /api/scans/<scan_id>": {"staff", "clinician"},
    "PATCH /api/scans/<scan_id>": {"staff"},
    "DELETE /api/scans/<scan_id>": {"staff"},
    "GET /api/scans/<scan_id>/consequences": {"staff"},
    "GET /api/scans/<scan_id>/thumbnail": {"staff", "clinician"},
    "GET /api/scans/<scan_id>/volume": {"staff", "clinician"},
    "GET /api/scans/<scan_id>/annotations": {"staff", "clinician"},
    "PUT /api/scans/<scan_id>/annotations": {"staff"},
    "POST /api/annotations/import": {"staff"},
    "GET /api/annotations/export.csv": {"staff"},
    "GET /api/models": EVERYBODY,
    "GET /api/models/<model_id>/card": EVERYBODY,
    "GET /api/models/<model_id>/download": {"admin", "staff"},
    "POST /api/models/<model_id>/promote": {"admin"},
    "POST /api/models/<model_id>/verify": {"admin"},
}
WITH_TEMPORARY_PASSWORD = {"GET /account", "POST /account/password", "POST /logout"}
BROWSERS = {"admin": "admin", "staff": "staff_a", "clinician": "clinician_a"}


def routes(app: Flask) -> Iterator[tuple[str, str, Access]]:
    """Method, path and declared access of everything that the application answers, HEAD and OPTIONS aside."""
    for rule in app.url_map.iter_rules():
        declared = access_of(app, rule.endpoint)
        assert declared is not None, f"{rule.endpoint} does not say who may come"
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            yield method, rule.rule, declared


def concrete(path: str) -> str:
    """A path of this rule, with made-up ids."""
    return "/".join("x1" if part.startswith("<") else part for part in path.split("/"))


def test_every_route_is_in_the_inventory_with_its_roles(app: Flask) -> None:
    declared = {f"{method} {path}": set(who.roles) for method, path, who in routes(app)}
    assert declared == INVENTORY


def test_every_address_for_programs_is_described_with_who_may_ask() -> None:
    described = {}
    for line in (ROOT / "docs" / "reference" / "http-api.md").read_text(encoding="utf-8").splitlines():
        if row := re.match(r"\| `([A-Z]+ /api/[^`]*)` \| ([a-z, ]+)", line):
            described[row[1]] = row[2].strip()
    words = {"administrator": {"admin"}, "everybody": EVERYBODY, "administrator, staff": {"admin", "staff"}}
    words |= {"staff": {"staff"}, "staff, clinician": {"staff", "clinician"}}
    assert {route: words[who] for route, who in described.items()} == {
        route: roles for route, roles in INVENTORY.items() if " /api/" in route
    }


def test_temporary_password_opens_what_changes_it(app: Flask) -> None:
    declared = {f"{method} {path}" for method, path, who in routes(app) if who.with_temporary_password}
    assert declared == WITH_TEMPORARY_PASSWORD


def test_strangers_are_sent_to_the_sign_in_or_refused(app: Flask, stranger: FlaskClient) -> None:
    """Every route by every method, HEAD and OPTIONS included."""
    for method, path, who in routes(app):
        more = {"HEAD", "OPTIONS"} if method == "GET" else {"OPTIONS"}
        for each in {method, *more} if who.roles else ():
            answer = stranger.open(concrete(path), method=each)
            if path.startswith("/api/"):
                assert answer.status_code == 401, f"{each} {path}"
            else:
                assert (answer.status_code, answer.location[:6]) == (303, "/login"), f"{each} {path}"


@pytest.mark.parametrize("role", ROLES)
def test_other_roles_are_refused_although_they_have_a_token(app: Flask, signed_in: SignedIn, role: str) -> None:
    browser = signed_in(BROWSERS[role])
    headers = {"X-CSRFToken": csrf_token(browser, "/account")}
    for method, path, who in routes(app):
        if who.roles and role not in who.roles:
            answer = browser.open(concrete(path), method=method, headers=headers, json={})
            assert answer.status_code == 403, f"{method} {path}"
        elif method == "GET" and who.roles:
            answer = browser.get(concrete(path))
            assert answer.status_code not in (401, 403), f"{method} {path}"
            assert not (answer.location or "").startswith("/login"), f"{method} {path}"


@pytest.mark.parametrize(("testing", "status"), [(True, 500), (False, 404)])
def test_view_that_forgot_to_say_is_shut_for_everybody(
    app: Flask, signed_in: SignedIn, testing: bool, status: int
) -> None:
    app.add_url_rule("/forgotten", "forgotten", lambda: "secret")
    app.testing = testing
    for browser in (app.test_client(), signed_in("admin")):
        answer = browser.get("/forgotten")
        assert answer.status_code == status
        assert "secret" not in answer.text


def test_wrong_word_in_a_declaration_is_told_at_once() -> None:
    with pytest.raises(KeyError, match="amdin"):
        access("amdin")


def test_mark_survives_decorators_that_wrap(app: Flask) -> None:
    def logged(view: Callable[[], str]) -> Callable[[], str]:
        return wraps(view)(lambda: view())

    app.add_url_rule("/x", "x", logged(access(SIGNED_IN)(lambda: "")))
    assert access_of(app, "x") == Access(frozenset(ROLES), with_temporary_password=False)
