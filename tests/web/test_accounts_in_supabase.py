"""Pages while accounts are in Supabase: who comes in when it is away or refuses, and what is said."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from fedlung.accounts.first_start import demo_accounts
from fedlung.settings import Settings
from fedlung.stores.fallback.users import FallbackUserStore
from fedlung.web.live.streams import Stream
from fedlung.web.services import Services
from tests.supabase_stack import SupabaseStack
from tests.supabase_world import be_patient
from tests.web.conftest import HOSPITALS, PASSWORD, SignedIn, csrf_token

pytestmark = pytest.mark.slow
AWAY, MISCONFIGURED = "database of accounts does not answer", "database of accounts refuses this server"


@pytest.fixture
def settings(tmp_path: Path, supa: SupabaseStack, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """In place of the accounts in a file; a hospital's folder is enough to belong to it."""
    be_patient(monkeypatch)
    for hospital in HOSPITALS:
        (tmp_path / "data" / hospital / "scans").mkdir(parents=True)
    there = {"SUPABASE_URL": supa.url, "SUPABASE_SECRET_KEY": supa.secret_key}
    return Settings.from_env(["--data", str(tmp_path / "data")], there)


@pytest.fixture
def users(services: Services) -> Iterator[FallbackUserStore]:
    """The accounts of the application, with nothing in the background."""
    store = services.users
    assert isinstance(store, FallbackUserStore)
    store.look_at_all()
    demo_accounts(store, services.accounts, HOSPITALS, PASSWORD)
    yield store
    store._home._connection.close()


def step(services: Services) -> None:
    assert services.user_sync is not None
    services.user_sync.step()


def banners(browser: FlaskClient) -> list[dict[str, str]]:
    found: list[dict[str, str]] = browser.get("/api/status").json["banners"]
    return found


def sign_in(browser: FlaskClient, username: str) -> int:
    form = {"username": username, "password": PASSWORD, "csrf_token": csrf_token(browser, "/login")}
    return browser.post("/login", data=form).status_code


def test_outage_is_told_before_and_after_the_sign_in_and_then_no_more(
    users: FallbackUserStore, services: Services, stranger: FlaskClient, signed_in: SignedIn, supa: SupabaseStack
) -> None:
    admin = signed_in("admin")
    assert AWAY not in stranger.get("/login").text
    supa.kill_database()
    assert sign_in(stranger, "staff_a") == 303
    assert AWAY in signed_in("clinician_a").get("/account").text
    assert AWAY in admin.application.test_client().get("/login").text
    (told,) = banners(stranger)
    assert (told["level"], bool(re.search(rf"{AWAY}.* \d seconds? old", told["text"]))) == ("warning", True)
    assert supa.url not in told["text"]  # the reason is for who can do something about it
    assert supa.url in banners(admin)[0]["text"]
    token = {"X-CSRFToken": csrf_token(stranger, "/account")}
    form = {"display_name": "Changed meanwhile", "language": ""}
    assert stranger.post("/account/profile", data=form, headers=token).status_code == 303
    assert "1 change of accounts waits" in banners(admin)[0]["text"]
    supa.heal()
    step(services)
    assert banners(admin) == banners(stranger) == []
    found = users._home.by_username("staff_a")
    assert found is not None
    assert found.display_name == "Changed meanwhile"


def test_misconfiguration_lets_in_who_can_mend_it_and_says_how(
    users: FallbackUserStore, services: Services, app: Any, signed_in: SignedIn, supa: SupabaseStack
) -> None:
    staff = signed_in("staff_a")
    supa.sql("revoke all on users from service_role")
    try:
        step(services)
        browsers = {name: app.test_client() for name in ("admin", "staff_b")}
        assert {name: sign_in(browser, name) for name, browser in browsers.items()} == {"admin": 303, "staff_b": 401}
        (told,) = banners(browsers["admin"])
        assert told["level"] == "error"
        assert "supabase check" in told["text"]
        assert "supabase check" not in banners(staff)[0]["text"]  # who works, works on
        token = {"X-CSRFToken": csrf_token(staff, "/account")}
        answer = staff.post("/account/profile", data={"display_name": "X", "language": ""}, headers=token)
        assert answer.status_code == 503
        assert MISCONFIGURED in html.unescape(browsers["staff_b"].get("/login").text)
    finally:
        supa.sql("grant select, insert, update on users to service_role")


def test_copy_that_is_too_old_ends_sessions(
    users: FallbackUserStore, services: Services, signed_in: SignedIn, supa: SupabaseStack
) -> None:
    admin, staff = signed_in("admin"), signed_in("staff_a")
    supa.close_gateway()
    step(services)
    users._max_age_seconds = 0.0
    assert staff.get("/account").status_code == 303
    assert "only one administrator" in staff.get("/login").text
    assert sign_in(staff, "staff_a") == 401
    assert "That administrator is admin." in banners(admin)[0]["text"]


def test_session_of_who_is_made_inactive_in_supabase_ends(
    users: FallbackUserStore, services: Services, signed_in: SignedIn, supa: SupabaseStack
) -> None:
    staff, ended = signed_in("staff_a"), list[str]()
    users.on_sessions_ended.append(ended.append)
    step(services)
    supa.sql("update users set is_active = false where username = 'staff_a'")
    step(services)
    assert len(ended) == 1
    assert staff.get("/account").status_code == 303
    supa.sql("update users set is_active = true where username = 'staff_a'")
    step(services)
    assert staff.get("/account").status_code == 303  # that cookie is worthless


def test_pages_are_told_when_it_goes_and_comes(
    users: FallbackUserStore, services: Services, app: Any, supa: SupabaseStack
) -> None:
    heard: list[tuple[str, dict[str, Any]]] = []

    def drain() -> int:
        services.hub.drain(lambda name, event, room: heard.append((name, event)))
        return len({event["time"] for name, event in heard if event.get("about") == "accounts"})

    services.hub.seq(Stream("staff", "hospital_a"))  # somebody looks
    before = drain()
    supa.close_gateway()
    step(services)
    assert drain() == before + 1
    step(services)
    assert drain() == before + 1  # no news
    supa.heal()
    step(services)
    assert drain() == before + 2


def test_nothing_secret_is_in_a_page(users: FallbackUserStore, signed_in: SignedIn, supa: SupabaseStack) -> None:
    admin = signed_in("admin")
    hashes = [user.password_hash for user in users.all()]
    supa.close_gateway()
    users.by_username("admin")
    for path in ("/admin/users", "/account", "/audit", "/api/status", "/login"):
        page = admin.get(path).text
        assert not [secret for secret in (supa.secret_key, *hashes) if secret in page]
