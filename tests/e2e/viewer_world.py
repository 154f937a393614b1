"""Scans with something at a known place in the world, and how a test looks and points at the viewer that shows them."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import Page, expect

from fedlung.imaging.geometry import FloatArray, Geometry
from fedlung.imaging.metaimage import write_metaimage
from fedlung.imaging.phantom import write_hospitals
from fedlung.imaging.volume import CTVolume
from tests.e2e.browser import Visitor

BALL_XYZ_MM = np.array([21.0, -17.0, 33.0])
BALL_DIAMETER_MM = 14.0
SHAPE_ZYX, SPACING_ZYX_MM = (48, 90, 100), (2.0, 1.2, 1.0)
TRUTH = "truth.csv"
PLAIN = "plain"  # a scan that nobody else marks
PLANES = ("axial", "coronal", "sagittal")


def turned(about_z: float, about_x: float) -> tuple[float, ...]:
    """Direction of a scanner that was turned about z, then about x, by degrees."""
    (c, s), (d, t) = ((np.cos(angle), np.sin(angle)) for angle in np.radians([about_z, about_x]))
    about = np.array([[1, 0, 0], [0, d, -t], [0, t, d]]) @ np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
    return tuple(about.ravel().tolist())


DIRECTIONS = {
    "straight": (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0),
    "flipped": (-1.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, 1.0),  # as 14 scans of LUNA16
    "oblique": turned(14.0, -9.0),
    "upside-down": tuple((np.diag([1.0, -1.0, -1.0]) @ np.reshape(turned(0.0, 8.0), (3, 3))).ravel().tolist()),
}


def with_ball(uid: str, direction: tuple[float, ...]) -> CTVolume:
    """Lung with one bright ball at `BALL_XYZ_MM`, in a file whose axes go along ``direction``."""
    middle = Geometry(SHAPE_ZYX, SPACING_ZYX_MM, direction_xyz=direction).index_to_world(np.array(SHAPE_ZYX) * 0.4)
    x, y, z = (BALL_XYZ_MM - middle).tolist()  # the ball is off the middle along every axis
    geometry = Geometry(SHAPE_ZYX, SPACING_ZYX_MM, (x, y, z), direction)
    index_zyx = np.moveaxis(np.indices(SHAPE_ZYX), 0, -1)
    away = np.linalg.norm(geometry.index_to_world(index_zyx) - BALL_XYZ_MM, axis=-1)
    return CTVolume(uid, np.where(away <= BALL_DIAMETER_MM / 2, 300, -800).astype(np.int16), geometry)


def write_scans(data: Path) -> None:
    """All scans into hospital_a, and beside them the phantom's nodules as `TRUTH`."""
    for name, direction in {**DIRECTIONS, PLAIN: DIRECTIONS["straight"]}.items():
        write_metaimage(data / "hospital_a" / "scans" / f"{name}.mhd", with_ball(name, direction))
    with_phantom(data / "hospital_a" / "scans")


def with_phantom(scans: Path) -> None:
    """A chest whose nodules nobody has marked."""
    write_hospitals(scans.parent / "made", 1, 1, seed=0, scale=0.6)
    for made in (scans.parent / "made" / "hospital_a" / "scans").iterdir():
        made.rename(scans / made.name)
    shutil.copy(scans.parent / "made" / "hospital_a" / "annotations.csv", scans.parent.parent / TRUTH)
    shutil.rmtree(scans.parent / "made")


def opened(staff: Visitor, scan: str) -> Page:
    page = staff.page
    page.goto(f"/client/scans/{scan}")
    expect(page.get_by_test_id("viewer")).to_have_attribute("data-state", "ready")
    expect(page.get_by_test_id("position")).not_to_be_empty()
    return page


WHITE_AREA = """
async (plane) => {
  // The ball is the only thing that is quite white: letters and lines are a little darker.
  const canvas = document.querySelector(`[data-testid=plane-${plane}]`);
  const slider = document.querySelector(`[data-testid=slice-${plane}]`);
  const frame = () => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
  const copy = document.createElement("canvas");
  const copied = copy.getContext("2d", { willReadFrequently: true });
  const white = () => {
    const { width, height } = Object.assign(copy, { width: canvas.width, height: canvas.height });
    copied.drawImage(canvas, 0, 0);
    const { data } = copied.getImageData(0, 0, width, height);
    let [count, sumX, sumY, right] = [0, 0, 0, 0];
    for (let at = 0; at < data.length; at += 4) {
      if (data[at] < 255 || data[at + 1] < 255 || data[at + 2] < 255) continue;
      const [x, y] = [(at / 4) % width, Math.floor(at / 4 / width)];
      [count, sumX, sumY, right] = [count + 1, sumX + x + 0.5, sumY + y + 0.5, Math.max(right, x + 1)];
    }
    const pixel = canvas.getBoundingClientRect().width / width;
    return { count, x: (sumX / count) * pixel, y: (sumY / count) * pixel, right: right * pixel };
  };
  const go = async (slice) => {
    slider.value = slice;
    slider.dispatchEvent(new Event("input"));
    await frame();
  };
  let best = { count: 0 };
  for (let slice = 0; slice <= Number(slider.max); slice += 1) {
    await go(slice);
    const found = white();
    if (found.count > best.count) best = { slice, ...found };
  }
  await go(best.slice);
  return best;
}
"""


def ball_on(page: Page, plane: str) -> dict[str, float]:
    """Go to the slice of ``plane`` that cuts most of the ball; where its middle and its right end are on the canvas."""
    page.get_by_test_id("window-lung").click()
    for toggle in ("toggle-crosshair", "toggle-overlay"):
        if page.get_by_test_id(toggle).get_attribute("aria-pressed") == "true":
            page.get_by_test_id(toggle).click()
    found: dict[str, float] = page.evaluate(WHITE_AREA, plane)
    page.get_by_test_id("toggle-overlay").click()
    return found


def is_drawn(page: Page) -> None:
    page.evaluate("new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)))")


def place_in(page: Page, testid: str) -> FloatArray:
    """World point that the page tells, x, y, z mm."""
    is_drawn(page)
    numbers = re.findall(r"[xyz] (-?[\d.]+)", page.get_by_test_id(testid).inner_text())
    return np.array(numbers, dtype=float)


def move_to(page: Page, plane: str, x: float, y: float) -> None:
    box = page.get_by_test_id(f"plane-{plane}").bounding_box()
    assert box is not None
    is_drawn(page)
    page.mouse.move(box["x"] + x, box["y"] + y)


def pull(page: Page, plane: str, start: tuple[float, float], end: tuple[float, float]) -> None:
    move_to(page, plane, *start)
    page.mouse.down()
    move_to(page, plane, *end)
    page.mouse.up()


def pixels_per_mm(page: Page, plane: str, apart: float = 100.0) -> float:
    """As the page tells where two points of the canvas are."""
    points = []
    for x in (60.0, 60.0 + apart):
        move_to(page, plane, x, 150.0)
        points.append(place_in(page, "pointer-position"))
    return apart / float(np.linalg.norm(points[1] - points[0]))


def marks(staff: Visitor, scan: str) -> Any:
    return staff.asks(f"/api/scans/{scan}/annotations")
