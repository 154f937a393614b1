"""Nothing changes without the token of the session: every unsafe method of every route, forms and JSON alike."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.routing import Rule

from fedlung.web.sessions import access_of

SAFE = {"GET", "HEAD", "OPTIONS"}


BROWSERS = {"admin": "admin", "staff": "staff_a", "clinician": "clinician_a"}


def unsafe_routes(app: Flask) -> list[tuple[str, str, str]]:
    """(method, path, user who may) of everything that can change something, with made-up ids."""
    rules = [rule for rule in app.url_map.iter_rules() if rule.methods]
    return [
        (method, "/".join("x1" if part.startswith("<") else part for part in rule.rule.split("/")), who_may(app, rule))
        for rule in rules
        for method in sorted((rule.methods or set()) - SAFE)
    ]


def who_may(app: Flask, rule: Rule) -> str:
    declared = access_of(app, rule.endpoint)
    assert declared is not None
    return next((name for role, name in BROWSERS.items() if role in declared.roles), "admin")


def test_every_change_is_refused_without_a_token(app: Flask, signed_in: Callable[[str], FlaskClient]) -> None:
    routes = unsafe_routes(app)
    assert ("POST", "/logout") in [(method, path) for method, path, _ in routes]
    browsers = {username: signed_in(username) for username in BROWSERS.values()}
    for method, path, username in routes:
        answer = browsers[username].open(path, method=method, json={}, headers={"Accept": "application/json"})
        assert (answer.status_code, answer.get_json()["error"]["code"]) == (400, "bad_csrf"), f"{method} {path}"
    for browser in browsers.values():
        assert browser.get("/account").status_code == 200, "and the session is still there"


@pytest.mark.parametrize("token", ["", "x", "IjEi.aaaa.bbbb"])
def test_a_wrong_token_is_no_token(signed_in: Callable[[str], FlaskClient], token: str) -> None:
    answer = signed_in("admin").post("/logout", headers={"X-CSRFToken": token, "Accept": "application/json"})
    assert answer.get_json()["error"]["code"] == "bad_csrf"


def test_the_token_of_a_page_serves_forms_and_scripts(
    signed_in: Callable[[str], FlaskClient], token_of: Callable[[FlaskClient, str], str]
) -> None:
    browser = signed_in("staff_a")
    token = token_of(browser, "/account")
    form = {"csrf_token": token, "display_name": "Staff A", "language": "en"}
    assert browser.post("/account/profile", data=form).status_code == 303
    assert browser.post("/logout", headers={"X-CSRFToken": token}).status_code == 303


def test_a_token_of_another_session_is_no_token(
    signed_in: Callable[[str], FlaskClient], token_of: Callable[[FlaskClient, str], str]
) -> None:
    stolen = token_of(signed_in("staff_b"), "/account")
    answer = signed_in("staff_a").post("/logout", headers={"X-CSRFToken": stolen, "Accept": "application/json"})
    assert answer.get_json()["error"]["code"] == "bad_csrf"


def test_a_stranger_is_asked_to_sign_in_rather_than_told_about_tokens(stranger: FlaskClient) -> None:
    assert stranger.post("/logout", headers={"Accept": "application/json"}).status_code == 401
