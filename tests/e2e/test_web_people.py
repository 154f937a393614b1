"""Who signs in meets the own pages in the own language and look, and leaves in every tab; in real Chromium."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.browser import (
    PASSWORD,
    REFUSED,
    Visitor,
    WebServer,
    empty_hospitals,
    is_live,
    printed_passwords,
)

HOMES = {"admin": "/server", "staff_b": "/client", "clinician_c": "/inference"}
MENUS = {
    "admin": ["Training", "History", "Models", "Users", "Audit"],
    "staff_b": ["My hospital", "Detection", "History", "Models"],
    "clinician_c": ["Detection", "History", "Models"],
}
REFUSED_PAGES = {
    "admin": ["/client", "/inference"],
    "staff_b": ["/server"],
    "clinician_c": ["/server", "/client"],
}
OWN = "a password of my own choosing"
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebServer]:
    with WebServer(empty_hospitals(tmp_path_factory.mktemp("people") / "data"), "--demo") as started:
        yield started


@pytest.mark.parametrize("name", HOMES)
def test_everybody_has_a_home_and_a_menu_of_the_own(server: WebServer, browser: Browser, name: str) -> None:
    visitor = Visitor(browser, server.url).sign_in(name)
    page = visitor.page
    assert page.url == server.url + HOMES[name]
    is_live(page)
    links = page.locator("nav a")
    expect(links).to_have_text(MENUS[name])
    for link in [links.nth(index).get_attribute("href") for index in range(links.count())]:
        assert link
        opened = page.goto(link)
        assert opened
        assert opened.status == 200
        is_live(page)
    visitor.saw_nothing_wrong()
    for path in REFUSED_PAGES[name]:
        opened = page.goto(path)
        assert opened
        assert opened.status == 403
    visitor.saw_nothing_wrong(except_for=REFUSED)
    visitor.leave()


def test_language_and_look_stay(server: WebServer, browser: Browser) -> None:
    visitor = Visitor(browser, server.url)
    page = visitor.page
    page.goto("/login")
    page.get_by_test_id("language-switch").click()
    expect(page.locator("html")).to_have_attribute("lang", "zh-CN")
    expect(page.get_by_test_id("login-form").locator("label[for=username]")).to_have_text("用户名")
    visitor.sign_in("admin")
    expect(page.get_by_test_id("nav-runs.history")).to_have_text("历史记录")
    light = background(page)
    page.get_by_test_id("theme-switch").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    dark = background(page)
    assert sum(dark) < sum(light) / 3
    for path in ("/server", "/history"):
        visitor.opens(path).reload()
        expect(page.locator("html")).to_have_attribute("data-theme", "dark")
        expect(page.locator("html")).to_have_attribute("lang", "zh-CN")
        assert background(page) == dark
    other = visitor.opens("/models", visitor.context.new_page())
    page.get_by_test_id("theme-switch").click()
    theme = page.locator("html").get_attribute("data-theme") or ""
    expect(other.locator("html")).to_have_attribute("data-theme", theme)  # the other tab follows
    page.get_by_test_id("language-switch").click()
    expect(page.get_by_test_id("nav-runs.history")).to_have_text("History")
    visitor.saw_nothing_wrong()
    visitor.leave()


def test_signing_out_signs_out_every_tab(server: WebServer, browser: Browser) -> None:
    visitor = Visitor(browser, server.url).sign_in("staff_a")
    other = visitor.opens("/history", visitor.context.new_page())
    visitor.page.get_by_test_id("sign-out").click()
    visitor.page.wait_for_url("**/login")
    expect(visitor.page.get_by_role("status").get_by_text("ended")).to_have_count(0)  # it was wanted
    other.wait_for_url(re.compile("/login.*next=.*history"))
    expect(other.get_by_role("status").first).to_contain_text("Your session has ended")
    visitor.saw_nothing_wrong(except_for=REFUSED)
    visitor.leave()


def test_wrong_passwords_and_foreign_pages_are_refused_in_words(server: WebServer, browser: Browser) -> None:
    visitor = Visitor(browser, server.url)
    page = visitor.page
    page.goto("/history/no-such-run")
    page.wait_for_url(re.compile("/login.*next="))
    page.get_by_test_id("login-form").locator("#username").fill("clinician_a")
    page.get_by_test_id("login-form").locator("#password").fill("not this one")
    page.get_by_test_id("login-form").locator("[type=submit]").click()
    expect(page.get_by_role("alert").first).not_to_be_empty()
    expect(page.locator("#username")).to_have_value("clinician_a")
    page.get_by_test_id("login-form").locator("#password").fill(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("**/history/no-such-run")
    expect(page.locator("h1")).to_have_text("Nothing here")
    visitor.saw_nothing_wrong(except_for=REFUSED)
    visitor.leave()


def test_first_start_prints_a_password_that_has_to_be_changed(tmp_path: Path, browser: Browser) -> None:
    with WebServer(tmp_path / "data", password=None) as server:
        printed = printed_passwords(server.output())
        assert list(printed) == ["admin"]
        visitor = Visitor(browser, server.url).sign_in("admin", printed["admin"])
        page = visitor.page
        for path in ("/account", "/server", "/admin/users"):
            page.goto(path)
            page.wait_for_url("**/account")
            expect(page.locator("nav a")).to_have_count(0)
        for field, text in {"current_password": printed["admin"], "new_password": OWN, "repeat_password": OWN}.items():
            page.get_by_test_id("password-form").locator(f"#{field}").fill(text)
        page.get_by_test_id("password-form").locator("[type=submit]").click()
        expect(page.get_by_test_id("nav-runs.server")).to_be_visible()
        visitor.opens("/server")
        expect(page.locator("#hospitals")).to_contain_text("No hospital yet")
        visitor.saw_nothing_wrong()
        visitor.leave()
        server.kill()
        again = Visitor(browser, server.start().url).sign_in("admin", OWN)
        assert printed_passwords(server.output()) == printed  # nothing new the second time
        again.saw_nothing_wrong()
        again.leave()


def background(page: Page) -> list[int]:
    """Red, green and blue."""
    colour = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    return [int(part) for part in re.findall(r"\d+", colour)[:3]]
