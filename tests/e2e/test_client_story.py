"""A real CT's way from a hospital's computer into a federated model: sent, cut off, resumed, checked, marked, used.

One LIDC scan comes to two hospitals: as a MetaImage pair to the first, as the DICOM folder that it was made from to the
second. In real Chromium, with the server killed while the file is on its way.
"""

from __future__ import annotations

import csv
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from fedlung.imaging.annotations import Finding, read_findings
from fedlung.imaging.metaimage import read_metaimage
from tests.e2e.browser import (
    PATIENCE_MS,
    REFUSED,
    SERVER_IS_AWAY,
    Visitor,
    WebServer,
    empty_hospitals,
    is_live,
    run_state,
)
from tests.web.browsers import wait_until

LINE_BYTES_PER_SECOND = 5_000_000  # so that there is time to cut it
CUT_AT = 40  # per cent
LONG_MS = 14 * PATIENCE_MS  # reading and checking a whole CT beside other work
HEADER = "seriesuid,coordX,coordY,coordZ,diameter_mm\n"
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[WebServer]:
    with WebServer(empty_hospitals(tmp_path / "data"), "--demo") as started:
        yield started


@pytest.fixture
def pair(real_ct: Path, tmp_path: Path) -> tuple[Path, Path]:
    """Header and voxels of LIDC-IDRI-0005."""
    folder = tmp_path / "pair"
    folder.mkdir()
    found = [Path(shutil.copy(path, folder)) for path in (real_ct / "scans" / "LIDC-IDRI-0005").glob("1.3.*")]
    return next(p for p in found if p.suffix == ".mhd"), next(p for p in found if p.suffix == ".zraw")


@pytest.fixture
def dicom(real_ct: Path, tmp_path: Path) -> Path:
    """The original series of the same scan, with what a CD has beside it."""
    folder = tmp_path / "cd"
    with zipfile.ZipFile(real_ct / "dicom" / "LIDC-IDRI-0005.zip") as archive:
        archive.extractall(folder / "series")
    (folder / "DICOMDIR").write_bytes(b"not a scan")
    (folder / "readme.txt").write_text("not a scan either")
    return folder


def nodules_of(series: str, real_ct: Path) -> list[Finding]:
    rows = read_findings(real_ct / "luna16_csv" / "annotations.csv", excluded=False)
    return [row for row in rows if row.series_uid == series]


def test_a_scan_comes_in_is_marked_and_trains(
    server: WebServer, browser: Browser, pair: tuple[Path, Path], dicom: Path, real_ct: Path, tmp_path: Path
) -> None:
    nodules = nodules_of(pair[0].stem, real_ct)
    assert len(nodules) == 2
    staff_a = Visitor(browser, server.url).sign_in("staff_a")
    half_of_a_pair_is_not_sent(staff_a.page, pair)
    a_pair_outlives_the_server(server, staff_a, pair, tmp_path / "data" / "hospital_a")
    the_checks_are_told(staff_a)
    the_same_again_is_told(staff_a.page, pair)
    staff_b = Visitor(browser, server.url).sign_in("staff_b")
    a_folder_outlives_its_page(staff_b, dicom)
    both_have_the_same_voxels(tmp_path / "data", pair[0])
    nodules_are_marked_by_hand(staff_a, nodules)
    nodules_come_from_a_table(staff_b, nodules, tmp_path)
    for visitor in (staff_a, staff_b):
        the_scan_is_declared_ready(visitor.opens("/client"))
    a_run_uses_both(browser, server, [staff_a, staff_b], len(nodules))
    the_scan_is_deleted(staff_b)
    staff_a.saw_nothing_wrong(except_for=f"{SERVER_IS_AWAY}|{REFUSED}")
    staff_b.saw_nothing_wrong()


def half_of_a_pair_is_not_sent(page: Page, pair: tuple[Path, Path]) -> None:
    is_live(page)
    page.get_by_test_id("choose-files").set_input_files(pair[0])
    group = page.get_by_test_id("upload-group")
    expect(group).to_contain_text(pair[1].name)
    expect(page.get_by_test_id("send-uploads")).to_be_disabled()
    page.get_by_test_id("choose-files").set_input_files(pair[1])
    expect(group).to_have_count(1)
    expect(group).to_contain_text("2 files")
    expect(page.get_by_test_id("send-uploads")).to_be_enabled()


def a_pair_outlives_the_server(server: WebServer, staff: Visitor, pair: tuple[Path, Path], folder: Path) -> None:
    page = staff.page
    line = staff.context.new_cdp_session(page)
    slow_down(line, LINE_BYTES_PER_SECOND)
    page.get_by_test_id("send-uploads").click()
    row = page.get_by_test_id("upload-row")
    wait_until(lambda: share_of(row) >= CUT_AT, "a part is sent", 60)
    server.kill()
    expect(row).to_have_attribute("data-state", "waiting_line")
    received = sum(path.stat().st_size for path in (folder / "uploads").rglob("*.part"))
    assert 0 < received < pair[1].stat().st_size
    assert list((folder / "scans").iterdir()) == []
    server.start()
    is_live(page)
    assert staff.asks("/api/scans")["scans"] == []  # what is half here is no scan
    slow_down(line, -1)
    expect(row).to_have_attribute("data-state", "done", timeout=LONG_MS)
    line.detach()


