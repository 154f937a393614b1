"""The scan of the clinician's story: how it comes to the hospital, and how a mark on it is drawn."""

from __future__ import annotations

import shutil
from base64 import b64encode
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page

from tests.e2e.browser import PATIENCE_MS, Visitor, WebServer
from tests.web.browsers import wait_until

PRIOR, SHIFT_XYZ_MM = "prior", (4.0, -3.0, 5.0)
LONG_MS = 14 * PATIENCE_MS  # a whole CT beside other work
LONG_S = LONG_MS / 1000
ACCEPTED_COLOUR = (99, 219, 147)  # --mark-accepted

CIRCLE = """
([plane, red, green, blue]) => {
  // Ends of the ring, in pixels of the page.
  const canvas = document.querySelector(`[data-testid=plane-${plane}]`);
  const { width, height } = canvas;
  const copied = Object.assign(document.createElement("canvas"), { width, height }).getContext("2d");
  copied.drawImage(canvas, 0, 0);
  const { data } = copied.getImageData(0, 0, width, height);
  const isRing = (x, y) => {
    const at = 4 * (y * width + x);
    return Math.abs(data[at] - red) + Math.abs(data[at + 1] - green) + Math.abs(data[at + 2] - blue) < 40;
  };
  const ring = [];
  for (let y = 0; y < height; y += 1) for (let x = 0; x < width; x += 1) if (isRing(x, y)) ring.push([x, y]);
  // Its number, of the same colour, stands at the upper right: the left and the lower end are the ring's for sure.
  const [left, row] = ring.reduce((best, one) => (one[0] < best[0] ? one : best));
  const [column, bottom] = ring.reduce((best, one) => (one[1] > best[1] ? one : best));
  const right = Math.max(...ring.filter(([, y]) => Math.abs(y - row) <= 3).map(([x]) => x));
  const top = Math.min(...ring.filter(([x]) => Math.abs(x - column) <= 3).map(([, y]) => y));
  const ends = { left, right: right + 1, top, bottom: bottom + 1 };
  const box = canvas.getBoundingClientRect();
  const pixel = box.width / width;
  return Object.fromEntries(Object.entries(ends).map(([end, value]) => [end, value * pixel]));
}
"""


def shifted_copy(folder: Path, scans: Path) -> None:
    """The same scan under another name, and elsewhere in the world: a prior scan in which nothing has grown."""
    (header,) = folder.glob("*.mhd")
    offset, moved = "-163.300003 -170 -340.04501299999998", []
    moved = [f"{float(a) + b:.6f}" for a, b in zip(offset.split(), SHIFT_XYZ_MM, strict=True)]
    text = header.read_text()
    assert offset in text
    shutil.copy(header.with_suffix(".zraw"), scans / f"{PRIOR}.zraw")
    text = text.replace(offset, " ".join(moved)).replace(f"{header.stem}.zraw", f"{PRIOR}.zraw")
    (scans / f"{PRIOR}.mhd").write_text(text)


def the_series_comes_in(browser: Browser, server: WebServer, archive: Path) -> str:
    """Staff send the series and keep its originals; the scan's id."""
    staff = Visitor(browser, server.url).sign_in("staff_a")
    staff.puts("/api/scans/readiness", {"keep_original_dicom": True})
    token = staff.page.locator("meta[name=csrf-token]").get_attribute("content") or ""
    told = f"filename {b64encode(archive.name.encode()).decode()},group {b64encode(b'story').decode()}"
    headers = {"X-CSRFToken": token, "Tus-Resumable": "1.0.0", "Upload-Metadata": told}
    headers |= {"Upload-Length": str(archive.stat().st_size), "Content-Type": "application/offset+octet-stream"}
    answer = staff.page.request.post("/api/uploads", data=archive.read_bytes(), headers=headers, timeout=LONG_MS)
    assert answer.ok, answer.text()
    file_id = answer.headers["location"].rsplit("/", 1)[-1]
    staff.posts(f"/api/uploads/{file_id}/finish", {"files": [file_id]})
    wait_until(lambda: _group(staff)["state"] in ("done", "refused", "duplicate"), "the series is checked", LONG_S)
    stored = [result for result in _group(staff)["results"] if result["outcome"] == "stored"]
    assert len(stored) == 1, _group(staff)
    staff.saw_nothing_wrong()
    staff.leave()
    return str(stored[0]["scan_id"])


def _group(staff: Visitor) -> Any:
    (group,) = staff.asks("/api/uploads")
    return group


def ends_of_circle(page: Page, plane: str = "axial") -> dict[str, float]:
    """Of the only accepted mark, on the canvas of a plane: left, right, top, bottom, in pixels of the page."""
    page.evaluate("new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)))")
    ends: dict[str, float] = page.evaluate(CIRCLE, [plane, *ACCEPTED_COLOUR])
    return ends


def told_in(page: Page, testid: str, axis: str) -> float:
    page.evaluate("new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)))")
    text = page.get_by_test_id(testid).inner_text().replace("\N{MINUS SIGN}", "-")
    return float(text.split(f"{axis} ")[1].split(",")[0].split(" ")[0])
