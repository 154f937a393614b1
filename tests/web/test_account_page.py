"""The own account: what one may change about oneself, and that one can change nobody else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from fedlung.stores.users import User
from fedlung.web.services import Services
from tests.rendered_pages import Pages, noted_pages
from tests.web.conftest import PASSWORD, SignedIn, csrf_token

NEW = "another quiet morning"


@pytest.fixture
def pages(app: Flask) -> Iterator[Pages]:
    with noted_pages(app) as noted:
        yield noted


def post(browser: FlaskClient, path: str, **form: str) -> TestResponse:
    return browser.post(path, data={**form, "csrf_token": csrf_token(browser, "/account")})


def stored(services: Services, username: str) -> User:
    user = services.users.by_username(username)
    assert user is not None
    return user


@pytest.mark.parametrize("username", ["admin", "staff_a", "clinician_a"])
def test_everybody_has_the_page(signed_in: SignedIn, pages: Pages, username: str) -> None:
    answer = signed_in(username).get("/account")
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    context = pages.last("account.html")
    assert (context["errors"], context["saved"]) == ({}, None)
    assert context["current_user"].username == username
    assert "10 to 128 characters" in context["password_rule"]


def test_profile_is_saved_and_told(signed_in: SignedIn, services: Services, pages: Pages) -> None:
    browser = signed_in("staff_a")
    answer = post(browser, "/account/profile", display_name=" Dr. 李 ", language="zh")
    assert (answer.status_code, answer.location) == (303, "/account?saved=profile")
    assert "Dr. 李" in browser.get(answer.location).text
    assert pages.last("account.html")["saved"] == "profile"
    user = stored(services, "staff_a")
    assert (user.display_name, user.language) == ("Dr. 李", "zh")


def test_refused_profile_comes_back_with_reasons(signed_in: SignedIn, services: Services, pages: Pages) -> None:
    before = stored(services, "staff_a")
    answer = post(signed_in("staff_a"), "/account/profile", display_name="x" * 101, language="tlh")
    assert answer.status_code == 422
    context = pages.last("account.html")
    assert context["errors"].keys() == {"display_name", "language"}
    assert context["form"]["display_name"] == "x" * 101
    assert stored(services, "staff_a") == before


def test_reasons_are_in_the_language_of_the_page(signed_in: SignedIn, pages: Pages) -> None:
    """The sentence is looked up under its English text; which translation exists is the business of the catalogue."""
    browser = signed_in("staff_a")
    post(browser, "/account/profile", display_name="")
    assert pages.last("account.html")["errors"] == {"display_name": "Use 1 to 100 visible characters."}


def test_fields_that_are_not_of_the_form_change_nothing(signed_in: SignedIn, services: Services) -> None:
    """Mass assignment: only the name and the language may change, whatever is posted."""
    before = asdict(stored(services, "staff_a"))
    others = [user for user in services.users.all() if user.username != "staff_a"]
    more = {"role": "admin", "hospital_id": "hospital_b", "is_active": "", "must_change_password": "1"}
    ids = dict.fromkeys(("id", "user_id"), stored(services, "admin").id)
    extra = {**more, **ids, "username": "admin", "password_hash": "x", "session_epoch": "9", "version": "9"}
    post(signed_in("staff_a"), "/account/profile", display_name="Other", language="en", **extra)
    after = asdict(stored(services, "staff_a"))
    changed = {name for name in after if after[name] != before[name]}
    assert changed == {"display_name", "language", "version", "updated_at"}
    assert [user for user in services.users.all() if user.username != "staff_a"] == others


def test_name_with_markup_is_shown_as_text(signed_in: SignedIn) -> None:
    browser = signed_in("staff_a")
    post(browser, "/account/profile", display_name="<img src=x onerror=alert(1)>\"'", language="en")
    page = browser.get("/account").text
    assert "<img src=x" not in page
    assert "&lt;img src=x" in page


def test_new_password_keeps_this_browser_and_ends_the_others(signed_in: SignedIn, pages: Pages) -> None:
    here, there, colleague = signed_in("staff_a"), signed_in("staff_a"), signed_in("clinician_a")
    answer = post(here, "/account/password", current_password=PASSWORD, new_password=NEW, repeat_password=NEW)
    assert (answer.status_code, answer.location) == (303, "/account?saved=password")
    assert here.get(answer.location).status_code == 200
    assert pages.last("account.html")["saved"] == "password"
    assert there.get("/account").status_code == 303
    assert colleague.get("/account").status_code == 200


@pytest.mark.parametrize(
    ("current", "new", "repeat", "field"),
    [
        ("wrong sentence", NEW, NEW, "current_password"),
        (PASSWORD, NEW, NEW + " ", "repeat_password"),
        (PASSWORD, "short", "short", "new_password"),
        (PASSWORD, "x" * 129, "x" * 129, "new_password"),
        (PASSWORD, PASSWORD, PASSWORD, "new_password"),
        (PASSWORD, "password123", "password123", "new_password"),
        ("", "", "", "new_password"),
    ],
)
def test_refused_password_comes_back_with_the_reason_only(
    signed_in: SignedIn, services: Services, pages: Pages, current: str, new: str, repeat: str, field: str
) -> None:
    before = stored(services, "staff_a")
    browser = signed_in("staff_a")
    answer = post(browser, "/account/password", current_password=current, new_password=new, repeat_password=repeat)
    assert answer.status_code == 422
    assert pages.last("account.html")["errors"].keys() == {field}
    assert not [typed for typed in (current, new) if len(typed) > 5 and typed in answer.text]
    assert stored(services, "staff_a") == before


def test_guessing_the_present_password_meets_a_delay(signed_in: SignedIn, pages: Pages) -> None:
    browser = signed_in("staff_a")
    form = {"new_password": NEW, "repeat_password": NEW}
    statuses = [
        post(browser, "/account/password", current_password=f"guess {number}", **form).status_code
        for number in range(6)
    ]
    assert statuses == [422] * 5 + [429]
    assert "Try again in" in pages.last("account.html")["errors"]["current_password"]


def test_hash_is_on_no_page(signed_in: SignedIn, services: Services) -> None:
    browser = signed_in("admin")
    for path in ("/account", "/admin/users", "/audit", "/api/status"):
        page = browser.get(path).text
        assert not [user for user in services.users.all() if user.password_hash in page or "$2b$" in page]
