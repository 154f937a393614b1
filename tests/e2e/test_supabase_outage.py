"""The database dies while people are at work, and comes back: nobody is stopped, nothing is lost or doubled."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.browser import PASSWORD, SERVER_IS_AWAY, Visitor, WebServer, empty_hospitals, is_live
from tests.supabase_stack import SupabaseStack
from tests.web.browsers import wait_until

DEMO_ACCOUNTS = 7
GONE_WITHIN_SECONDS = 30.0
SIGN_IN_SECONDS = 1.5
AWAY = re.compile("The database of accounts does not answer")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture
def server(tmp_path: Path, supa: SupabaseStack, monkeypatch: pytest.MonkeyPatch) -> Iterator[WebServer]:
    monkeypatch.setenv("SUPABASE_URL", supa.url)
    monkeypatch.setenv("SUPABASE_SECRET_KEY", supa.secret_key)
    with WebServer(empty_hospitals(tmp_path / "data"), "--demo") as started:
        yield started


def test_people_work_on_through_an_outage(server: WebServer, browser: Browser, supa: SupabaseStack) -> None:
    assert count(supa, "users") == DEMO_ACCOUNTS  # the first start made them there
    admin, staff = (Visitor(browser, server.url).sign_in(name) for name in ("admin", "staff_a"))
    staff.opens("/account")
    supa.kill_database()
    expect(staff.page.locator("#banners")).to_contain_text(AWAY)  # without a reload
    somebody_signs_in_in_time(server, browser)
    changes_the_own_name(staff.page)
    password = makes_an_account(admin.page)
    assert count_in_page(admin.page) == DEMO_ACCOUNTS + 1
    server.kill()
    server.start()
    is_live(staff.page)  # with the session of before, though nobody could be asked
    expect(staff.page.locator("#banners")).to_contain_text(AWAY)
    expect(admin.opens("/admin/users").locator("#banners")).to_contain_text("2 changes of accounts wait")
    supa.heal()
    begun = time.monotonic()
    for visitor in (admin, staff):
        expect(visitor.page.locator("#banners .alert")).to_have_count(0)
    assert time.monotonic() - begun < GONE_WITHIN_SECONDS
    nothing_is_lost_or_doubled(supa, server)
    newcomer = Visitor(browser, server.url).sign_in("newcomer", password)
    assert newcomer.page.url.endswith("/account")  # to change the password
    somebody_is_shut_out_in_supabase(supa, staff)
    for visitor in (admin, staff, newcomer):
        visitor.saw_nothing_wrong(except_for=f"{SERVER_IS_AWAY}|status of 401")
        visitor.leave()


def somebody_signs_in_in_time(server: WebServer, browser: Browser) -> None:
    clinician = Visitor(browser, server.url)
    page = clinician.page
    page.goto("/login")
    expect(page.get_by_test_id("banners")).to_contain_text(AWAY)
    page.locator("#username").fill("clinician_b")
    page.locator("#password").fill(PASSWORD)
    with page.expect_response(lambda answer: answer.request.method == "POST") as answered:
        page.get_by_test_id("login-form").locator("[type=submit]").click()
    assert answered.value.status == 303
    assert answered.value.request.timing["responseStart"] < SIGN_IN_SECONDS * 1000
    page.wait_for_url("**/inference")
    clinician.saw_nothing_wrong()
    clinician.leave()


def changes_the_own_name(page: Page) -> None:
    page.locator("#display_name").fill("Renamed while away")
    page.get_by_test_id("profile-form").locator("[type=submit]").click()
    page.wait_for_url("**/account?saved=profile")


def makes_an_account(page: Page) -> str:
    page.goto("/admin/users")
    page.get_by_test_id("new-user").click()
    form = page.get_by_test_id("new-user-form")
    form.locator("[name=username]").fill("newcomer")
    form.locator("[name=display_name]").fill("New Comer")
    form.locator("[name=hospital_id]").select_option("hospital_a")
    form.locator("[type=submit]").click()
    return page.locator("#new-password").inner_text()


def nothing_is_lost_or_doubled(supa: SupabaseStack, server: WebServer) -> None:
    assert count(supa, "users") == DEMO_ACCOUNTS + 1
    changed = supa.sql("select username, display_name, version from users where username in ('staff_a', 'newcomer')")
    assert sorted(changed.split("\n")[:2]) == ["newcomer|New Comer|1", "staff_a|Renamed while away|2"]
    lines = (server.data / "audit.jsonl").read_text().count("\n")
    wait_until(lambda: count(supa, "audit") == lines, "the audit is in Supabase, every deed once")


def somebody_is_shut_out_in_supabase(supa: SupabaseStack, staff: Visitor) -> None:
    """In its table editor; the open page is sent away by itself."""
    supa.sql("update users set is_active = false where username = 'staff_a'")
    staff.page.wait_for_url(re.compile("/login"))


def count(supa: SupabaseStack, table: str) -> int:
    return int(supa.sql(f"select count(*) from {table}"))


def count_in_page(page: Page) -> int:
    return page.get_by_test_id("users-table").locator("tbody tr").count()
