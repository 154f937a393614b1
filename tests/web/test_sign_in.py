"""Signing in and out through the real forms: who gets in, what refusals tell, and where one lands."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from fedlung.web.services import Services
from tests.rendered_pages import Pages, noted_pages
from tests.web.conftest import PASSWORD, SignedIn, csrf_token

HOMES = {"admin": "/server", "staff_a": "/client", "clinician_a": "/inference"}
ELSEWHERE = [
    "//evil.example",
    "///evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "/\t/evil.example",
    "/%09/evil.example\n",
    "\t//evil.example",
    "https://evil.example/",
    "http:evil.example",
    "javascript:alert(1)",
    "data:text/html,x",
    " /history",
    "history",
    "",
]


@pytest.fixture
def pages(app: Flask) -> Iterator[Pages]:
    with noted_pages(app) as noted:
        yield noted


def sign_in(browser: FlaskClient, username: str, password: str = PASSWORD, **more: str) -> TestResponse:
    form = {"username": username, "password": password, "csrf_token": csrf_token(browser, "/login"), **more}
    return browser.post("/login", data=form)


def is_signed_in(browser: FlaskClient) -> bool:
    return browser.get("/account").status_code == 200


@pytest.mark.parametrize(("username", "home"), HOMES.items())
def test_everybody_lands_at_home(stranger: FlaskClient, username: str, home: str) -> None:
    answer = sign_in(stranger, username)
    assert (answer.status_code, answer.location) == (303, home)
    assert is_signed_in(stranger)
    assert stranger.get("/login").location == home


def test_page_that_was_wanted_comes_after_the_sign_in(stranger: FlaskClient, pages: Pages) -> None:
    sent = stranger.get("/account?saved=profile")
    assert sent.status_code == 303
    page = stranger.get(sent.location)
    assert page.headers["Cache-Control"] == "no-store"
    wanted = pages.last("login.html")["next"]
    assert wanted == "/account?saved=profile"
    assert sign_in(stranger, "staff_a", next=wanted).location == wanted


def test_nobody_is_sent_elsewhere(stranger: FlaskClient, pages: Pages, subtests: pytest.Subtests) -> None:
    for path in ELSEWHERE:
        with subtests.test(path=path):
            stranger.get("/login", query_string={"next": path})
            assert pages.last("login.html")["next"] == ""
            assert sign_in(stranger, "staff_a", next=path).location == "/client"
            assert stranger.get("/login", query_string={"next": path}).location == "/client"
            token = csrf_token(stranger, "/account")
            form = {"language": "en", "next": path, "csrf_token": token}
            assert stranger.post("/preferences", data=form).location == "/"
            stranger.post("/logout", data={"csrf_token": token})


def without_what_differs(answer: TestResponse, username: str) -> str:
    page = re.sub(r'value="[^"]{40,}"|content="[^"]{40,}"|[0-9a-f]{16}', "", answer.text)
    return page.replace(f'value="{username}"', "")


def test_refusals_are_the_same_page(app: Flask, services: Services) -> None:
    """An unknown name, a wrong password, an inactive account and a damaged hash; only the typed name differs."""
    users = services.users
    for name, change in (("staff_b", {"is_active": False}), ("clinician_b", {"password_hash": "$2b$04$x"})):
        user = users.by_username(name)
        assert user is not None
        users.replace(replace(user, **change))
    answers = []
    for name, password in (
        ("nobody", PASSWORD),
        ("staff_a", "wrong"),
        ("staff_b", PASSWORD),
        ("clinician_b", PASSWORD),
    ):
        browser = app.test_client()
        answer = sign_in(browser, name, password)
        assert answer.status_code == 401
        assert "Set-Cookie" not in answer.headers
        assert not is_signed_in(browser)
        answers.append(without_what_differs(answer, name))
    assert len(set(answers)) == 1
    assert "The user name or the password is wrong." in answers[0]


def test_typed_name_comes_back_and_the_password_does_not(stranger: FlaskClient, pages: Pages) -> None:
    answer = sign_in(stranger, "<b>Nobody</b>" + "x" * 1000, "a canary sings")
    assert pages.last("login.html")["form_username"].startswith("<b>Nobody</b>x")
    assert "canary" not in answer.text
    assert "<b>Nobody" not in answer.text


def test_odd_passwords_work_from_the_change_to_the_sign_in(
    app: Flask, signed_in: SignedIn, subtests: pytest.Subtests
) -> None:
    browser, current = signed_in("staff_a"), PASSWORD
    for password in ("肺" * 26, "x" * 73, "x" * 128, "a\x00b" * 9, "e\u0301" * 64, "😀" * 20):
        with subtests.test(password=password):
            form = {"current_password": current, "new_password": password, "repeat_password": password}
            answer = browser.post("/account/password", data={**form, "csrf_token": csrf_token(browser, "/account")})
            assert answer.status_code == 303
            current = password
            assert sign_in(app.test_client(), "staff_a", password).status_code == 303
            assert sign_in(app.test_client(), "staff_a", password[:-1]).status_code == 401


def test_password_longer_than_any_is_refused_in_words(stranger: FlaskClient, pages: Pages) -> None:
    assert sign_in(stranger, "staff_a", "x" * 129).status_code == 422
    assert pages.last("login.html")["error"] == "Use at most 128 characters."


def test_new_session_keeps_nothing_of_the_one_before(stranger: FlaskClient) -> None:
    """Session fixation: what somebody planted in this browser before the sign-in is gone, the token included."""
    before = csrf_token(stranger)
    with stranger.session_transaction() as session:
        session["planted"] = "by somebody"
    sign_in(stranger, "staff_a")
    with stranger.session_transaction() as session:
        assert "planted" not in session
    assert csrf_token(stranger, "/account") != before
    form = {"display_name": "Forged", "csrf_token": before}
    assert stranger.post("/account/profile", data=form).status_code == 400


def test_sign_in_while_signed_in_changes_the_person(signed_in: SignedIn) -> None:
    browser = signed_in("staff_a")
    form = {"username": "admin", "password": PASSWORD, "csrf_token": csrf_token(browser, "/account")}
    assert browser.post("/login", data=form).location == "/server"
    assert browser.get("/api/status").json["stream"] == "admin"


def test_sign_out_forgets_the_session(signed_in: SignedIn) -> None:
    browser = signed_in("staff_a")
    answer = browser.post("/logout", data={"csrf_token": csrf_token(browser, "/account")})
    assert (answer.status_code, answer.location) == (303, "/login")
    assert not is_signed_in(browser)
    assert browser.get("/logout").status_code == 405


def test_full_disk_does_not_keep_a_person_signed_in(signed_in: SignedIn, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    browser = signed_in("staff_a")
    token = csrf_token(browser, "/account")
    monkeypatch.setattr("fedlung.stores.json_users.write_atomically", full)
    assert browser.post("/logout", data={"csrf_token": token}).location == "/login"
    assert not is_signed_in(browser)
    assert sign_in(browser, "staff_a").status_code == 303


def test_unreadable_accounts_are_told_and_public_pages_live(
    signed_in: SignedIn, stranger: FlaskClient, services: Services
) -> None:
    browser, path = signed_in("staff_a"), services.users.path  # type: ignore[attr-defined]
    sound = path.read_bytes()
    path.write_text("{")
    assert sign_in(stranger, "staff_a").status_code == 503
    assert browser.get("/account").status_code == 503
    assert browser.get("/api/status").json["error"]["code"] == "unreadable_store"
    assert stranger.get("/account").status_code == 303
    assert stranger.get("/healthz").status_code == 200
    assert str(path) not in browser.get("/account").text
    path.write_bytes(sound)
    assert is_signed_in(browser)


# --- the temporary password


def first_sign_in(app: Flask, services: Services) -> tuple[FlaskClient, str]:
    user = services.users.by_username("staff_a")
    assert user is not None
    _, password = services.accounts.reset_password("test", user.id, user.version)
    browser = app.test_client()
    assert sign_in(browser, "staff_a", password, next="/history").location == "/account"
    return browser, password


def test_temporary_password_leads_to_its_change_and_nowhere_else(app: Flask, services: Services) -> None:
    browser, temporary = first_sign_in(app, services)
    for path in ("/", "/login?next=/dev/patterns"):
        assert browser.get(path, follow_redirects=True).request.path == "/account"
    assert browser.get("/api/status").status_code == 403
    token = csrf_token(browser, "/account")
    refused = browser.post("/account/profile", data={"display_name": "Other", "csrf_token": token})
    assert (refused.status_code, refused.location) == (303, "/account")
    form = {"current_password": temporary, "new_password": "my own sentence", "repeat_password": "my own sentence"}
    changed = browser.post("/account/password", data={**form, "csrf_token": token})
    assert (changed.status_code, changed.location) == (303, "/account?saved=password")
    assert browser.get("/api/status").status_code == 200
    assert sign_in(app.test_client(), "staff_a", "my own sentence", next="/history").location == "/history"


def test_temporary_password_cannot_be_kept(app: Flask, services: Services, pages: Pages) -> None:
    browser, temporary = first_sign_in(app, services)
    form = {"current_password": temporary, "new_password": temporary, "repeat_password": temporary}
    answer = browser.post("/account/password", data={**form, "csrf_token": csrf_token(browser, "/account")})
    assert answer.status_code == 422
    assert pages.last("account.html")["errors"].keys() == {"new_password"}


def test_who_has_a_temporary_password_may_sign_out(app: Flask, services: Services) -> None:
    browser, _ = first_sign_in(app, services)
    assert browser.post("/logout", data={"csrf_token": csrf_token(browser, "/account")}).location == "/login"
    assert not is_signed_in(browser)


# --- languages


def test_language_can_be_chosen_before_the_sign_in(stranger: FlaskClient) -> None:
    form = {"language": "zh", "next": "/login", "csrf_token": csrf_token(stranger)}
    answer = stranger.post("/preferences", data=form)
    assert (answer.status_code, answer.location) == (303, "/login")
    assert '<html lang="zh-CN"' in stranger.get("/login").text


def test_texts_for_the_scripts_follow_the_language_of_each_page(stranger: FlaskClient) -> None:
    def text_in(language: str) -> str:
        stranger.set_cookie("fedlung_language", language)
        found = re.search(r'id="i18n">(.+?)</script>', stranger.get("/login").text)
        assert found is not None
        return str(json.loads(found[1])["action.cancel"])

    assert [text_in(language) for language in ("zh", "en", "zh")] == ["取消", "Cancel", "取消"]


def test_language_that_does_not_exist_changes_nothing(stranger: FlaskClient) -> None:
    form = {"language": "../../etc", "next": "/login", "csrf_token": csrf_token(stranger)}
    answer = stranger.post("/preferences", data=form)
    assert answer.status_code == 303
    assert "fedlung_language" not in str(answer.headers)


def test_language_follows_the_person(app: Flask, signed_in: SignedIn) -> None:
    browser = signed_in("staff_a")
    form = {"language": "zh", "next": "/account", "csrf_token": csrf_token(browser, "/account")}
    browser.post("/preferences", data=form)
    other = signed_in("staff_a")
    assert '<html lang="zh-CN"' in other.get("/account", headers={"Accept-Language": "en"}).text


def test_session_that_ended_is_told_at_the_sign_in(
    stranger: FlaskClient, signed_in: SignedIn, services: Services
) -> None:
    browser = signed_in("staff_a")
    user = services.users.by_username("staff_a")
    assert user is not None
    services.accounts.sign_out(user.id)
    assert parse_qs(urlsplit(browser.get("/account").location).query) == {"next": ["/account"], "ended": ["1"]}
    assert parse_qs(urlsplit(stranger.get("/account").location).query) == {"next": ["/account"]}
