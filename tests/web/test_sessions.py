"""Sessions: what ends them ends them everywhere at once, open sockets included, and a cookie alone opens nothing."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Callable

import pytest
from flask import Flask
from flask.sessions import SecureCookieSessionInterface
from flask.testing import FlaskClient
from flask_login.utils import encode_cookie

from fedlung.stores.users import User
from fedlung.web.live.sockets import live_sockets
from fedlung.web.services import Services
from tests.web.conftest import PASSWORD, SignedIn, csrf_token

COOKIE = "fedlung_session"
HOUR, DAY = 3600.0, 24 * 3600.0
NEW = "another quiet morning"


def is_signed_in(browser: FlaskClient) -> bool:
    return browser.get("/api/status").status_code == 200


def cookie_of(browser: FlaskClient) -> str:
    cookie = browser.get_cookie(COOKIE)
    assert cookie is not None
    return cookie.value


def replays(app: Flask, value: str) -> bool:
    """Whether a stolen or kept cookie opens anything in another browser."""
    thief = app.test_client()
    thief.set_cookie(COOKIE, value)
    answers = [thief.get("/api/status").status_code, thief.get("/account").status_code]
    assert answers in ([200, 200], [401, 303])
    return answers[0] == 200


def the_user(services: Services, username: str = "staff_a") -> User:
    user = services.users.by_username(username)
    assert user is not None
    return user


# --- what ends sessions


def post(browser: FlaskClient, path: str, **form: object) -> None:
    answer = browser.post(path, data={**form, "csrf_token": csrf_token(browser, "/account")})
    assert answer.status_code == 303, answer.text


def administer(signed_in: SignedIn, services: Services, **changes: str) -> None:
    user = the_user(services)
    form = {
        "display_name": "X",
        "role": user.role,
        "hospital_id": "hospital_a",
        "is_active": "1",
        "version": user.version,
    }
    post(signed_in("admin"), f"/admin/users/{user.id}", **{**form, **changes})


def reset(signed_in: SignedIn, services: Services) -> None:
    user = the_user(services)
    post(signed_in("admin"), f"/admin/users/{user.id}/reset-password", version=user.version)


def by_hand(services: Services) -> None:
    """An administrator edits users.json."""
    path = services.users.path  # type: ignore[attr-defined]
    content = json.loads(path.read_text())
    for row in content["users"]:
        row["is_active"] = row["is_active"] and row["username"] != "staff_a"
    path.write_text(json.dumps(content))


Deed = Callable[[FlaskClient, SignedIn, Services], None]
ENDING: dict[str, Deed] = {
    "sign out": lambda browser, signed_in, services: post(browser, "/logout"),
    "sign out elsewhere": lambda browser, signed_in, services: post(signed_in("staff_a"), "/logout"),
    "own password elsewhere": lambda browser, signed_in, services: post(
        signed_in("staff_a"), "/account/password", current_password=PASSWORD, new_password=NEW, repeat_password=NEW
    ),
    "reset password": lambda browser, signed_in, services: reset(signed_in, services),
    "role": lambda browser, signed_in, services: administer(signed_in, services, role="clinician"),
    "hospital": lambda browser, signed_in, services: administer(signed_in, services, hospital_id="hospital_b"),
    "inactive": lambda browser, signed_in, services: administer(signed_in, services, is_active=""),
    "inactive by hand": lambda browser, signed_in, services: by_hand(services),
}


@pytest.mark.parametrize("deed", ENDING.values(), ids=ENDING.keys())
def test_session_ends_at_once_and_its_cookie_is_worthless(
    app: Flask, signed_in: SignedIn, services: Services, deed: Deed
) -> None:
    browser, colleague = signed_in("staff_a"), signed_in("clinician_a")
    old = cookie_of(browser)
    assert replays(app, old)
    deed(browser, signed_in, services)
    assert not replays(app, old)
    assert not is_signed_in(browser)
    assert is_signed_in(colleague)


def test_session_does_not_come_back_with_the_account(app: Flask, signed_in: SignedIn, services: Services) -> None:
    old = cookie_of(signed_in("staff_a"))
    administer(signed_in, services, is_active="")
    administer(signed_in, services, is_active="1")
    assert not replays(app, old)


def test_own_password_change_ends_the_old_cookie_of_this_browser_too(app: Flask, signed_in: SignedIn) -> None:
    browser = signed_in("staff_a")
    old = cookie_of(browser)
    post(browser, "/account/password", current_password=PASSWORD, new_password=NEW, repeat_password=NEW)
    assert is_signed_in(browser)
    assert not replays(app, old)


ENDING_SOCKETS = {name: deed for name, deed in ENDING.items() if name != "inactive by hand"}


@pytest.mark.parametrize("deed", ENDING_SOCKETS.values(), ids=ENDING_SOCKETS.keys())
def test_open_sockets_are_dropped(app: Flask, signed_in: SignedIn, services: Services, deed: Deed) -> None:
    sockets = live_sockets(app)
    browser, colleague = signed_in("staff_a"), signed_in("clinician_a")
    own, other = (sockets.socketio.test_client(app, flask_test_client=each) for each in (browser, colleague))
    assert own.is_connected()
    deed(browser, signed_in, services)
    sockets.tick()
    assert not own.is_connected()
    assert other.is_connected()
    again = sockets.socketio.test_client(app, flask_test_client=browser)
    assert not again.is_connected()


# --- the cookie


def test_cookie_is_hidden_from_scripts_and_other_sites(app: Flask, signed_in: SignedIn) -> None:
    cookie = signed_in("staff_a").get_cookie(COOKIE)
    assert cookie is not None
    assert (cookie.http_only, cookie.same_site, cookie.max_age) == (True, "Lax", None)


def test_cookie_says_nothing_worth_reading(signed_in: SignedIn) -> None:
    """Who it is stands there as a number only; role and hospital are not trusted to it."""
    value = cookie_of(signed_in("staff_a"))
    payload = value.lstrip(".").split(".")[0]
    content = base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))
    content = zlib.decompress(content) if value.startswith(".") else content
    assert set(json.loads(content)) == {"_user_id", "_fresh", "_id", "epoch", "issued", "seen"}


CHANGES: dict[str, Callable[[dict[str, object], Services], object]] = {
    "no epoch": lambda session, services: session.pop("epoch"),
    "later epoch": lambda session, services: session.update(epoch=99),
    "epoch in words": lambda session, services: session.update(epoch="first"),
    "no beginning": lambda session, services: session.pop("issued"),
    "no last use": lambda session, services: session.pop("seen"),
    "not a time": lambda session, services: session.update(seen=float("nan"), issued=float("nan")),
    "another person": lambda session, services: session.update(_user_id="0" * 32),
    "a list for a person": lambda session, services: session.update(_user_id=["x"]),
}


def test_session_of_an_odd_form_opens_nothing(
    signed_in: SignedIn, services: Services, subtests: pytest.Subtests
) -> None:
    for name, change in CHANGES.items():
        with subtests.test(name):
            browser = signed_in("staff_a")
            with browser.session_transaction() as session:
                change(session, services)  # type: ignore[arg-type]
            assert not is_signed_in(browser)


def test_cookie_of_another_key_opens_nothing(app: Flask, signed_in: SignedIn) -> None:
    browser = signed_in("admin")
    with browser.session_transaction() as session:
        content = dict(session)
    foreign = Flask("foreign")
    foreign.secret_key = "a key that somebody guessed"
    serializer = SecureCookieSessionInterface().get_signing_serializer(foreign)
    assert serializer is not None
    assert replays(app, cookie_of(browser))
    assert not replays(app, serializer.dumps(content))


def test_remember_cookie_of_flask_login_opens_nothing(app: Flask, services: Services) -> None:
    """We never issue one; even one that is signed with our key is not a session."""
    browser = app.test_client()
    with app.app_context():
        browser.set_cookie("remember_token", encode_cookie(the_user(services, "admin").id))
    assert not is_signed_in(browser)
