"""Every page can be used by everybody (axe-core finds nothing), and what people write is text and nothing else."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, FilePayload, Page, expect

from tests.e2e.browser import (
    REFUSED,
    Visitor,
    WebServer,
    is_live,
    run_state,
    small_hospitals,
)

AXE = Path(__file__).parent / "vendor" / "axe-core" / "axe.min.js"
READING_MS = 300_000  # of a phantom, on a machine that has other work
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
ANIMATIONS_END = """Promise.allSettled(document.getAnimations()
  .filter((one) => one.effect.getTiming().iterations !== Infinity).map((one) => one.finished))"""
HOSTILE = """<img src=x onerror="alert('{0}')"><script>alert('{0}')</script>"""
HOSPITAL, PERSON, NOTE, MODEL, SCAN = map(HOSTILE.format, ("hospital", "person", "note", "model", "scan"))
ADMIN_PAGES = ["/server", "/history", "/models", "/admin/users", "/audit", "/account", "/dev/patterns"]
OTHER_PAGES = {
    "staff_a": ["/client", "/history", "/models", "/account"],
    "clinician_a": ["/inference", "/history", "/models"],
}
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


@dataclass(frozen=True)
class World:
    """A federation with a finished run, a paused one, and hostile names everywhere."""

    url: str
    finished: str
    paused: str


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[World]:
    data = small_hospitals(tmp_path_factory.mktemp("accessible") / "data")
    (data / "hospital_a" / "hospital.json").write_text(json.dumps({"name": {"en": HOSPITAL, "zh": HOSPITAL}}))
    with WebServer(data, "--demo") as server:
        admin = Visitor(browser, server.url).sign_in("admin")
        new_user(admin)
        finished = train(admin, rounds=1, until="finished")
        save_note(admin, finished)
        hostile_model(data / "models", admin.asks(f"/api/runs/{finished}")["model_id"])
        paused = train(admin, rounds=3, until="paused")
        admin.saw_nothing_wrong()
        admin.leave()
        yield World(server.url, finished, paused)


def new_user(admin: Visitor) -> None:
    page = admin.opens("/admin/users")
    page.get_by_test_id("new-user").click()
    form = page.get_by_test_id("new-user-form")
    form.locator("[name=username]").fill("mallory")
    form.locator("[name=display_name]").fill(PERSON)
    form.locator("[name=hospital_id]").select_option("hospital_a")
    form.locator("[type=submit]").click()
    expect(page.get_by_test_id("created-user")).to_be_visible()


def train(admin: Visitor, rounds: int, until: str) -> str:
    page = admin.opens("/server")
    run = str(admin.posts("/api/runs", {"rounds": rounds})["id"])
    if until == "paused":
        run_state(page, "running")
        page.get_by_test_id("pause-run").click()
    run_state(page, until)
    return run


def save_note(admin: Visitor, run: str) -> None:
    page = admin.opens(f"/history/{run}")
    page.locator("#note").fill(NOTE)
    page.locator("#note-form [type=submit]").click()
    expect(page.locator("#toasts")).not_to_be_empty()


def hostile_model(registry: Path, model: str) -> None:
    """Another model beside this one, whose card somebody wrote by hand."""
    folder = Path(shutil.copytree(registry / model, registry / "by-hand"))
    card = json.loads((folder / "card.json").read_text())
    kept = {name: card[name] for name in ("sha256", "created", "size_bytes", "metrics")}
    (folder / "card.json").write_text(json.dumps({**kept, "id": "by-hand", "name": MODEL}))


@pytest.mark.parametrize(("language", "theme"), [("zh", "light"), ("en", "dark")])
def test_axe_finds_nothing_on_any_page(world: World, browser: Browser, language: str, theme: str) -> None:
    visitor = Visitor(browser, world.url, language, theme)
    visitor.page.goto("/login")
    found = violations(visitor.page, "/login")
    visitor.sign_in("admin")
    for path in [*ADMIN_PAGES, f"/history/{world.finished}", f"/history/{world.paused}"]:
        found += violations(visitor.opens(path), path)
    found += in_dialogs(visitor)
    page = visitor.opens(f"/history?run={world.finished}&run={world.paused}")
    expect(page.locator("#config-diff table")).to_be_visible()
    found += violations(page, "comparison")
    visitor.saw_nothing_wrong()
    visitor.page.goto("/no-such-page")
    found += violations(visitor.page, "404")
    visitor.saw_nothing_wrong(except_for=REFUSED)
    visitor.leave()
    for name, paths in OTHER_PAGES.items():
        visitor = Visitor(browser, world.url, language, theme).sign_in(name)
        for path in [*paths, f"/history/{world.finished}"]:
            found += violations(visitor.opens(path), f"{path} of {name}")
        found += with_scans(visitor) if name.startswith("staff") else with_a_reading(visitor)
        visitor.saw_nothing_wrong()
        visitor.leave()
    assert found == []


def in_dialogs(admin: Visitor) -> list[str]:
    page = admin.opens("/admin/users")
    page.get_by_test_id("new-user").click()
    found = violations(page, "new user")
    page = admin.opens("/server")
    page.get_by_test_id("stop-run").click()
    found += violations(page, "question")
    page.keyboard.press("Escape")
    page = admin.opens("/models")
    page.locator("#models-table tbody tr").first.locator("button:has(.fa-file-lines)").click()
    return found + violations(page, "model card")


def with_scans(staff: Visitor) -> list[str]:
    page = staff.opens("/client")
    page.get_by_test_id("choose-files").set_input_files([payload(name) for name in ("x.mhd", "y.txt", "z.csv")])
    found = violations(page, "chosen files")
    page.get_by_test_id("open-scan").first.click()
    found += violations(page, "details of a scan")
    page.keyboard.press("Escape")
    page.get_by_test_id("import-annotations").click()
    rows = b"seriesuid,coordX,coordY,coordZ,diameter_mm\n1.2.3,0,0,0,5\n"
    page.get_by_test_id("import-file").set_input_files([payload("annotations.csv", rows)])
    expect(page.get_by_test_id("import-report")).to_contain_text("1.2.3")
    found += violations(page, "import of annotations")
    page.keyboard.press("Escape")
    page.get_by_test_id("annotate-scan").first.click()
    expect(page.get_by_test_id("viewer")).to_have_attribute("data-state", "ready")
    return found + violations(page, "annotating")


def with_a_reading(clinician: Visitor) -> list[str]:
    page = clinician.opens("/inference")
    scan = clinician.asks("/api/scans")["scans"][0]["scan_id"]
    reading = clinician.posts("/api/predictions", {"scan_id": scan})["id"]
    page.goto(f"/inference/{reading}")
    expect(page.get_by_test_id("viewer")).to_have_attribute("data-state", "ready", timeout=READING_MS)
    return violations(page, "a reading")


def payload(name: str, content: bytes = b"ElementDataFile = x.raw") -> FilePayload:
    return {"name": name, "mimeType": "", "buffer": content}


def violations(page: Page, where: str) -> list[str]:
    """What axe-core objects to, a line for each."""
    settled(page)
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE.read_text(encoding="utf-8"))
    answer = page.evaluate("(rules) => axe.run(document, { runOnly: rules, resultTypes: ['violations'] })", RULES)
    return [
        f"{where}: {found['id']} ({found['impact']}): {[node['target'] for node in found['nodes']][:3]}"
        for found in answer["violations"]
    ]


def settled(page: Page) -> None:
    """Nothing is being loaded or faded in any more; the sample among the patterns stays."""
    expect(page.locator("main .skeleton:not([aria-labelledby=p-states] *):visible")).to_have_count(0)
    page.evaluate(ANIMATIONS_END)


def test_what_people_write_is_shown_as_text(world: World, browser: Browser) -> None:
    admin = Visitor(browser, world.url).sign_in("admin")
    shows(admin.opens("/server"), HOSPITAL, "#hospitals")
    shows(admin.page, HOSPITAL, "[data-participants], [data-run=grid]")
    shows(admin.page, HOSPITAL, "[data-run=feed]")
    shows(admin.page, HOSPITAL, "[data-run=charts]")
    shows(admin.opens("/history"), NOTE, "#runs-table")
    page = admin.opens(f"/history/{world.finished}")
    expect(page.locator("#note")).to_have_value(NOTE)
    shows(page, HOSPITAL, "#events-table")
    shows(admin.opens("/models"), MODEL, "#models-table")
    shows(admin.opens("/admin/users"), PERSON, "#users-table")
    page.get_by_test_id("edit-mallory").click()
    shows(page, HOSPITAL, "dialog[open] select")
    admin.saw_nothing_wrong()
    admin.leave()
    staff = Visitor(browser, world.url).sign_in("staff_a")
    staff.patches(f"/api/scans/{staff.asks('/api/scans')['scans'][0]['scan_id']}", {"label": SCAN})
    shows(staff.opens("/client"), SCAN, "#scans-table")
    shows(staff.page, HOSPITAL, "#own-data")
    shows(staff.opens("/account"), HOSPITAL, "main")
    staff.saw_nothing_wrong()
    staff.leave()


def shows(page: Page, text: str, place: str) -> None:
    """The text is there letter by letter, and has become no element."""
    is_live(page)
    expect(page.locator(place).filter(has_text=text).first).to_be_attached()
    assert page.locator("img:not(.thumbnail)").count() == 0
    assert page.locator("script:not([src]):not([type='application/json'])").count() == 0
