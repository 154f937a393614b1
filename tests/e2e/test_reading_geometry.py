"""The marks and the mask of a reading lie where they are in the world, however the scan's file is turned."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect

from fedlung.events import FINISHED
from fedlung.imaging.preprocessing import prepare_piece
from fedlung.imaging.resampling import reorient_to_lps
from fedlung.stores.clock import utc_now
from fedlung.stores.hospitals import HospitalFolders
from fedlung.stores.predictions import PredictionRecord, PredictionStore
from tests.e2e.browser import Visitor, WebServer, empty_hospitals
from tests.e2e.clinician_scan import ends_of_circle
from tests.e2e.viewer_world import (
    BALL_DIAMETER_MM,
    BALL_XYZ_MM,
    DIRECTIONS,
    PLANES,
    SPACING_ZYX_MM,
    ball_on,
    pixels_per_mm,
    place_in,
    with_ball,
    write_scans,
)

MODEL = {"id": "drawn", "name": "Drawn by a test", "sha256": "0" * 64, "operating_points": [], "validation": {}}
TURNED = ["flipped", "oblique", "upside-down"]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebServer]:
    data = empty_hospitals(tmp_path_factory.mktemp("turned") / "data")
    write_scans(data)
    for name in TURNED:
        keep_reading(PredictionStore(HospitalFolders(data)), name)
    with WebServer(data, "--demo") as started:
        yield started


def keep_reading(store: PredictionStore, name: str) -> None:
    """As the worker of the queue keeps one that has found the ball, and nothing else."""
    volume = with_ball(name, DIRECTIONS[name])
    prepared = prepare_piece(volume)
    index_zyx = np.moveaxis(np.indices(prepared.geometry.shape_zyx), 0, -1)
    away = np.linalg.norm(prepared.geometry.index_to_world(index_zyx) - BALL_XYZ_MM, axis=-1)
    content = {
        "candidates": [the_ball()],
        "lung_volume_l": 4.0,
        "viewed": reorient_to_lps(volume).geometry.to_json(),
        "original": volume.geometry.to_json(),
        "prepared": prepared.geometry.to_json(),
    }
    record = PredictionRecord(uuid4().hex, "hospital_a", name, name, MODEL, "clinician_a", utc_now(), FINISHED)
    found = {"threshold": 0.5, "seconds": {"network": 1.0}, "uncertainty": 0.5, "num_candidates": 1}
    kept = store.add(PredictionRecord(**{**vars(record), **found}))
    store.finish(kept, content, (away <= BALL_DIAMETER_MM / 2).astype(np.uint8))


def the_ball() -> dict[str, Any]:
    return {
        "id": "m1",
        "center_xyz_mm": BALL_XYZ_MM.tolist(),
        "diameter_mm": BALL_DIAMETER_MM,
        "volume_mm3": np.pi / 6 * BALL_DIAMETER_MM**3,
        "probability": 0.9,
        "measured": True,
        "slice_number": 1,
        "position": {"side": "unknown", "height": "unknown", "near": "unknown"},
        "attenuation": None,
        "category": {"occasion": "baseline", "rule": "", "value": "4A"},
    }


NOTE_PIXELS = """
(plane) => {
  const canvas = document.querySelector(`[data-testid=plane-${plane}]`);
  const copied = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d");
  copied.drawImage(canvas, 0, 0);
  window.noted = copied.getImageData(0, 0, canvas.width, canvas.height).data;
}
"""
CHANGED_PIXELS = """
(plane) => {
  const canvas = document.querySelector(`[data-testid=plane-${plane}]`);
  const { width, height } = canvas;
  const copied = new OffscreenCanvas(width, height).getContext("2d");
  copied.drawImage(canvas, 0, 0);
  const { data } = copied.getImageData(0, 0, width, height);
  let [count, sumX, sumY] = [0, 0, 0];
  for (let at = 0; at < data.length; at += 4) {
    if ([0, 1, 2].every((part) => data[at + part] === window.noted[at + part])) continue;
    [count, sumX, sumY] = [count + 1, sumX + (at / 4) % width + 0.5, sumY + Math.floor(at / 4 / width) + 0.5];
  }
  const pixel = canvas.getBoundingClientRect().width / width;
  return { area: count * pixel * pixel, x: (sumX / count) * pixel, y: (sumY / count) * pixel };
}
"""


def opened(visitor: Visitor, scan: str) -> Page:
    (reading,) = visitor.asks(f"/api/predictions?scan_id={scan}")
    page = visitor.page
    page.goto(f"/inference/{reading['id']}")
    expect(page.get_by_test_id("viewer")).to_have_attribute("data-state", "ready")
    expect(page.get_by_test_id("mark-m1")).to_be_visible()
    return page


@pytest.mark.parametrize("scan", TURNED)
def test_circle_and_mask_lie_on_the_ball_in_every_plane(server: WebServer, browser: Browser, scan: str) -> None:
    visitor = Visitor(browser, server.url).sign_in("clinician_a")
    page = opened(visitor, scan)
    page.keyboard.press("n")
    assert np.linalg.norm(place_in(page, "position") - BALL_XYZ_MM) <= 0.1
    page.keyboard.press("a")  # its ring is a whole line then
    for plane in PLANES:
        ball = ball_on(page, plane)
        pixels = pixels_per_mm(page, plane)
        slack = (max(SPACING_ZYX_MM) / 2 + 0.5) * pixels + 2
        ends = ends_of_circle(page, plane)
        assert abs((ends["left"] + ends["right"]) / 2 - ball["x"]) <= slack
        assert abs((ends["top"] + ends["bottom"]) / 2 - ball["y"]) <= slack
        assert abs(ends["right"] - ends["left"] - BALL_DIAMETER_MM * pixels) <= slack
        page.evaluate(NOTE_PIXELS, plane)
        page.get_by_test_id("toggle-mask").check()
        masked = mask_on(page, plane)
        assert abs(masked["x"] - ball["x"]) <= slack
        assert abs(masked["y"] - ball["y"]) <= slack
        assert 0.6 <= masked["area"] / (np.pi / 4 * (BALL_DIAMETER_MM * pixels) ** 2) <= 1.2
        page.get_by_test_id("toggle-mask").uncheck()
    visitor.saw_nothing_wrong()
    visitor.leave()


def mask_on(page: Page, plane: str) -> dict[str, float]:
    """What the mask has coloured, once it is there."""
    for _ in range(50):
        changed: dict[str, float] = page.evaluate(CHANGED_PIXELS, plane)
        if changed["area"]:
            return changed
        page.wait_for_timeout(100)
    raise AssertionError("no mask is drawn")