def slow_down(line: Any, bytes_per_second: int) -> None:
    speeds = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": bytes_per_second}
    line.send("Network.emulateNetworkConditions", speeds)


def share_of(row: Locator) -> int:
    """Per cent that are sent."""
    bar = row.get_by_role("progressbar")
    return int(bar.get_attribute("aria-valuenow") or 0) if bar.count() else 0


def the_checks_are_told(staff: Visitor) -> None:
    page = staff.page
    page.get_by_test_id("open-result").click()
    details = page.get_by_test_id("scan-details")
    expect(details.get_by_test_id("scan-checks")).to_contain_text("133 slices")
    expect(details.get_by_test_id("scan-checks")).to_contain_text("2.50 mm apart")
    expect(details.get_by_role("img")).to_have_js_property("complete", True)
    assert details.get_by_role("img").evaluate("image => image.naturalHeight") > 0
    page.keyboard.press("Escape")
    [scan] = staff.asks("/api/scans")["scans"]
    assert scan["scan_id"].startswith("2.25.")
    assert (scan["state"], scan["is_ready"], scan["shape_zyx"]) == ("checked", False, [133, 512, 512])


def the_same_again_is_told(page: Page, pair: tuple[Path, Path]) -> None:
    page.get_by_test_id("dismiss-upload").click()
    expect(page.get_by_test_id("upload-row")).to_have_count(0)
    page.get_by_test_id("choose-files").set_input_files(list(pair))
    page.get_by_test_id("send-uploads").click()
    row = page.get_by_test_id("upload-row")
    expect(row).to_have_attribute("data-state", "duplicate", timeout=LONG_MS)
    expect(page.get_by_test_id("scan-row")).to_have_count(1)


def a_folder_outlives_its_page(staff: Visitor, dicom: Path) -> None:
    """The tab is closed in the middle; the same folder, chosen in a new one, goes on."""
    page = staff.opens("/client", staff.context.new_page())
    line = staff.context.new_cdp_session(page)
    slow_down(line, LINE_BYTES_PER_SECOND)
    choose_the_series(page, dicom)
    wait_until(lambda: share_of(page.get_by_test_id("upload-row")) >= CUT_AT, "a part is sent", 120)
    page.close()
    page = staff.opens("/client")
    row = page.get_by_test_id("upload-row")
    expect(row).to_have_attribute("data-state", "uploading")
    expect(row).to_contain_text("MB arrived")
    choose_the_series(page, dicom)
    expect(row).to_have_attribute("data-state", "done", timeout=LONG_MS)
    [scan] = staff.asks("/api/scans")["scans"]
    assert (scan["source"], scan["has_original_dicom"]) == ("dicom", False)
    page.get_by_test_id("open-result").click()
    expect(page.get_by_test_id("scan-removed")).to_be_attached()
    page.keyboard.press("Escape")


def choose_the_series(page: Page, dicom: Path) -> None:
    page.get_by_test_id("choose-folder").set_input_files(dicom)
    group = page.get_by_test_id("upload-group")
    expect(group).to_have_count(1)
    expect(group).to_have_attribute("data-kind", "dicom")
    expect(group).to_contain_text("133 files")
    expect(page.get_by_test_id("upload-chosen")).to_contain_text("2 files are not sent")
    page.get_by_test_id("send-uploads").click()


def both_have_the_same_voxels(data: Path, header: Path) -> None:
    original = read_metaimage(header)
    for hospital in ("hospital_a", "hospital_b"):
        [stored] = (data / hospital / "scans").glob("*.mhd")
        volume = read_metaimage(stored)
        assert np.array_equal(volume.voxels_zyx, original.voxels_zyx), hospital
        assert volume.geometry.origin_xyz_mm == pytest.approx(original.geometry.origin_xyz_mm, abs=0.01)
        assert volume.geometry.spacing_zyx_mm == pytest.approx(original.geometry.spacing_zyx_mm, abs=1e-4)
        assert header.stem not in stored.read_text()


def nodules_are_marked_by_hand(staff: Visitor, nodules: list[Finding]) -> None:
    page = staff.opens("/client")
    page.get_by_test_id("annotate-scan").click()
    expect(page.get_by_test_id("viewer")).to_have_attribute("data-state", "ready", timeout=LONG_MS)
    scan_id = page.url.split("/")[-1]
    scan = staff.asks(f"/api/scans/{scan_id}")
    page.get_by_test_id("tool-add").click()
    for number, nodule in enumerate(nodules, start=1):
        pull_circle(page, scan["geometry"], nodule)
        expect(page.get_by_test_id("findings").locator("li")).to_have_count(number)
    page.get_by_test_id("save-annotations").click()
    expect(page.get_by_test_id("save-state")).to_contain_text("version 1")
    saved = staff.asks(f"/api/scans/{scan_id}/annotations")["findings"]
    for nodule, finding in zip(nodules, saved, strict=True):
        assert np.linalg.norm(np.subtract(nodule.center_xyz_mm, finding["center_xyz_mm"])) < 2.5  # a slice is as thick
        assert finding["diameter_mm"] == pytest.approx(nodule.diameter_mm, abs=2)


