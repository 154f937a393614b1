"""A federation from the first click to the model in use, with the server killed in between; in real Chromium."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.browser import (
    PASSWORD,
    SERVER_IS_AWAY,
    Visitor,
    WebServer,
    confirm,
    is_live,
    round_cells,
    run_state,
    small_hospitals,
    tab_to,
)

HOSPITALS = 3
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


@pytest.fixture(scope="module")
def hospitals(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_hospitals(tmp_path_factory.mktemp("phantoms") / "data")


@pytest.fixture
def server(hospitals: Path, tmp_path: Path) -> Iterator[WebServer]:
    with WebServer(shutil.copytree(hospitals, tmp_path / "data"), "--demo") as started:
        yield started


def test_a_federation_outlives_its_server_and_gives_a_model(server: WebServer, browser: Browser) -> None:
    admin = Visitor(browser, server.url)
    first = starts_a_round_with_the_keyboard_alone(admin)
    staff = Visitor(browser, server.url).sign_in("staff_a")
    second = starts_four_rounds(admin)
    two_rounds_are_watched(admin, staff)
    the_server_is_killed_and_comes_back(server, admin, staff)
    the_run_is_resumed_and_ends(admin, staff, second)
    two_runs_are_compared(admin, first, second)
    the_model_is_promoted(admin, second)
    others_see_what_is_theirs(browser, server, staff, second)
    for visitor in (admin, staff):
        visitor.saw_nothing_wrong(except_for=SERVER_IS_AWAY)
        visitor.leave()


def starts_a_round_with_the_keyboard_alone(admin: Visitor) -> str:
    page = admin.page
    page.goto("/login")
    expect(page.locator("#username")).to_be_focused()
    page.keyboard.type("admin")
    tab_to(page, "#password")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("**/server")
    is_live(page)
    tab_to(page, "#rounds")
    page.keyboard.press("Control+A")
    page.keyboard.type("1")
    tab_to(page, "[data-testid=start-run]")
    page.keyboard.press("Enter")
    expect(page.locator("#run-title")).to_be_focused()  # where the news is
    run_state(page, "finished")
    assert page.evaluate("document.activeElement.id") == "run-title"
    return newest_run(admin)


def starts_four_rounds(admin: Visitor) -> str:
    page = admin.page
    form = page.get_by_test_id("run-form")
    form.locator("#rounds").fill("0")
    page.get_by_test_id("start-run").click()
    expect(form.locator("#rounds-error")).to_contain_text("1")
    form.locator("#rounds").fill("4")
    form.locator("#strategy").select_option("fedprox")
    page.get_by_test_id("start-run").click()
    expect(form).to_be_hidden()
    run_state(page, "running")
    return newest_run(admin)


def two_rounds_are_watched(admin: Visitor, staff: Visitor) -> None:
    """Without a reload: what is drawn came over the live socket."""
    for visitor, hospitals in ((admin, HOSPITALS), (staff, 1)):
        page = visitor.page
        page.evaluate("window.notReloaded = true")
        for round_ in (1, 2):
            round_cells(page, round_, "done", hospitals)
            expect(page.get_by_test_id("feed").get_by_text(f"Round {round_}").first).to_be_visible()
        expect(page.locator("[data-run=grid] tbody tr")).to_have_count(hospitals)
        assert page.evaluate("window.notReloaded")
    assert_names(staff.page, seen=["Hospital A"], never=["Hospital B", "Hospital C"])


def the_server_is_killed_and_comes_back(server: WebServer, admin: Visitor, staff: Visitor) -> None:
    round_cells(admin.page, 3, "training", 1)
    server.kill()
    for visitor in (admin, staff):
        expect(visitor.page.get_by_test_id("connection-state")).not_to_have_attribute("data-state", "live")
    server.start()
    assert "Traceback" not in server.output()


def the_run_is_resumed_and_ends(admin: Visitor, staff: Visitor, run: str) -> None:
    for visitor in (admin, staff):
        is_live(visitor.page)  # by itself, with the session of before
    page = admin.page
    run_state(page, "stopped")
    expect(page.get_by_test_id("run-state")).to_have_text("Interrupted")
    page.get_by_test_id("resume-run").click()
    for visitor in (admin, staff):
        run_state(visitor.page, "finished")
    assert [record["round"] for record in admin.asks(f"/api/runs/{run}")["records"]] == [1, 2, 3, 4]


def two_runs_are_compared(admin: Visitor, first: str, second: str) -> None:
    page = admin.opens("/history")
    expect(page.get_by_test_id("compare-runs")).to_be_disabled()
    for run in (first, second):
        page.locator(f"[data-run-id='{run}']").check()
    page.get_by_test_id("compare-runs").click()
    expect(page.locator("#comparison-title")).to_be_focused()
    settings = page.locator("#config-diff tbody tr th")
    expect(settings).to_have_text(["Rounds (differs)", "Strategy (differs)", "Options of the strategy (differs)"])
    page.locator("#only-different").uncheck()
    expect(page.locator("#config-diff tbody tr:not(.is-different)").first).to_be_visible()
    expect(page.locator("#result-table td.is-best").first).to_be_visible()
    assert first in page.url  # an address to share
    assert second in page.url
    page.reload()
    expect(page.locator("#config-diff tbody tr")).to_have_count(3)


def the_model_is_promoted(admin: Visitor, run: str) -> None:
    page = admin.opens("/models")
    model = admin.asks(f"/api/runs/{run}")["model_id"]
    page.get_by_test_id(f"promote-{model}").first.click()
    page.keyboard.press("Escape")  # a second thought
    page.get_by_test_id(f"promote-{model}").first.click()
    confirm(page)
    expect(page.get_by_test_id("model-in-use")).to_contain_text(run)
    expect(page.get_by_test_id(f"promote-{model}")).to_have_count(0)
    assert [entry["id"] for entry in admin.asks("/api/models") if entry["promoted"]] == [model]
    deeds = [row.inner_text() for row in admin.opens("/audit").locator("#audit-table tbody tr").all()]
    assert any(model in deed for deed in deeds)


def others_see_what_is_theirs(browser: Browser, server: WebServer, staff: Visitor, run: str) -> None:
    page = staff.opens("/models")
    expect(page.get_by_test_id("model-in-use")).to_contain_text(run)
    expect(page.locator("[data-testid^=promote-]")).to_have_count(0)
    page = staff.opens(f"/history/{run}")
    round_cells(page, 4, "done", 1)
    assert_names(page, seen=["Hospital A"], never=["Hospital B", "Hospital C"])
    clinician = Visitor(browser, server.url).sign_in("clinician_b")
    expect(clinician.page.get_by_test_id("model")).to_have_value(re.compile(f"^{run}-r"))
    expect(clinician.page.locator("main")).to_contain_text("not for diagnosis")
    clinician.saw_nothing_wrong()
    clinician.leave()


def test_a_signal_ends_the_server_in_order_and_the_run_goes_on_later(server: WebServer, browser: Browser) -> None:
    admin = Visitor(browser, server.url).sign_in("admin")
    run = admin.posts("/api/runs", {"rounds": 2, "validate_every": 0})["id"]
    round_cells(admin.page, 2, "training", 1)
    assert server.terminate() == 0
    expect(admin.page.get_by_test_id("connection-state")).not_to_have_attribute("data-state", "live")
    assert "Traceback" not in server.output()
    server.start()
    is_live(admin.page)
    found = admin.asks(f"/api/runs/{run}")
    assert (found["state"], found["round"], found["can_resume"]) == ("stopped", 1, True)
    page = admin.opens(f"/history/{run}")
    page.get_by_test_id("resume-run").click()
    run_state(page, "finished")
    round_cells(page, 2, "done", HOSPITALS)
    admin.saw_nothing_wrong(except_for=SERVER_IS_AWAY)
    admin.leave()


STOPPED_WITHIN_A_ROUND = """async () => {
  const [{ RoundGrid }, { applyEvent }] = await Promise.all(
    ["round_grid", "run_state"].map((name) => import(`/static/js/${name}.js`)));
  const place = document.createElement("div");
  document.querySelector("main").append(place);
  const grid = new RoundGrid(place);
  const hospitals = ["hospital_a"];
  const record = { round: 1, hospitals: [{ hospital: "hospital_a", seconds: 1 }], dropped: {} };
  const events = [
    { event: "round_started", round: 2, rounds: 5, hospitals, learning_rate: 0.1 },
    { event: "training_status", state: "stopped", round: 1, rounds: 5 },
    { event: "training_status", state: "running", round: 1, rounds: 5 },
  ];
  const scans = { hospital_a: 1 };
  let run = { id: "r", state: "running", round: 1, rounds: 5, scans, records: [record], current: null };
  const seen = [];
  for (const event of events) {
    run = applyEvent(run, { ...event, run_id: "r" });
    grid.draw(run);
    seen.push([...place.querySelectorAll("tbody td")].map((cell) => cell.dataset.state));
  }
  return seen;
}"""


def test_the_grid_of_a_run_that_is_stopped_within_a_round(server: WebServer, browser: Browser) -> None:
    admin = Visitor(browser, server.url).sign_in("admin")
    future = ["future"] * 3
    assert admin.page.evaluate(STOPPED_WITHIN_A_ROUND) == [
        ["done", "waiting", *future],
        ["done"],
        ["done", "waiting", *future],
    ]
    admin.saw_nothing_wrong()


def newest_run(visitor: Visitor) -> str:
    return str(visitor.asks("/api/runs")[0]["id"])


def assert_names(page: Page, seen: list[str], never: list[str]) -> None:
    text = page.locator("body").inner_text()
    assert all(name in text for name in seen)
    assert not any(name in text for name in never)
