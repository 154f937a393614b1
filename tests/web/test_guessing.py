"""Guessing passwords through the form gets slow, for the guesser and for nobody else."""

from __future__ import annotations

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from fedlung.web.known_browsers import COOKIE
from tests.web.conftest import PASSWORD, csrf_token


def sign_in(browser: FlaskClient, username: str, password: str = PASSWORD, address: str = "192.0.2.1") -> TestResponse:
    form = {"username": username, "password": password, "csrf_token": csrf_token(browser, "/login")}
    return browser.post("/login", data=form, environ_overrides={"REMOTE_ADDR": address})


def test_guessing_meets_growing_delays_and_only_there(app: Flask) -> None:
    """Thirty tries from one address, the right password among them; elsewhere the person signs in."""
    browser = app.test_client()
    statuses = [sign_in(browser, "admin", f"guess {number}").status_code for number in range(29)]
    answer = sign_in(browser, "admin", PASSWORD)
    assert statuses == [401] * 5 + [429] * 24
    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) >= 1
    assert "Try again in" in answer.text
    assert sign_in(app.test_client(), "admin", address="198.51.100.7").status_code == 303


def test_known_browser_is_let_in_while_others_guess_from_the_same_address(app: Flask) -> None:
    """Everybody behind one proxy: guesses at the administrator's account must not keep the administrator out."""
    known, guesser = app.test_client(), app.test_client()
    assert sign_in(known, "admin").status_code == 303
    for _ in range(30):
        sign_in(guesser, "admin", "guess")
    assert sign_in(guesser, "admin").status_code == 429
    assert sign_in(app.test_client(), "admin").status_code == 429
    known.delete_cookie("fedlung_session")
    assert sign_in(known, "admin").status_code == 303
    known.delete_cookie("fedlung_session")
    assert [sign_in(known, "admin", "guess").status_code for _ in range(6)] == [401] * 5 + [429]


def test_known_browser_is_known_for_its_own_person_only(app: Flask) -> None:
    known = app.test_client()
    assert sign_in(known, "staff_a").status_code == 303
    cookie = known.get_cookie(COOKIE, path="/login")
    assert cookie is not None
    assert (cookie.http_only, cookie.same_site) == (True, "Lax")
    thief = app.test_client()
    for _ in range(6):
        sign_in(thief, "admin", "guess")
    for value in (cookie.value, cookie.value[:-1], "x", ""):
        thief.set_cookie(COOKIE, value, path="/login")
        assert sign_in(thief, "admin").status_code == 429


def test_forged_proxy_headers_do_not_make_a_new_address(app: Flask) -> None:
    browser = app.test_client()
    statuses = []
    for number in range(7):
        form = {"username": "admin", "password": "guess", "csrf_token": csrf_token(browser)}
        headers = {"X-Forwarded-For": f"203.0.113.{number}", "Forwarded": f"for=203.0.113.{number}"}
        statuses.append(browser.post("/login", data=form, headers=headers).status_code)
    assert statuses == [401] * 5 + [429] * 2
