"""A hospital joins: an administrator adds it and a person of it, who brings its first scan; in real Chromium."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from fedlung.imaging.phantom import write_hospitals
from tests.e2e.browser import Visitor, WebServer, empty_hospitals, is_live

OWN = "a password of my own choosing"
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebServer]:
    with WebServer(empty_hospitals(tmp_path_factory.mktemp("joins") / "data"), "--demo") as started:
        yield started


@pytest.fixture(scope="module")
def phantom(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("phantom")
    write_hospitals(folder / "made", 1, 1, seed=7, scale=0.5)
    return next((folder / "made").glob("*/scans/*.mhd"))


def test_a_hospital_joins(server: WebServer, browser: Browser, phantom: Path) -> None:
    admin = Visitor(browser, server.url).sign_in("admin")
    colleague = Visitor(browser, server.url, "zh").sign_in("admin")
    watched = colleague.opens("/server")
    page = admin.opens("/server")
    add(page, "hospital_A")
    expect(page.locator("#add-hospital [data-error=form]")).to_contain_text("taken")
    add(page, "../north")
    expect(page.locator("#add-hospital-id-error")).to_contain_text("letters from A to Z")
    add(page, "north", "北方医院")
    expect(page.locator("#add-hospital")).to_be_hidden()
    expect(page.locator("[data-hospital=north]")).to_contain_text("no scan in its folder")
    expect(watched.locator("[data-hospital=north] h3")).to_have_text("北方医院")  # nobody loaded the page again

    password = make_account(admin.opens("/admin/users"))
    staff = Visitor(browser, server.url).sign_in("li", password)
    page = staff.page
    for field, text in {"current_password": password, "new_password": OWN, "repeat_password": OWN}.items():
        page.get_by_test_id("password-form").locator(f"#{field}").fill(text)
    page.get_by_test_id("password-form").locator("[type=submit]").click()
    expect(page.get_by_test_id("nav-hospital.client")).to_be_visible()
    page = staff.opens("/client")
    page.get_by_test_id("choose-files").set_input_files([phantom, *phantom.parent.glob(f"{phantom.stem}.*raw")])
    page.get_by_test_id("send-uploads").click()
    expect(page.get_by_test_id("open-scan")).to_have_count(1)
    stored = list((server.data / "north" / "scans").glob("*.mhd"))
    assert len(stored) == 1
    staff.saw_nothing_wrong()
    admin.saw_nothing_wrong(except_for=r"status of 4[0-9]{2}")
    for visitor in (staff, admin, colleague):
        visitor.leave()


def test_a_hospital_can_be_chosen_where_it_was_added(server: WebServer, browser: Browser) -> None:
    admin = Visitor(browser, server.url).sign_in("admin")
    page = admin.opens("/admin/users")
    add(page, "south")
    page.wait_for_url("**/admin/users")
    is_live(page)
    expect(page.locator("#new-hospital option").filter(has_text="south")).to_have_count(1)
    admin.saw_nothing_wrong()
    admin.leave()


def add(page: Page, hospital_id: str, chinese: str = "") -> None:
    if not page.locator("#add-hospital").is_visible():
        page.get_by_test_id("add-hospital").click()
    page.locator("#add-hospital-id").fill(hospital_id)
    page.locator("#add-hospital-zh").fill(chinese)
    page.locator("#add-hospital-form [type=submit]").click()


def make_account(page: Page) -> str:
    """An account of the new hospital's staff; its first password."""
    page.get_by_test_id("new-user").click()
    form = page.get_by_test_id("new-user-form")
    form.locator("[name=username]").fill("li")
    form.locator("[name=display_name]").fill("Li")
    form.locator("[name=role]").select_option("staff")
    form.locator("[name=hospital_id]").select_option("north")
    form.locator("[type=submit]").click()
    return page.locator("#new-password").inner_text()
