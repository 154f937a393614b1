"""A clinician's way through a real CT: run the shipped model, look at what it marked, judge, compare, take it away.

The scan is LIDC-IDRI-0005, sent as the DICOM series that it was made from; its two nodules are known in world mm. It is
one of those that the shipped model was trained on: this shows that the page works, not how good the model is.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from fedlung.imaging.annotations import read_findings
from tests.e2e.browser import Visitor, WebServer, empty_hospitals
from tests.e2e.clinician_files import NOTICE, all_files_say_the_same
from tests.e2e.clinician_scan import (
    LONG_MS,
    PRIOR,
    SHIFT_XYZ_MM,
    ends_of_circle,
    shifted_copy,
    the_series_comes_in,
    told_in,
)
from tests.e2e.clinician_visits import everybody_can_use_the_pages, others_see_nothing, with_the_keyboard_alone

PATIENT = "LIDC-IDRI-0005"
RIM_MM = 1.0  # of a circle: half a line and a pixel
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[WebServer]:
    data = empty_hospitals(tmp_path / "data")
    (data / "hospital_a" / "scans" / "broken.mhd").write_text("ObjectType = Image\nNDims = 3\n")
    with WebServer(data, "--demo") as started:
        yield started


def nodules(real_ct: Path) -> list[tuple[float, float, float]]:
    (header,) = (real_ct / "scans" / PATIENT).glob("*.mhd")
    rows = read_findings(real_ct / "luna16_csv" / "annotations.csv", excluded=False)
    return [row.center_xyz_mm for row in rows if row.series_uid == header.stem]


def test_a_clinician_reads_a_real_scan(server: WebServer, browser: Browser, real_ct: Path) -> None:
    scan = the_series_comes_in(browser, server, real_ct / "dicom" / f"{PATIENT}.zip")
    shifted_copy(real_ct / "scans" / PATIENT, server.data / "hospital_a" / "scans")
    clinician = Visitor(browser, server.url).sign_in("clinician_a")
    prediction = the_model_is_run(clinician, scan)
    truths = nodules(real_ct)
    mark = a_known_nodule_is_marked(clinician, prediction, truths)
    the_slider_hides_and_shows(clinician.page, mark, found_by(clinician, prediction)["operating_points"])
    the_circle_covers_the_nodule(clinician.page, mark, truths)
    marks_are_judged_added_and_undone(clinician, prediction, mark)
    all_files_say_the_same(clinician, prediction)
    marks_are_offered(clinician, prediction)
    staff_take_them_over(browser, server, scan)
    a_prior_scan_is_compared(clinician, prediction)
    the_first_read_comes_first(clinician, prediction)
    with_the_keyboard_alone(browser, server, prediction)
    what_cannot_be_read_is_said(clinician)
    others_see_nothing(browser, server, prediction)
    everybody_can_use_the_pages(browser, server, prediction)  # the last: it changes the clinician's language
    clinician.saw_nothing_wrong()
    clinician.leave()


def the_model_is_run(clinician: Visitor, scan: str) -> str:
    page = clinician.opens("/inference")
    expect(page.get_by_test_id("run")).to_be_disabled()
    expect(page.get_by_test_id("model-origin")).to_contain_text("3 hospitals")
    expect(page.get_by_test_id("model-origin")).to_contain_text("in validation: sensitivity")
    page.get_by_test_id(f"pick-{scan}").check()
    page.get_by_test_id("enqueue").click()
    expect(page.get_by_test_id("queue").locator(".queue-item")).to_have_count(1)
    (asked,) = clinician.asks("/api/predictions")
    page.get_by_test_id("run").click()  # the same question: the answer is the one that is on its way
    page.wait_for_url(f"**/inference/{asked['id']}")
    expect(page.get_by_test_id("stages").or_(page.get_by_test_id("marks").locator("tbody").first)).to_be_visible()
    expect(page.get_by_test_id("marks").locator("tbody").first).to_be_visible(timeout=LONG_MS)
    expect(page.get_by_test_id("viewer")).to_have_attribute("data-state", "ready", timeout=LONG_MS)
    expect(page.get_by_test_id("stage-times").locator("tr")).to_have_count(7)
    expect(page.locator(".research").first).to_contain_text(NOTICE)
    again = clinician.posts("/api/predictions", {"scan_id": scan})
    assert (again["id"], again["state"]) == (asked["id"], "finished")
    return str(asked["id"])


def found_by(clinician: Visitor, prediction: str) -> Any:
    return clinician.asks(f"/api/predictions/{prediction}")


def a_known_nodule_is_marked(clinician: Visitor, prediction: str, truths: list[tuple[float, float, float]]) -> Any:
    """The model's surest mark over a nodule; the jump goes there in all planes."""
    page, found = clinician.page, found_by(clinician, prediction)
    over = [mark for mark in found["candidates"] if any(_covers(mark, truth) for truth in truths)]
    assert over
    assert over[0]["probability"] >= found["threshold"]
    shown = [mark for mark in found["candidates"] if mark["probability"] >= found["threshold"]]
    expect(page.get_by_test_id("marks").locator("tbody")).to_have_count(len(shown))
    mark = over[0]
    page.get_by_test_id(f"go-{mark['id']}").click()
    row = page.get_by_test_id(f"mark-{mark['id']}")
    for value in (f"{mark['diameter_mm']:.1f}", f"{round(mark['volume_mm3'])}", str(mark["slice_number"])):
        expect(row).to_contain_text(value)
    expect(row).to_contain_text(mark["position"]["text"])
    for axis, value in zip("xyz", mark["center_xyz_mm"], strict=True):
        assert abs(told_in(page, "position", axis) - value) <= 1.3, axis  # at most half a slice, rounded
    expect(page.get_by_test_id("slice-number-axial")).to_contain_text(str(mark["slice_number"]))
    expect(page.get_by_test_id("chosen-category")).to_contain_text(mark["category"]["value"])
    expect(page.get_by_test_id("chosen-category")).to_contain_text("if solid, baseline")
    expect(page.get_by_test_id("chosen-accuracy")).to_contain_text(mark["diameter_text"])
    assert "validation" in mark["diameter_text"]
    return mark


