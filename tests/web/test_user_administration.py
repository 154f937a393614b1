"""The page of accounts: for administrators only, with passwords shown once, and one administrator left."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from fedlung.stores.users import User
from fedlung.web.services import Services
from fedlung.web.shown_once import KEPT_SECONDS, MOST_KEPT, ShownOnce
from tests.rendered_pages import Pages, noted_pages
from tests.web.conftest import PASSWORD, SignedIn, csrf_token

NEWCOMER = {"username": "Dr.Wu", "display_name": "Dr Wu", "role": "clinician", "hospital_id": "hospital_b"}


@pytest.fixture
def pages(app: Flask) -> Iterator[Pages]:
    with noted_pages(app) as noted:
        yield noted


@pytest.fixture
def admin(signed_in: SignedIn) -> FlaskClient:
    return signed_in("admin")


def post(browser: FlaskClient, path: str, form: dict[str, Any]) -> TestResponse:
    return browser.post(path, data={**form, "csrf_token": csrf_token(browser, "/account")})


def stored(services: Services, username: str) -> User:
    user = services.users.by_username(username)
    assert user is not None
    return user


def form_of(user: User, **changes: Any) -> dict[str, Any]:
    """What the form of this person's row sends; a box that is not ticked sends nothing."""
    form = {
        "display_name": user.display_name,
        "role": user.role,
        "hospital_id": user.hospital_id or "",
        "is_active": "1" if user.is_active else None,
        "version": user.version,
        **changes,
    }
    return {name: value for name, value in form.items() if value is not None}


def change(browser: FlaskClient, user: User, **changes: Any) -> TestResponse:
    return post(browser, f"/admin/users/{user.id}", form_of(user, **changes))


def test_page_lists_everybody(admin: FlaskClient, services: Services, pages: Pages) -> None:
    answer = admin.get("/admin/users")
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    context = pages.last("admin_users.html")
    assert context["users"] == services.users.all()
    assert [hospital["id"] for hospital in context["hospitals"]] == ["hospital_a", "hospital_b"]
    assert (context["errors"], context["created"]) == ({}, None)


@pytest.mark.parametrize("who", ["staff_a", "clinician_a", "stranger"])
def test_nobody_else_may_look_or_change(
    signed_in: SignedIn, stranger: FlaskClient, services: Services, who: str
) -> None:
    browser = stranger if who == "stranger" else signed_in(who)
    before = services.users.all()
    target = stored(services, "staff_b")
    token = {"csrf_token": csrf_token(browser, "/login" if who == "stranger" else "/account")}
    answers = [
        browser.get("/admin/users"),
        browser.get("/audit"),
        browser.post("/admin/users", data={**NEWCOMER, **token}),
        browser.post(f"/admin/users/{target.id}", data={**form_of(target, role="admin"), **token}),
        browser.post(f"/admin/users/{target.id}/reset-password", data={"version": target.version, **token}),
    ]
    assert [answer.status_code for answer in answers] == [303 if who == "stranger" else 403] * len(answers)
    assert services.users.all() == before


# --- new accounts


def test_new_account_shows_its_password_once_and_to_its_maker_only(
    app: Flask, admin: FlaskClient, signed_in: SignedIn, pages: Pages, services: Services
) -> None:
    services.accounts.create_user("test", "admin2", "Second", "admin", None, PASSWORD)
    answer = post(admin, "/admin/users", NEWCOMER)
    assert answer.status_code == 303
    signed_in("admin2").get(answer.location)
    assert pages.last("admin_users.html")["created"] is None
    page = admin.get(answer.location)
    created = pages.last("admin_users.html")["created"]
    assert created["username"] == "dr.wu"
    assert created["password"] in page.text
    assert created["password"] not in answer.location + str(answer.headers)
    assert created["password"] not in admin.get(answer.location).text
    browser = app.test_client()
    form = {"username": "dr.wu", "password": created["password"], "csrf_token": csrf_token(browser)}
    assert browser.post("/login", data=form).location == "/account"


REFUSED = [
    ({"username": ""}, "username"),
    ({"username": "STAFF_A"}, "username"),
    ({"username": "x" * 65}, "username"),
    ({"display_name": "\u202e"}, "display_name"),
    ({"role": "root"}, "role"),
    ({"role": ""}, "role"),
    ({"hospital_id": ""}, "hospital_id"),
    ({"hospital_id": "hospital_z"}, "hospital_id"),
    ({"hospital_id": "../hospital_b"}, "hospital_id"),
]


def test_refused_account_comes_back_with_reasons_and_what_was_typed(
    admin: FlaskClient, services: Services, pages: Pages, subtests: pytest.Subtests
) -> None:
    before = services.users.all()
    for change, field in REFUSED:
        with subtests.test(change=change):
            assert post(admin, "/admin/users", {**NEWCOMER, **change}).status_code == 422
            context = pages.last("admin_users.html")
            assert context["errors"].keys() == {field}
            assert context["form"]["user_id"] == ""
            assert context["form"]["display_name"] == {**NEWCOMER, **change}["display_name"]
    assert services.users.all() == before


def test_names_with_markup_are_shown_as_text(admin: FlaskClient) -> None:
    post(admin, "/admin/users", {**NEWCOMER, "username": "<script>x", "display_name": "<img src=x onerror=alert(1)>"})
    for path in ("/admin/users", "/audit"):
        page = admin.get(path).text
        assert "<img src=x" not in page
        assert "<script>x" not in page
        assert "&lt;script&gt;x" in page


