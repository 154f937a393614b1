"""Further visits to a kept reading: with the keyboard alone, in other languages and looks, from another hospital."""

from __future__ import annotations

from playwright.sync_api import Browser, expect

from tests.e2e.browser import REFUSED, Visitor, WebServer, is_live, tab_to
from tests.e2e.test_accessibility import violations


def with_the_keyboard_alone(browser: Browser, server: WebServer, prediction: str) -> None:
    visitor = Visitor(browser, server.url)
    page = visitor.sign_in("clinician_a").opens("/inference")
    expect(page.get_by_test_id(f"result-{prediction}")).to_be_visible()
    tab_to(page, f"[data-testid=result-{prediction}] a")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/inference/{prediction}")
    is_live(page)
    rows = page.get_by_test_id("marks").locator("tbody")
    expect(rows.first).to_be_visible()
    expect(page.get_by_test_id("viewer")).to_have_attribute("data-state", "ready")
    before = rows.count()
    page.keyboard.press("n")
    expect(rows.first).to_have_class("mark is-chosen")
    page.keyboard.press("u")
    expect(rows.first).to_have_attribute("data-status", "open")
    page.keyboard.press("a")
    expect(rows.first).to_have_attribute("data-status", "accepted")
    page.keyboard.press("k")
    expect(page.get_by_test_id("toggle-mask")).to_be_checked()
    page.keyboard.press("d")
    tab_to(page, "[data-testid=plane-axial]")
    page.keyboard.press("Enter")
    expect(rows).to_have_count(before + 1)
    page.keyboard.press("Control+z")
    expect(rows).to_have_count(before)
    page.keyboard.press("Escape")
    page.keyboard.press("t")
    expect(page.get_by_test_id("threshold")).to_be_focused()
    value = page.get_by_test_id("threshold-value").inner_text()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_test_id("threshold-value")).not_to_have_text(value)
    tab_to(page, "[data-testid=export-csv]")
    with page.expect_download() as waiting:
        page.keyboard.press("Enter")
    assert waiting.value.suggested_filename.endswith(".csv")
    visitor.saw_nothing_wrong()
    visitor.leave()


def everybody_can_use_the_pages(browser: Browser, server: WebServer, prediction: str) -> None:
    for language, theme in (("zh", "light"), ("en", "dark")):
        visitor = Visitor(browser, server.url, language, theme)
        page = visitor.sign_in("clinician_a").opens("/inference")
        expect(page.get_by_test_id("scan-row").first).to_be_visible()
        assert violations(page, "choosing") == []
        page.goto(f"/inference/{prediction}")
        expect(page.get_by_test_id("marks").locator("tbody").first).to_be_visible()
        page.get_by_test_id("go-m1").click()
        assert violations(page, "reading") == []
        switched = "zh" if language == "en" else "en"
        row = page.get_by_test_id("mark-m1").inner_text()
        page.get_by_test_id("language-switch").click()
        expect(page.locator("html")).to_have_attribute("lang", {"zh": "zh-CN", "en": "en"}[switched])
        expect(page.get_by_test_id("mark-m1")).to_be_visible()
        assert page.get_by_test_id("mark-m1").inner_text().split("\t")[:3] == row.split("\t")[:3]  # numbers stay
        visitor.saw_nothing_wrong()
        visitor.leave()


def others_see_nothing(browser: Browser, server: WebServer, prediction: str) -> None:
    paths = ["", "/mask", "/offer", "/export.csv", "/export.json", "/export.pdf", "/export/seg.dcm", "/export/sr.dcm"]
    for name in ("clinician_b", "staff_b"):
        stranger = Visitor(browser, server.url).sign_in(name)
        for path in [f"/inference/{prediction}", *(f"/api/predictions/{prediction}{path}" for path in paths)]:
            assert stranger.page.request.get(path).status == 404, path
        assert stranger.asks("/api/predictions") == []
        stranger.saw_nothing_wrong(except_for=REFUSED)
        stranger.leave()