def _covers(mark: Any, truth: tuple[float, float, float]) -> bool:
    return bool(math.dist(mark["center_xyz_mm"], truth) < mark["diameter_mm"] / 2)


def the_slider_hides_and_shows(page: Page, mark: Any, points: list[Any]) -> None:
    slider, row = page.get_by_test_id("threshold"), page.get_by_test_id(f"mark-{mark['id']}")
    meaning = page.get_by_test_id("threshold-meaning")
    default, strictest = (
        min(points, key=lambda point: abs(point["threshold"] - value)) for value in (_percent(page), 1)
    )
    told = re.search(r"about ([\d.]+) false marks? per scan, sensitivity ([\d.]+) \((\d+) scans", meaning.inner_text())
    assert told is not None
    assert (float(told[1]), float(told[3])) == (default["fp_per_scan"], default["num_scans"])
    assert abs(float(told[2]) - default["sensitivity"]) <= 0.0051  # two digits are shown
    slider.fill("1")
    expect(row).to_have_count(0)
    expect(page.get_by_test_id("marks-words")).to_contain_text("does not mean that there are no nodules")
    expect(meaning).to_contain_text(f"at most {strictest['fp_per_scan']:g} false mark")
    slider.fill(str(math.floor(100 * mark["probability"]) / 100))
    expect(row).to_be_visible()
    page.get_by_test_id("threshold-reset").click()
    expect(row).to_be_visible()


def _percent(page: Page) -> float:
    return float(page.get_by_test_id("threshold-value").inner_text().rstrip("%")) / 100