# --- changes


def test_change_is_stored_and_in_the_audit(admin: FlaskClient, services: Services) -> None:
    answer = change(admin, stored(services, "staff_a"), role="clinician", hospital_id="hospital_b")
    assert (answer.status_code, answer.location) == (303, "/admin/users")
    user = stored(services, "staff_a")
    assert (user.role, user.hospital_id) == ("clinician", "hospital_b")
    (entry,) = services.audit.page(action="user_changed")
    assert (entry["actor"], entry["target"]) == ("admin", "staff_a")
    assert entry["details"] == {"role": "staff -> clinician", "hospital_id": "hospital_a -> hospital_b"}


def test_hospital_that_is_gone_may_stay_but_not_be_chosen(admin: FlaskClient, services: Services) -> None:
    user = services.users.replace(replace(stored(services, "staff_a"), hospital_id="hospital_gone"))
    assert change(admin, user, display_name="Other").status_code == 303
    assert change(admin, stored(services, "staff_b"), hospital_id="hospital_gone").status_code == 422


def test_change_of_what_somebody_else_changed_is_refused(
    admin: FlaskClient, services: Services, pages: Pages, subtests: pytest.Subtests
) -> None:
    user = stored(services, "staff_a")
    for version in (None, "", "0", "-1", "1e3", "x", "\u0661", "9" * 30, 999):
        for path in ("", "/reset-password"):
            with subtests.test(version=version, path=path):
                form = form_of(user, is_active=None, version=version)
                assert post(admin, f"/admin/users/{user.id}{path}", form).status_code == 409
                context = pages.last("admin_users.html")
                assert context["errors"].keys() == {"version"}
                assert context["form"]["user_id"] == user.id
                assert stored(services, "staff_a") == user


def test_nobody_there(admin: FlaskClient, subtests: pytest.Subtests) -> None:
    for user_id in ("0" * 32, "x", "..%2f..%2fusers.json", "staff_a"):
        for path in (f"/admin/users/{user_id}", f"/admin/users/{user_id}/reset-password"):
            with subtests.test(path=path):
                assert post(admin, path, {"version": 1, "role": "admin", "display_name": "X"}).status_code == 404


@pytest.mark.parametrize(
    ("changes", "field"),
    [({"role": "staff", "hospital_id": "hospital_a"}, "role"), ({"is_active": None}, "is_active")],
)
def test_last_administrator_cannot_lock_everybody_out(
    admin: FlaskClient, services: Services, pages: Pages, changes: dict[str, Any], field: str
) -> None:
    before = stored(services, "admin")
    assert change(admin, before, **changes).status_code == 422
    assert pages.last("admin_users.html")["errors"].keys() == {field}
    assert stored(services, "admin") == before
    assert admin.get("/admin/users").status_code == 200


def test_last_administrator_keeps_the_own_password_in_the_page(
    admin: FlaskClient, services: Services, pages: Pages
) -> None:
    """The reset would end the very session that is to show the new password."""
    services.accounts.create_user("test", "admin2", "Second", "admin", None)  # has not come yet
    before = stored(services, "admin")
    assert post(admin, f"/admin/users/{before.id}/reset-password", {"version": before.version}).status_code == 422
    context = pages.last("admin_users.html")
    assert (context["errors"].keys(), context["form"]["user_id"]) == ({"is_active"}, before.id)
    assert stored(services, "admin") == before
    assert admin.get("/admin/users").status_code == 200


def test_administrator_who_steps_down_is_out_at_once(admin: FlaskClient, services: Services) -> None:
    services.accounts.create_user("test", "admin2", "Second", "admin", None, PASSWORD)
    answer = change(admin, stored(services, "admin"), role="staff", hospital_id="hospital_a")
    assert answer.status_code == 303
    assert admin.get("/admin/users").status_code == 303


def test_reset_password_shows_a_new_one_and_ends_the_old(
    app: Flask, admin: FlaskClient, signed_in: SignedIn, services: Services, pages: Pages
) -> None:
    browser, user = signed_in("staff_a"), stored(services, "staff_a")
    answer = post(admin, f"/admin/users/{user.id}/reset-password", {"version": user.version})
    admin.get(answer.location)
    password = pages.last("admin_users.html")["created"]["password"]
    assert browser.get("/account").status_code == 303
    fresh = app.test_client()
    for typed, status in ((PASSWORD, 401), (password, 303)):
        form = {"username": "staff_a", "password": typed, "csrf_token": csrf_token(fresh)}
        assert fresh.post("/login", data=form).status_code == status


# --- secrets that are shown once


def test_secret_is_shown_once_soon_and_to_its_owner() -> None:
    now = [0.0]
    kept = ShownOnce(clock=lambda: now[0])
    ticket, late = kept.keep("owner", ("name", "secret")), kept.keep("owner", ("name", "late"))
    assert kept.take("other", ticket) is None
    assert kept.take("owner", "") is None
    assert kept.take("owner", ticket) == ("name", "secret")
    assert kept.take("owner", ticket) is None
    now[0] = KEPT_SECONDS
    assert kept.take("owner", late) is None


def test_secrets_do_not_pile_up() -> None:
    kept = ShownOnce()
    tickets = [kept.keep("owner", ("name", str(number))) for number in range(MOST_KEPT + 1)]
    assert kept.take("owner", tickets[0]) is None
    assert kept.take("owner", tickets[-1]) == ("name", str(MOST_KEPT))
