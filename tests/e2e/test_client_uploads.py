"""What people drop on the hospital's page: by mouse, by keyboard, in Chinese, with wrong and hostile files among it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect

from fedlung.imaging.phantom import write_hospitals
from tests.e2e.browser import REFUSED, Visitor, WebServer, empty_hospitals, is_live, tab_to
from tests.web.browsers import wait_until

HOSTILE = """<img src=x onerror="alert('file')">\u202egnp.mha"""
DROP = """([zone, files]) => {
  const transfer = new DataTransfer();
  for (const [name, text] of files) transfer.items.add(new File([text], name));
  for (const type of ["dragover", "drop"])
    zone.dispatchEvent(new DragEvent(type, { dataTransfer: transfer, bubbles: true, cancelable: true }));
}"""
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebServer]:
    with WebServer(empty_hospitals(tmp_path_factory.mktemp("uploads") / "data"), "--demo") as started:
        yield started


@pytest.fixture(scope="module")
def phantom(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Header of a small scan; its voxels are beside it."""
    folder = tmp_path_factory.mktemp("phantom")
    write_hospitals(folder, 1, 1, seed=3, scale=0.5)
    return next(folder.glob("*/scans/*.mhd"))


def drop(page: Page, files: dict[str, str], place: str = "drop-zone") -> None:
    zone = page.get_by_test_id(place).element_handle()
    page.evaluate(DROP, [zone, list(files.items())])


def test_wrong_files_are_refused_with_a_sentence(server: WebServer, browser: Browser) -> None:
    staff = Visitor(browser, server.url).sign_in("staff_a")
    page = staff.opens("/client")
    drop(page, {HOSTILE: "no scan", "note.txt": "nor this", "empty.mha": ""})
    expect(page.get_by_test_id("upload-group")).to_have_count(1)
    expect(page.get_by_test_id("upload-chosen")).to_contain_text("2 files are not sent")
    expect(page.get_by_test_id("upload-group")).to_contain_text("<img src=x")
    page.get_by_test_id("send-uploads").click()
    row = page.get_by_test_id("upload-row")
    expect(row).to_have_attribute("data-state", "refused")
    expect(row.locator(".check-bad")).to_contain_text("mha")
    assert staff.asks("/api/scans")["scans"] == []
    page.reload()
    is_live(page)
    expect(row).to_contain_text("<img src=x")
    assert page.locator("img").count() == 0
    page.get_by_test_id("dismiss-upload").click()
    expect(row).to_have_count(0)
    staff.saw_nothing_wrong()
    staff.leave()


def test_a_drop_beside_the_zone_changes_nothing(server: WebServer, browser: Browser) -> None:
    staff = Visitor(browser, server.url).sign_in("staff_a")
    page = staff.opens("/client")
    drop(page, {"a.mha": "x"}, place="own-data")
    expect(page.get_by_test_id("upload-chosen")).to_be_hidden()
    assert page.url.endswith("/client")
    staff.leave()


def test_a_scan_comes_in_by_keyboard_in_chinese(server: WebServer, browser: Browser, phantom: Path) -> None:
    staff = Visitor(browser, server.url, "zh", "dark").sign_in("staff_b")
    page = staff.opens("/client")
    with page.expect_file_chooser() as chooser:
        tab_to(page, "[data-testid=choose-files]")
        page.keyboard.press("Enter")
    chooser.value.set_files([phantom, next(path for path in phantom.parent.glob(f"{phantom.stem}.*raw"))])
    expect(page.get_by_test_id("upload-group")).to_have_count(1)
    tab_to(page, "[data-testid=send-uploads]")
    page.keyboard.press("Enter")
    row = page.get_by_test_id("upload-row")
    expect(row).to_have_attribute("data-state", "done", timeout=120_000)
    expect(row).to_contain_text("已入库")
    tab_to(page, "[data-testid=open-scan]")
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("scan-checks")).to_contain_text("层")
    page.keyboard.press("Escape")
    expect(page.get_by_test_id("open-scan")).to_be_focused()
    staff.saw_nothing_wrong()
    staff.leave()


def test_what_is_cancelled_leaves_nothing(server: WebServer, browser: Browser, tmp_path: Path) -> None:
    large = tmp_path / "large.mha"
    large.write_bytes(np.random.default_rng(0).bytes(30_000_000))
    staff = Visitor(browser, server.url).sign_in("staff_c")
    page = staff.opens("/client")
    line = staff.context.new_cdp_session(page)
    speeds = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 3_000_000}
    line.send("Network.emulateNetworkConditions", speeds)
    page.get_by_test_id("choose-files").set_input_files(large)
    page.get_by_test_id("send-uploads").click()
    row = page.get_by_test_id("upload-row")
    expect(row).to_contain_text("per second")
    expect(row).to_contain_text("left")
    page.get_by_test_id("cancel-upload").click()
    expect(row).to_have_count(0)
    page.reload()  # the page does not wait for the server
    wait_until(lambda: staff.asks("/api/uploads") == [], "the server has nothing of it")
    page.reload()
    is_live(page)
    expect(page.locator("#uploads")).to_be_hidden()
    staff.saw_nothing_wrong(except_for=REFUSED)
    staff.leave()


def test_another_hospitals_uploads_are_not_there(server: WebServer, browser: Browser) -> None:
    staff = Visitor(browser, server.url).sign_in("staff_a")
    assert staff.asks("/api/uploads") == []  # staff_b has sent one by now
    assert staff.asks("/api/scans")["scans"] == []
    staff.leave()
