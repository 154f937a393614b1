"""What pages say in odd situations, mostly asked of their parts themselves, in real Chromium."""

from __future__ import annotations

import io
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from tests.e2e.browser import Visitor, WebServer, run_state, small_hospitals

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

FEED = """async (events) => {
  const { Feed } = await import("/static/js/feed.js");
  const place = document.createElement("div");
  document.querySelector("main").append(place);
  const feed = new Feed(place);
  const all = { event: "training_status", run_id: "r", rounds: 3, time: "2026-01-01T00:00:00Z" };
  feed.add(events.map((event) => ({ ...all, ...event })));
  const lines = [...place.querySelectorAll(".feed-text")].map((line) => line.firstChild.textContent).reverse();
  place.remove();
  return lines;
}"""
STATS = """async (run) => {
  const { runStats } = await import("/static/js/run_panel.js");
  const told = { id: "r", rounds: 3, scans: {}, records: [], created: new Date().toISOString(), ...run };
  return runStats(told).textContent;
}"""
HISTOGRAM = """async (histogram) => {
  const { sizeHistogram } = await import("/static/js/hospital_cards.js");
  const figure = sizeHistogram(histogram);
  return [...figure.querySelectorAll(".histogram-axis span")].map((label) => label.textContent);
}"""
TIME_LEFT = """async (seconds) => (await import("/static/js/i18n.js")).roughDuration(seconds)"""
CHOSEN_ROW = """async () => {
  const { FindingList } = await import("/static/js/annotate/lists.js");
  const list = document.createElement("ul");
  Object.assign(list.style, { height: "200px", overflow: "auto" });
  document.querySelector("main").prepend(list);
  const one = { label: "1", kind: "nodule", diameter_mm: 5, comment: "", slice: 1 };
  const findings = Array.from({ length: 40 }, (_, place) => ({ ...one, id: `f${place}` }));
  const rows = new FindingList(list, { choose() {}, change() {}, remove() {} });
  const inside = [];
  for (const chosen of ["f39", "f0"]) {
    rows.show(findings.map((one) => ({ ...one, isChosen: one.id === chosen })));
    const row = list.querySelector(".is-chosen").getBoundingClientRect();
    const frame = list.getBoundingClientRect();
    inside.push(row.top >= frame.top - 1 && row.bottom <= frame.bottom + 1);
  }
  return inside;
}"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebServer]:
    folder = tmp_path_factory.mktemp("words")
    with WebServer(shutil.copytree(small_hospitals(folder / "phantoms"), folder / "data"), "--demo") as started:
        yield started


@pytest.fixture
def admin(server: WebServer, browser: Browser) -> Iterator[Visitor]:
    visitor = Visitor(browser, server.url).sign_in("admin")
    visitor.opens("/server")
    yield visitor
    visitor.saw_nothing_wrong()
    visitor.leave()


def test_asking_for_a_pause_is_not_told_as_going_on(admin: Visitor) -> None:
    running = {"state": "running", "round": 1}
    asked, paused = {**running, "pending": "pause"}, {"state": "paused", "round": 2}
    resumed: dict[str, Any] = {"state": "running", "round": 2}
    assert admin.page.evaluate(FEED, [asked, running]) == [], "the pause was called off: nothing has happened"
    assert admin.page.evaluate(FEED, [asked, paused, resumed]) == [
        "Paused after round 2.",
        "The training goes on after round 2.",
    ]


def test_a_run_without_a_complete_round_is_told_so(admin: Visitor) -> None:
    ended = {"event": "run_finished", "state": "stopped", "round": 0}
    assert admin.page.evaluate(FEED, [ended]) == ["The training was stopped before the first round was complete."]


def test_no_time_is_promised_while_a_run_waits(admin: Visitor) -> None:
    assert "known soon" in admin.page.evaluate(STATS, {"state": "running", "round": 0})
    assert "known soon" not in admin.page.evaluate(STATS, {"state": "paused", "round": 1})
    assert admin.page.evaluate(TIME_LEFT, 0) == "10 sec"


def test_who_sees_one_hospital_is_not_told_that_all_have_answered(server: WebServer, browser: Browser) -> None:
    current = {"round": 1, "hospitals": {"hospital_a": {"state": "done", "fraction": 1}}}
    run = {"state": "running", "round": 0, "current": current}
    for name, is_told in {"admin": True, "staff_a": False}.items():
        visitor = Visitor(browser, server.url).sign_in(name)
        assert ("measured" in visitor.page.evaluate(STATS, run)) is is_told
        visitor.leave()


def test_bins_of_unequal_width_say_where_they_begin(admin: Visitor) -> None:
    labels = admin.page.evaluate(HISTOGRAM, {"edges_mm": [0, 4, 10, 30], "counts": [1, 2, 3]})
    assert labels == ["0", "4", "10+"]  # the last holds all that is larger


def test_the_chosen_finding_is_seen_in_a_long_list(admin: Visitor) -> None:
    assert admin.page.evaluate(CHOSEN_ROW) == [True, True]


def test_the_form_tells_borders_exactly_and_sums_up_only_what_is_possible(admin: Visitor) -> None:
    form = admin.page.get_by_test_id("run-form")
    form.locator("summary").click()
    form.locator("#learning_rate").fill("0")
    form.locator("#learning_rate").press("Tab")
    expect(form.locator("[data-error=learning_rate]")).to_have_text("Must be between 0.000001 and 1.")
    summary = form.locator("[data-summary]")
    expect(summary).to_contain_text("10 rounds")
    form.locator("#rounds").fill("-5")
    expect(summary).not_to_contain_text("round")


def test_a_stopped_run_can_be_resumed_without_a_reload(admin: Visitor) -> None:
    page = admin.page
    page.get_by_test_id("start-run").click()
    run_state(page, "running")
    page.get_by_test_id("stop-run").click()
    page.get_by_test_id("confirm").click()
    run_state(page, "stopped")
    expect(page.get_by_test_id("resume-run")).to_be_visible()
    expect(page.locator("[data-run=reason]")).to_contain_text("before the first round was complete")


def test_numbers_of_the_hospital_follow_its_scans(server: WebServer, admin: Visitor, browser: Browser) -> None:
    """On the page of the staff and on that of the administration."""
    staff = Visitor(browser, server.url).sign_in("staff_b")
    page = staff.opens("/client")
    cards = [page.get_by_test_id("own-data"), admin.page.locator("[data-hospital=hospital_b]")]
    for card in cards:
        expect(card.locator(".stat-value").first).to_have_text("2")
    page.get_by_test_id("scan-ready").first.uncheck()
    for card in cards:
        expect(card.locator(".stat-value").first).to_have_text("1")
    staff.saw_nothing_wrong()
    staff.leave()


def test_what_a_table_brings_is_counted_by_kind_and_once(server: WebServer, browser: Browser, tmp_path: Path) -> None:
    staff = Visitor(browser, server.url).sign_in("staff_c")
    page = staff.opens("/client")
    scan = staff.asks("/api/scans")["scans"][0]["scan_id"]
    x, y, z = staff.asks(f"/api/scans/{scan}")["geometry"]["origin_xyz_mm"]
    table = io.StringIO()
    print(
        "seriesuid,coordX,coordY,coordZ,diameter_mm",
        *(f"{scan},{x + at},{y + 9},{z + 9},4" for at in (9, 29)),
        sep="\n",
        file=table,
    )
    (tmp_path / "extra.csv").write_text(table.getvalue())
    for told in (
        "2 findings to ignore for 1 scan were imported.",
        "Nothing new: all of these findings were marked already.",
    ):
        page.get_by_test_id("import-annotations").click()
        page.locator("#import-ignored").check()
        page.get_by_test_id("import-file").set_input_files(tmp_path / "extra.csv")
        page.get_by_test_id("import-apply").click()
        expect(page.locator(".toast", has_text=told)).to_be_visible()
    staff.saw_nothing_wrong()
    staff.leave()


def test_long_names_push_nothing_out_of_reach(server: WebServer, admin: Visitor) -> None:
    page = admin.page
    page.goto("/admin/users")
    page.get_by_test_id("new-user").click()
    form = page.get_by_test_id("new-user-form")
    form.locator("#username").fill("u" * 64)
    form.locator("#display_name").fill("w" * 100)
    form.locator("[name=hospital_id]").select_option("hospital_a")
    form.locator("[type=submit]").click()
    expect(page.get_by_test_id("created-user")).to_be_visible()
    fits = "(table) => table.scrollWidth <= table.parentElement.clientWidth + 1"
    assert page.get_by_test_id("users-table").evaluate(fits)
    page.get_by_test_id(f"edit-{'u' * 64}").click()
    dialog = page.locator("dialog[open]")
    assert dialog.evaluate("(dialog) => dialog.scrollWidth <= dialog.clientWidth + 1")