def pull_circle(page: Page, geometry: dict[str, Any], nodule: Finding) -> None:
    """From the middle of the nodule to its edge, in the axial slice through it; the whole slice is shown."""
    spacing_xyz = geometry["spacing_zyx_mm"][::-1]
    index_xyz = np.subtract(nodule.center_xyz_mm, geometry["origin_xyz_mm"]) / spacing_xyz
    page.get_by_test_id("slice-axial").fill(str(round(index_xyz[2])))
    box = page.get_by_test_id("plane-axial").bounding_box()
    assert box is not None
    rows, columns = geometry["shape_zyx"][1:]
    scale = min(box["width"] / (columns * spacing_xyz[0]), box["height"] / (rows * spacing_xyz[1]))  # pixels per mm
    x = box["x"] + box["width"] / 2 + (index_xyz[0] - (columns - 1) / 2) * spacing_xyz[0] * scale
    y = box["y"] + box["height"] / 2 + (index_xyz[1] - (rows - 1) / 2) * spacing_xyz[1] * scale
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + nodule.diameter_mm / 2 * scale, y, steps=4)
    page.mouse.up()


def nodules_come_from_a_table(staff: Visitor, nodules: list[Finding], tmp_path: Path) -> None:
    """With the original UIDs, a scan of somebody else and a point beside the patient."""
    table = tmp_path / "annotations.csv"
    rows = [(n.series_uid, *n.center_xyz_mm, n.diameter_mm) for n in nodules]
    with table.open("w", newline="") as file:
        file.write(HEADER)
        csv.writer(file).writerows([*rows, ("1.2.3", 0, 0, 0, 5), (nodules[0].series_uid, 2000, 0, 0, 5)])
    page = staff.opens("/client")
    page.get_by_test_id("import-annotations").click()
    page.get_by_test_id("import-file").set_input_files(table)
    report = page.get_by_test_id("import-report")
    expect(report).to_contain_text("2 of 4 findings in the file belong to 1 scan")
    expect(report).to_contain_text("67% of the nodules of known scans lie inside the lungs")
    expect(report).to_contain_text("outside their scan")
    expect(report).to_contain_text("1.2.3")
    assert staff.asks("/api/scans")["totals"]["nodules"] == 0  # so far it was only looked at
    page.get_by_test_id("import-apply").click()
    expect(page.get_by_test_id("scan-nodules")).to_have_text("2")


def the_scan_is_declared_ready(page: Page) -> None:
    page.get_by_test_id("scan-ready").check()
    expect(page.get_by_test_id("scan-row").locator("[data-state=ready]")).to_be_visible()
    expect(page.get_by_test_id("own-data")).to_contain_text("1 of 1 scan is ready")


def a_run_uses_both(browser: Browser, server: WebServer, staff: list[Visitor], nodules: int) -> None:
    admin = Visitor(browser, server.url).sign_in("admin")
    counts = {card["id"]: (card["scans"], card["nodules"]) for card in admin.asks("/api/hospitals")}
    assert (counts["hospital_a"], counts["hospital_b"]) == ((1, nodules), (1, nodules))
    body = {"rounds": 1, "hospitals": ["hospital_a", "hospital_b"], "validate_every": 0, "held_out_share": 0}
    run = admin.posts("/api/runs", body)["id"]
    run_state(admin.opens(f"/history/{run}"), "finished")
    found = admin.asks(f"/api/runs/{run}")
    assert found["scans"] == {"hospital_a": 1, "hospital_b": 1}
    for visitor in staff:
        [scan] = visitor.asks("/api/scans")["scans"]
        assert (scan["nodules"], scan["used"]) == (nodules, [{"run_id": run, "rounds": "1"}])
        page = visitor.opens("/client")
        page.get_by_test_id("open-scan").click()
        expect(page.get_by_test_id("scan-used")).to_contain_text(run)
        page.keyboard.press("Escape")
    admin.saw_nothing_wrong()


def the_scan_is_deleted(staff: Visitor) -> None:
    page = staff.page
    name = page.get_by_test_id("open-scan").inner_text()
    page.get_by_test_id("open-scan").click()
    page.get_by_test_id("delete-scan").click()
    expect(page.get_by_test_id("confirm-delete")).to_be_disabled()
    page.get_by_test_id("delete-name").fill(name)
    page.get_by_test_id("confirm-delete").click()
    expect(page.get_by_test_id("scan-row")).to_have_count(0)
    assert staff.asks("/api/scans")["scans"] == []
