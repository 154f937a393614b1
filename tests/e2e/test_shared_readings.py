"""Two people of one hospital: readings are cancelled, one is read anew, and each reads first for themselves."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from fedlung.imaging.phantom import write_hospitals
from tests.e2e.browser import Visitor, WebServer, tab_to
from tests.e2e.test_accessibility import violations

READING_MS = 300_000
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[WebServer]:
    write_hospitals(tmp_path / "data", 3, 4, seed=0, scale=1.0)
    with WebServer(tmp_path / "data", "--demo") as started:
        yield started


def test_two_people_share_a_queue_and_read_for_themselves(server: WebServer, browser: Browser) -> None:
    clinician = Visitor(browser, server.url).sign_in("clinician_a")
    staff = Visitor(browser, server.url, "zh").sign_in("staff_a")
    running = readings_are_cancelled(clinician, staff)
    anew = it_is_read_anew(clinician, running)
    each_declares_the_own_first_read(clinician, staff, anew)
    for visitor in (clinician, staff):
        visitor.saw_nothing_wrong()
        visitor.leave()


def readings_are_cancelled(clinician: Visitor, staff: Visitor) -> str:
    """From the list, and by a colleague on the page that waits; both with the keyboard. Four scans take long enough."""
    page, other = clinician.page, staff.page
    scans = [scan["scan_id"] for scan in clinician.asks("/api/scans")["scans"]]
    _, running, _, queued = (clinician.posts("/api/predictions", {"scan_id": scan})["id"] for scan in scans)
    other.goto(f"/inference/{running}")
    clinician.opens("/inference")
    expect(page.get_by_test_id(f"cancel-{queued}")).to_be_visible()
    page.get_by_test_id(f"open-{queued}").focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_test_id(f"queue-{queued}")).to_have_count(0)
    expect(page.get_by_test_id(f"result-{queued}")).to_contain_text("Cancelled by clinician_a.")
    expect(page.locator("#queue-title")).to_be_focused()  # a second Enter cancels nothing
    tab_to(other, "[data-testid=cancel-reading]")
    other.keyboard.press("Enter")
    expect(other.get_by_test_id("reading-failed")).to_contain_text("staff_a")
    expect(other.get_by_test_id("read-again")).to_be_focused()
    assert violations(other, "cancelled") == []
    expect(page.get_by_test_id(f"result-{running}")).to_contain_text("Cancelled by staff_a.")  # by itself
    assert violations(page, "the list") == []
    return str(running)


def it_is_read_anew(clinician: Visitor, cancelled: str) -> str:
    page = clinician.opens(f"/inference/{cancelled}")
    expect(page.get_by_test_id("marks-words")).to_contain_text("This says nothing about nodules")
    page.get_by_test_id("read-again").click()
    page.wait_for_url(lambda url: "/inference/" in url and cancelled not in url)
    expect(page.get_by_test_id("threshold")).to_be_visible(timeout=READING_MS)
    return page.url.rsplit("/", 1)[1]


def each_declares_the_own_first_read(clinician: Visitor, staff: Visitor, prediction: str) -> None:
    pages = [visitor.opens(f"/inference/{prediction}") for visitor in (clinician, staff)]
    for page in pages:
        expect(page.get_by_test_id("threshold")).to_be_visible()
        page.get_by_test_id("second-reader").check()
        expect(page.get_by_test_id("first-read")).to_be_visible()
    first, second = pages
    first.get_by_test_id("tool-add").click()
    first.get_by_test_id("plane-axial").click(position={"x": 150, "y": 150})
    expect(first.get_by_test_id("marks").locator("tbody")).to_have_count(1)
    first.get_by_test_id("declare-read").click()
    first.get_by_test_id("undo").click()  # at once: the marks have been seen all the same
    expect(first.get_by_test_id("first-read")).to_be_hidden()
    expect(first.get_by_test_id("save-state")).to_have_attribute("data-state", "saved")
    expect(first.get_by_test_id("first-reads")).to_contain_text("clinician_a")
    second.reload()
    expect(second.get_by_test_id("save-state")).to_contain_text("1")
    expect(second.get_by_test_id("first-read")).to_be_visible()
    expect(second.get_by_test_id("marks").locator("tbody")).to_have_count(0)  # not even what the colleague added
    expect(second.get_by_test_id("export-pdf")).to_be_hidden()
    second.get_by_test_id("declare-read").click()
    expect(second.get_by_test_id("marks").locator("tbody").first).to_be_visible()
    expect(second.get_by_test_id("save-state")).to_have_attribute("data-state", "saved")
    marks = staff.asks(f"/api/predictions/{prediction}")["marks"]
    assert [declared["author"] for declared in marks["first_reads"]] == ["clinician_a", "staff_a"]
