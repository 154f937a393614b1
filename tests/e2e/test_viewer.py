"""Marking nodules in real Chromium: under the pointer is what the scan has there, however its file is turned."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, expect

from fedlung.imaging.geometry import FloatArray
from tests.e2e.browser import PATIENCE_MS, REFUSED, Visitor, WebServer, empty_hospitals, tab_to
from tests.e2e.test_accessibility import violations
from tests.e2e.viewer_world import (
    BALL_DIAMETER_MM,
    BALL_XYZ_MM,
    DIRECTIONS,
    PLAIN,
    PLANES,
    SPACING_ZYX_MM,
    TRUTH,
    ball_on,
    marks,
    move_to,
    opened,
    pixels_per_mm,
    place_in,
    pull,
    write_scans,
)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return empty_hospitals(tmp_path_factory.mktemp("viewer") / "data")


@pytest.fixture(scope="module")
def server(data: Path) -> Iterator[WebServer]:
    write_scans(data)
    with WebServer(data, "--demo") as started:
        yield started


@pytest.fixture(scope="module")
def truth(server: WebServer, data: Path) -> dict[str, list[FloatArray]]:
    """Scan -> centres of the nodules that the phantom really has."""
    found: dict[str, list[FloatArray]] = {}
    for row in (data / TRUTH).read_text().splitlines()[1:]:
        scan, *center, _ = row.split(",")
        found.setdefault(scan, []).append(np.array(center, dtype=float))
    return found


@pytest.fixture
def staff(server: WebServer, browser: Browser) -> Iterator[Visitor]:
    visitor = Visitor(browser, server.url).sign_in("staff_a")
    yield visitor
    visitor.leave()


@pytest.mark.parametrize("scan", DIRECTIONS)
def test_the_known_point_is_under_the_pointer_in_every_plane(staff: Visitor, scan: str) -> None:
    page = opened(staff, scan)
    for plane in PLANES:
        ball = ball_on(page, plane)
        move_to(page, plane, ball["x"], ball["y"])
        away = np.linalg.norm(place_in(page, "pointer-position") - BALL_XYZ_MM)
        assert away <= max(SPACING_ZYX_MM), f"{plane}: {away} mm beside it"
        page.mouse.down()
        page.mouse.up()
        assert np.linalg.norm(place_in(page, "position") - BALL_XYZ_MM) <= max(SPACING_ZYX_MM)
    staff.saw_nothing_wrong()


@pytest.mark.parametrize(("scan", "plane"), [("flipped", "axial"), ("oblique", "coronal"), ("upside-down", "sagittal")])
def test_a_nodule_is_marked_where_it_is_and_as_large_as_it_is(staff: Visitor, scan: str, plane: str) -> None:
    page = opened(staff, scan)
    before = marks(staff, scan)["version"]
    ball = ball_on(page, plane)
    page.get_by_test_id("tool-add").click()
    move_to(page, plane, ball["x"], ball["y"])
    page.mouse.down()
    move_to(page, plane, ball["right"], ball["y"])
    page.mouse.up()
    page.get_by_test_id("save-annotations").click()
    expect(page.get_by_test_id("save-state")).to_contain_text(str(before + 1))
    saved = marks(staff, scan)
    assert (saved["version"], saved["author"]) == (before + 1, "staff_a")
    finding = saved["findings"][-1]
    assert np.linalg.norm(np.array(finding["center_xyz_mm"]) - BALL_XYZ_MM) <= max(SPACING_ZYX_MM)
    assert abs(finding["diameter_mm"] - BALL_DIAMETER_MM) <= 2 * max(SPACING_ZYX_MM)
    assert (finding["kind"], finding["author"]) == ("nodule", "staff_a")
    staff.saw_nothing_wrong()


def test_moving_sizing_undo_and_redo_by_hand_and_by_key(staff: Visitor) -> None:
    page = opened(staff, "straight")
    diameter = page.get_by_test_id("findings").locator("[data-field=diameter]")
    ball = ball_on(page, "axial")
    page.get_by_test_id("tool-add").click()
    move_to(page, "axial", ball["x"], ball["y"])
    page.mouse.down()
    page.mouse.up()
    expect(diameter).to_have_value("8")  # of a click without a pull
    pixels = pixels_per_mm(page, "axial")
    pull(page, "axial", (ball["x"] + 4 * pixels, ball["y"]), (ball["x"] + 10 * pixels, ball["y"]))  # its rim
    sized = float(diameter.input_value())
    assert abs(sized - 2 * 10) <= 0.5
    pull(page, "axial", (ball["x"], ball["y"]), (ball["x"] - 12 * pixels, ball["y"]))  # its inside
    page.keyboard.press("Control+z")
    expect(diameter).to_have_value(f"{sized:g}")
    page.keyboard.press("Control+z")
    expect(diameter).to_have_value("8")
    page.keyboard.press("Control+y")
    expect(diameter).to_have_value(f"{sized:g}")
    page.keyboard.press("Delete")
    expect(diameter).to_have_count(0)
    page.get_by_test_id("undo").click()
    expect(diameter).to_have_count(1)
    page.get_by_test_id("undo").click()
    page.get_by_test_id("undo").click()
    expect(diameter).to_have_count(0)
    expect(page.get_by_test_id("save-annotations")).to_be_disabled()  # back to what is saved
    staff.saw_nothing_wrong()


def test_a_nodule_is_marked_with_the_keyboard_alone(staff: Visitor) -> None:
    page = opened(staff, "straight")
    page.keyboard.press("d")
    expect(page.get_by_test_id("tool-add")).to_have_attribute("aria-pressed", "true")
    tab_to(page, "[data-testid=plane-axial]")
    slice_number = page.get_by_test_id("slice-number-axial")
    before = slice_number.inner_text()
    page.keyboard.press("PageUp")
    expect(slice_number).not_to_have_text(before)
    here = place_in(page, "position")
    page.keyboard.press("Shift+ArrowRight")
    assert np.allclose(place_in(page, "position") - here, [SPACING_ZYX_MM[2], 0, 0], atol=0.11)
    page.keyboard.press("2")
    expect(page.get_by_test_id("window-mediastinum")).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("Enter")
    diameter = page.get_by_test_id("findings").locator("[data-field=diameter]")
    expect(diameter).to_have_value("8")
    page.keyboard.press("]")
    expect(diameter).to_have_value("8.5")
    page.keyboard.press("ArrowUp")
    expect(page.get_by_test_id("findings")).to_contain_text("slice 35")
    page.keyboard.press("h")
    expect(page.get_by_test_id("findings")).to_contain_text("slice 36")
    for _ in range(3):
        page.keyboard.press("Control+z")
    expect(diameter).to_have_count(0)
    staff.saw_nothing_wrong()


def test_what_is_not_saved_is_there_after_a_reload_and_read_without_nodules_is_declared(staff: Visitor) -> None:
    page = opened(staff, PLAIN)
    page.get_by_test_id("tool-add").click()
    page.get_by_test_id("plane-axial").click()
    finding = page.get_by_test_id("findings").locator(".finding")
    finding.locator("[data-field=comment]").fill("beside the vessel <b>")
    page = opened(staff, PLAIN)
    expect(finding.locator("[data-field=comment]")).to_have_value("beside the vessel <b>")
    page.get_by_test_id("drop-draft").click()
    expect(finding).to_have_count(0)
    for version, is_read in enumerate((False, True), start=1):  # a scan that somebody copied by hand counts as read
        page.get_by_test_id("is-read").set_checked(is_read)
        page.get_by_test_id("save-annotations").click()
        expect(page.get_by_test_id("save-state")).to_contain_text(f"version {version}")
        saved = marks(staff, PLAIN)
        assert (saved["is_read"], saved["findings"]) == (is_read, [])
    page = opened(staff, PLAIN)
    expect(page.get_by_test_id("is-read")).to_be_checked()
    staff.saw_nothing_wrong()


def test_two_people_mark_one_scan_and_both_marks_stay(staff: Visitor, server: WebServer, browser: Browser) -> None:
    other = Visitor(browser, server.url).sign_in("staff_a")
    before = len(marks(staff, "straight")["findings"])
    pages = [opened(visitor, "straight") for visitor in (staff, other)]
    for page, x in zip(pages, (60, 150), strict=True):
        page.get_by_test_id("tool-add").click()
        page.get_by_test_id("plane-axial").click(position={"x": x, "y": 180})
    pages[0].get_by_test_id("save-annotations").click()
    expect(pages[0].get_by_test_id("save-annotations")).to_be_disabled()
    pages[1].get_by_test_id("save-annotations").click()
    expect(pages[1].get_by_test_id("conflict")).to_contain_text("1 finding was added there")
    pages[1].get_by_test_id("save-annotations").click()
    expect(pages[1].get_by_test_id("save-annotations")).to_be_disabled()
    assert len(marks(staff, "straight")["findings"]) == before + 2
    staff.saw_nothing_wrong()
    other.saw_nothing_wrong(except_for=REFUSED)
    other.leave()


def test_the_model_suggests_and_a_person_decides(staff: Visitor, truth: dict[str, list[FloatArray]]) -> None:
    (scan, nodules), *_ = truth.items()
    page = opened(staff, scan)
    page.get_by_test_id("suggest").click()
    suggestions = page.get_by_test_id("suggestions").locator(".finding")
    expect(page.get_by_test_id("suggest-state")).to_be_visible(timeout=4 * PATIENCE_MS)
    expect(suggestions.first).to_be_visible()
    offered = suggestions.count()
    suggestions.last.locator(".finding-go").click()
    page.keyboard.press("r")
    expect(suggestions).to_have_count(offered - 1)
    page.get_by_test_id("undo").click()
    page.get_by_test_id("accept-all").click()
    expect(suggestions).to_have_count(0)
    expect(page.get_by_test_id("findings").locator(".finding")).to_have_count(offered)
    page.get_by_test_id("save-annotations").click()
    expect(page.get_by_test_id("save-state")).to_contain_text("version")
    saved = marks(staff, scan)["findings"]
    assert [finding["origin"] for finding in saved] == ["prediction"] * offered
    found = [np.array(finding["center_xyz_mm"]) for finding in saved]
    assert any(np.linalg.norm(center - nodule) < 5 for center in found for nodule in nodules)
    staff.saw_nothing_wrong()


def test_another_hospitals_scan_is_not_there(server: WebServer, browser: Browser) -> None:
    stranger = Visitor(browser, server.url).sign_in("staff_b")
    for path in ("/client/scans/straight", "/api/scans/straight/volume?slab=0", "/api/scans/straight/annotations"):
        assert stranger.page.request.get(path).status == 404
    stranger.leave()


@pytest.mark.parametrize(("language", "theme"), [("zh", "light"), ("en", "dark")])
def test_everybody_can_use_the_page(server: WebServer, browser: Browser, language: str, theme: str) -> None:
    visitor = Visitor(browser, server.url, language, theme).sign_in("staff_a")
    page = opened(visitor, "oblique")
    page.get_by_test_id("tool-add").click()
    page.get_by_test_id("plane-axial").click()
    assert violations(page, "marking") == []
    page.get_by_test_id("viewer-keys").click()
    assert violations(page, "keys") == []
    visitor.saw_nothing_wrong()
    visitor.leave()
