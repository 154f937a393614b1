"""Every answer carries the headers that keep foreign code and frames out: pages, API, files, errors, the socket."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from flask import Flask
from flask.testing import FlaskClient

import app as front
from fedlung.settings import Settings
from fedlung.web.security_headers import CONTENT_SECURITY_POLICY, HEADERS
from fedlung.web.services import Services

PATHS = [
    "/login",
    "/healthz",
    "/",  # a redirect
    "/api/status",  # 401
    "/no/such/page",
    "/api/no/such/thing",
    "/static/css/base.css",
    "/static/no/such/file.css",
    "/socket.io/?EIO=4&transport=polling",
    "/socket.io/?EIO=4&transport=polling&sid=unknown",
]


@pytest.mark.parametrize("path", PATHS)
def test_every_answer_has_them(stranger: FlaskClient, path: str) -> None:
    answer = stranger.get(path, buffered=True)
    assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS
    assert re.fullmatch("[0-9a-f]{16}", answer.headers["X-Request-Id"])


def test_a_refused_method_and_a_crash_have_them_too(app: Flask, stranger: FlaskClient) -> None:
    app.view_functions["general.healthz"] = _raise
    app.view_functions["general.healthz"].fedlung_access = front.sessions.Access(frozenset(), False)  # type: ignore[attr-defined]
    assert stranger.get("/healthz").headers["Content-Security-Policy"] == CONTENT_SECURITY_POLICY
    answer = stranger.delete("/healthz")
    assert answer.status_code == 405
    assert answer.headers["Content-Security-Policy"] == CONTENT_SECURITY_POLICY


def _raise() -> str:
    raise RuntimeError("planted")


def test_the_policy_allows_no_inline_code_and_nobody_else() -> None:
    assert "unsafe" not in CONTENT_SECURITY_POLICY
    assert "http" not in CONTENT_SECURITY_POLICY
    assert "*" not in CONTENT_SECURITY_POLICY
    assert CONTENT_SECURITY_POLICY.startswith("default-src 'none'; ")


def test_the_session_cookie_is_out_of_reach_for_scripts_and_other_sites(stranger: FlaskClient) -> None:
    cookie = stranger.get("/login").headers["Set-Cookie"]
    assert cookie.startswith("fedlung_session=")
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Secure" not in cookie  # http://127.0.0.1 could not use it


def test_behind_tls_the_cookie_and_the_browser_stay_there(settings: Settings, services: Services) -> None:
    browser = front.create_app(replace(settings, cookie_secure=True), services).test_client()
    answer = browser.get("/login")
    assert "Secure" in answer.headers["Set-Cookie"]
    assert answer.headers["Strict-Transport-Security"].startswith("max-age=")


def test_pages_are_not_kept_by_browsers(stranger: FlaskClient) -> None:
    for path in ("/login", "/api/status", "/healthz"):
        assert stranger.get(path).headers["Cache-Control"] == "no-store"