def the_circle_covers_the_nodule(page: Page, mark: Any, truths: list[tuple[float, float, float]]) -> None:
    """As it is drawn: what the pointer tells at the circle's ends, in world mm, has a known centre between them."""
    truth = next(truth for truth in truths if _covers(mark, truth))
    page.get_by_test_id(f"accepted-{mark['id']}").click()  # its ring is a whole line then
    page.get_by_test_id("toggle-crosshair").click()
    page.get_by_test_id("plane-axial").focus()
    for _ in range(9):
        page.keyboard.press("+")
    page.get_by_test_id(f"go-{mark['id']}").click()
    canvas = page.get_by_test_id("plane-axial")
    box = canvas.bounding_box()
    assert box is not None
    ends = ends_of_circle(page)
    middle = (ends["left"] + ends["right"]) / 2, (ends["top"] + ends["bottom"]) / 2
    world = {}
    for end, (x, y) in {
        "left": (ends["left"], middle[1]),
        "right": (ends["right"], middle[1]),
        "top": (middle[0], ends["top"]),
        "bottom": (middle[0], ends["bottom"]),
    }.items():
        page.mouse.move(box["x"] + x, box["y"] + y)
        axis = "x" if end in ("left", "right") else "y"
        world[end] = told_in(page, "pointer-position", axis)
    assert world["left"] < truth[0] < world["right"]  # seen from the feet: the patient's left is on the right
    assert world["top"] < truth[1] < world["bottom"]
    assert abs(world["right"] - world["left"] - mark["diameter_mm"]) <= 2 * RIM_MM
    assert abs(world["bottom"] - world["top"] - mark["diameter_mm"]) <= 2 * RIM_MM
    page.get_by_test_id("fit").click()
    page.get_by_test_id("toggle-crosshair").click()
    page.get_by_test_id(f"accepted-{mark['id']}").click()


def marks_are_judged_added_and_undone(clinician: Visitor, prediction: str, mark: Any) -> None:
    page = clinician.page
    row = page.get_by_test_id(f"mark-{mark['id']}")
    page.get_by_test_id(f"accepted-{mark['id']}").click()
    expect(row).to_have_attribute("data-status", "accepted")
    page.get_by_test_id(f"rejected-{mark['id']}").click()
    expect(row).to_have_attribute("data-status", "rejected")
    page.get_by_test_id("undo").click()
    expect(row).to_have_attribute("data-status", "accepted")
    page.get_by_test_id("chosen-mark").locator("[data-field=comment]").fill("seen in the prior scan, too")
    page.get_by_test_id("tool-add").click()
    page.get_by_test_id("plane-axial").click(position={"x": 150, "y": 150})
    own = page.get_by_test_id("marks").locator("tbody", has_text="Added by a reader")
    expect(own).to_have_count(1)
    page.keyboard.press("Escape")
    before = _diameter(page)
    page.keyboard.press("]")
    assert _diameter(page) == before + 0.5
    expect(page.get_by_test_id("chosen-accuracy")).to_have_count(0)  # a person's measure
    page.get_by_test_id("undo").click()
    page.get_by_test_id("undo").click()
    expect(own).to_have_count(0)
    page.get_by_test_id("redo").click()
    expect(own).to_have_count(1)
    is_saved(page)
    items = {item["id"]: item for item in found_by(clinician, prediction)["marks"]["items"]}
    judged = items[mark["id"]]
    assert (judged["status"], judged["author"]) == ("accepted", "clinician_a")
    assert judged["comment"] == "seen in the prior scan, too"
    assert judged["time"]
    assert [item["status"] for item in items.values() if item["source"] == "reader"] == ["accepted"]


def _diameter(page: Page) -> float:
    return float(page.get_by_test_id("chosen-mark").locator("[data-field=diameter]").input_value())


def is_saved(page: Page) -> None:
    expect(page.get_by_test_id("save-state")).to_have_attribute("data-state", "saved")


def marks_are_offered(clinician: Visitor, prediction: str) -> None:
    page = clinician.page
    page.get_by_test_id("offer").click()
    expect(page.get_by_test_id("offer-words")).to_contain_text("clinician_a offered 2 marks")
    offered = clinician.asks(f"/api/predictions/{prediction}/offer")
    assert [finding["origin"] for finding in offered["findings"]] == ["prediction"] * 2


