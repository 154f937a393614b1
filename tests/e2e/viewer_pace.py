"""How fast the viewer opens and draws in real Chromium; ``benchmarks/viewer_speed.py`` makes a table of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import psutil
from playwright.sync_api import Page, expect

from tests.e2e.browser import Visitor, chromium

SECONDS = 4.0  # that pictures are counted
PATIENCE_MS = 120_000
WAYS = (  # what is done, in which plane, how
    ("axial slices turn", "axial", "wheel"),
    ("coronal slices turn", "coronal", "wheel"),
    ("sagittal slices turn", "sagittal", "wheel"),
    ("the window changes in all planes", "axial", "window"),
    ("the axial plane is zoomed", "axial", "zoom"),
)
COUNT = """
async ([plane, way, milliseconds]) => {
  const canvas = document.querySelector(`[data-testid=plane-${plane}]`);
  const box = canvas.getBoundingClientRect();
  const middle = { clientX: box.left + box.width / 2, clientY: box.top + box.height / 2 };
  const plain = { ...middle, bubbles: true, cancelable: true };
  const turn = (more) => canvas.dispatchEvent(new WheelEvent("wheel", { ...plain, ...more }));
  const steps = {
    wheel: (sign) => turn({ deltaY: 100 * sign }),
    zoom: (sign) => turn({ deltaY: 20 * sign, ctrlKey: true }),
    window: (sign, number) => document.querySelector(`[data-testid=window-${number % 2 ? "bone" : "lung"}]`).click(),
  };
  const gaps = [];
  const begun = performance.now();
  for (let last = begun, number = 0; last - begun < milliseconds; number += 1) {
    steps[way](Math.floor(number / 80) % 2 ? -1 : 1, number);
    const now = await new Promise(requestAnimationFrame);
    gaps.push(now - last);
    last = now;
  }
  gaps.shift();
  gaps.sort((one, other) => one - other);
  const total = gaps.reduce((sum, gap) => sum + gap, 0);
  return { perSecond: (1000 * gaps.length) / total, p95: gaps[Math.floor(gaps.length * 0.95)], longest: gaps.at(-1) };
}
"""
NOTED = "(name) => performance.getEntriesByName(name)[0].startTime"


@dataclass(frozen=True)
class Opening:
    """Seconds from the start of the page."""

    first_slice: float
    all_voxels: float


@dataclass(frozen=True)
class Pace:
    """What was measured.

    Attributes:
        pictures: what was done -> pictures per second, and the milliseconds within which 95 % and all of them came.
        array_bytes: of all arrays of the page, the voxels among them.
        renderer_bytes: memory that the page's process has for itself, Chromium's own included.
    """

    openings: tuple[Opening, ...]
    pictures: dict[str, tuple[float, float, float]]
    array_bytes: int
    renderer_bytes: int


def pace_of(url: str, scan: str, username: str, password: str, openings: int) -> Pace:
    """Open the scan's page so many times, each in a fresh browser session; then turn slices, change windows, zoom."""
    with chromium() as browser:
        Visitor(browser, url).sign_in(username, password).leave()  # the browser's own start does not count
        opened = []
        for number in range(openings):
            visitor = Visitor(browser, url).sign_in(username, password)
            opened.append(open_scan(visitor.page, scan))
            if number + 1 < openings:
                visitor.leave()
        pictures = {title: count(visitor.page, plane, way) for title, plane, way in WAYS}
        memory = array_bytes(visitor.page), renderer_bytes()
        visitor.leave()
    return Pace(tuple(opened), pictures, *memory)


def open_scan(page: Page, scan: str) -> Opening:
    page.goto(f"/client/scans/{scan}")
    expect(page.get_by_test_id("viewer")).to_have_attribute("data-state", "ready", timeout=PATIENCE_MS)
    page.wait_for_timeout(1000)  # the last picture is drawn
    first, complete = (page.evaluate(NOTED, f"viewer {name}") / 1000 for name in ("first slice", "complete"))
    return Opening(first, complete)


def count(page: Page, plane: str, way: str) -> tuple[float, float, float]:
    found: dict[str, Any] = page.evaluate(COUNT, [plane, way, SECONDS * 1000])
    return found["perSecond"], found["p95"], found["longest"]


def array_bytes(page: Page) -> int:
    session = page.context.new_cdp_session(page)
    session.send("HeapProfiler.collectGarbage")
    return int(session.send("Runtime.getHeapUsage")["backingStorageSize"])


def renderer_bytes() -> int:
    children = psutil.Process().children(recursive=True)
    renderers = [child for child in children if "--type=renderer" in child.cmdline()]
    return max(int(child.memory_full_info().uss) for child in renderers)