def staff_take_them_over(browser: Browser, server: WebServer, scan: str) -> None:
    staff = Visitor(browser, server.url).sign_in("staff_a")
    page = staff.opens(f"/client/scans/{scan}")
    expect(page.get_by_test_id("offer")).to_contain_text("clinician_a accepted 2 marks")
    page.get_by_test_id("take-offer").click()
    expect(page.get_by_test_id("findings").locator(".finding")).to_have_count(2)
    page.get_by_test_id("save-annotations").click()
    expect(page.get_by_test_id("save-state")).to_contain_text("version 1")
    saved = staff.asks(f"/api/scans/{scan}/annotations")
    assert [finding["origin"] for finding in saved["findings"]] == ["prediction"] * 2
    assert "seen in the prior scan, too" in [finding["comment"] for finding in saved["findings"]]
    staff.saw_nothing_wrong()
    staff.leave()


def a_prior_scan_is_compared(clinician: Visitor, prediction: str) -> None:
    """It is the same scan, moved: everything is found again, and nothing has grown."""
    page = clinician.page
    option = page.get_by_test_id("prior").locator(f"option[data-scan={PRIOR}]")
    page.get_by_test_id("prior").select_option(label=option.text_content() or "")
    page.get_by_test_id("compare").click()
    table = page.get_by_test_id("comparison-table")
    expect(table).to_be_visible(timeout=LONG_MS)
    expect(table).not_to_contain_text("grown")
    (prior,) = clinician.asks(f"/api/predictions?scan_id={PRIOR}")
    pairs = clinician.asks(f"/api/predictions/{prediction}/comparison?prior={prior['id']}")["pairs"]
    assert pairs
    expect(table.locator("tbody tr")).to_have_count(len(pairs) + 1)  # and the one that a reader added
    for pair in pairs:
        assert pair["distance_mm"] <= 2
        assert abs(pair["diameter_change_mm"]) <= 0.5
    expect(page.locator("#prior-words")).to_contain_text("please check")
    words = page.locator("#prior-words").inner_text()
    assert abs(float(words.split("moved by ")[1].split(" mm")[0]) - math.hypot(*SHIFT_XYZ_MM)) <= 1


def the_first_read_comes_first(clinician: Visitor, prediction: str) -> None:
    page = clinician.page
    page.get_by_test_id("second-reader").check()
    rows = page.get_by_test_id("marks").locator("tbody")
    expect(page.get_by_test_id("first-read")).to_be_visible()
    expect(rows).to_have_count(1)  # the own one
    for testid in ("threshold", "export-pdf", "compare", "reading-facts"):  # each would tell of the hidden marks
        expect(page.get_by_test_id(testid)).to_be_hidden()
    page.reload()
    expect(page.get_by_test_id("first-read")).to_be_visible()
    expect(rows).to_have_count(1)
    page.get_by_test_id("declare-read").click()
    expect(page.get_by_test_id("first-read")).to_be_hidden()
    assert rows.count() > 1
    is_saved(page)
    assert found_by(clinician, prediction)["marks"]["first_read_declared"]


def what_cannot_be_read_is_said(clinician: Visitor) -> None:
    """Which stage failed and why; never an empty list that looks like "no nodules"."""
    asked = clinician.posts("/api/predictions", {"scan_id": "broken"})
    page = clinician.page
    page.goto(f"/inference/{asked['id']}")
    failure = page.get_by_test_id("reading-failed")
    expect(failure).to_be_visible(timeout=LONG_MS)
    expect(failure).to_contain_text("reading the scan")
    expect(failure).to_contain_text("Nothing can be said about nodules")
    expect(page.get_by_test_id("marks-words")).to_contain_text("the reading failed")
    expect(page.get_by_test_id("marks")).to_be_hidden()
