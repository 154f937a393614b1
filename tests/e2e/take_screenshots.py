"""Pictures of every page, in both languages and looks, for the documents.

    python -m tests.e2e.take_screenshots --out docs/screenshots

A demo federation trains twice and begins a third time; the pictures are of what then stands there. Some minutes.
"""

from __future__ import annotations

import argparse
import io
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image
from playwright.sync_api import Browser, FilePayload, Page, expect
from scipy.spatial import cKDTree

from fedlung.imaging.phantom import write_hospitals
from tests.e2e.browser import Visitor, WebServer, chromium, round_cells, run_state
from tests.web.browsers import wait_until

DESK, PHONE = (1440, 900), (390, 844)
VARIANTS = [(language, theme) for language in ("en", "zh") for theme in ("light", "dark")]
EXACT_COLOURS = 160
MOST_BYTES = 120_000
MOST_BYTES_WITH_CT = 350_000  # noise does not pack well
SETTLE_MS = 700  # charts are drawn, fonts have come
ROUNDS, WATCHED = 6, 3
PAGES = {"models": "/models", "users": "/admin/users", "audit": "/audit", "account": "/account"}
PAGES |= {"patterns": "/dev/patterns", "not-found": "/no-such-page"}
READING_SECONDS = 300.0
CHOSEN: list[FilePayload] = [  # what somebody might drop on the page
    {"name": "chest-1.mhd", "mimeType": "", "buffer": b"ElementDataFile = chest-1.zraw"},
    {"name": "chest-1.zraw", "mimeType": "", "buffer": bytes(35_000_000)},
    {"name": "chest-2.mhd", "mimeType": "", "buffer": b"ElementDataFile = chest-2.raw"},
    {"name": "chest-3.nii.gz", "mimeType": "", "buffer": bytes(12_000_000)},
    {"name": "annotations.csv", "mimeType": "text/csv", "buffer": b"seriesuid"},
]


def main() -> None:
    parser = argparse.ArgumentParser(description="Pictures of every page for the documents.")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the pictures")
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as work, chromium() as browser:
        data = Path(work) / "data"
        write_hospitals(data, 3, 4, seed=0, scale=0.6)
        with WebServer(data, "--demo") as server:
            take(server, browser, out)


def take(server: WebServer, browser: Browser, out: Path) -> None:
    admin = Visitor(browser, server.url).sign_in("admin")
    runs = [train(admin, strategy=strategy) for strategy in ("fedavg", "fedprox")]
    note = "FedProx holds the hospitals together: the loss falls as with FedAvg, and no hospital drifts away."
    admin.puts(f"/api/runs/{runs[1]}/note", {"text": note})
    admin.posts(f"/api/models/{admin.asks(f'/api/runs/{runs[1]}')['model_id']}/promote")
    reading = read_a_scan(browser, server.url)
    for variant in VARIANTS:
        idle_pages(browser, server.url, variant, runs, out)
        pages_of_scans(browser, server.url, variant, reading, out)
    third = admin.posts("/api/runs", {"rounds": 2 * ROUNDS, "seed": 1})["id"]
    admin.opens("/server")
    watch(admin.page, WATCHED)
    for variant in VARIANTS:
        pages_of_a_run_under_way(browser, server.url, variant, out)
    admin.posts(f"/api/runs/{third}/stop")
    run_state(admin.page, "stopped")
    admin.leave()


def train(admin: Visitor, strategy: str) -> str:
    run = str(admin.posts("/api/runs", {"rounds": ROUNDS, "strategy": strategy})["id"])
    admin.opens("/server")
    watch(admin.page, ROUNDS)
    run_state(admin.page, "finished")
    return run


def watch(page: Page, rounds: int) -> None:
    for number in range(1, rounds + 1):
        round_cells(page, number, "done", 3)


def idle_pages(browser: Browser, url: str, variant: tuple[str, str], runs: list[str], out: Path) -> None:
    for size, kind in ((DESK, ""), (PHONE, "-phone")):
        stranger = Visitor(browser, url, *variant, size)
        stranger.page.goto("/login")
        save(stranger.page, out, f"login{kind}", variant)
        stranger.leave()
    admin = Visitor(browser, url, *variant).sign_in("admin")
    save(admin.opens("/server"), out, "new-training", variant)
    save(admin.opens("/history"), out, "history", variant)
    page = admin.opens(f"/history?run={runs[0]}&run={runs[1]}")
    expect(page.locator("#config-diff table")).to_be_visible()
    page.locator("#comparison").scroll_into_view_if_needed()
    save(page, out, "comparison", variant)
    save(admin.opens(f"/history/{runs[1]}"), out, "run", variant)
    for name, path in PAGES.items():
        admin.page.goto(path)
        save(admin.page, out, name, variant)
    admin.leave()


def read_a_scan(browser: Browser, url: str) -> str:
    """A scan that the model in use has read; the id of the reading."""
    clinician = Visitor(browser, url).sign_in("clinician_a")
    scan = clinician.asks("/api/scans")["scans"][0]["scan_id"]
    reading = str(clinician.posts("/api/predictions", {"scan_id": scan})["id"])

    def is_over() -> bool:
        return clinician.asks(f"/api/predictions/{reading}")["state"] in ("finished", "failed")

    wait_until(is_over, "the scan is read", READING_SECONDS)
    clinician.leave()
    return reading


def pages_of_scans(browser: Browser, url: str, variant: tuple[str, str], reading: str, out: Path) -> None:
    staff = Visitor(browser, url, *variant).sign_in("staff_a")
    page = staff.opens("/client")
    page.get_by_test_id("choose-files").set_input_files(CHOSEN)
    page.get_by_test_id("upload-card").scroll_into_view_if_needed()
    save(page, out, "upload", variant)
    page.get_by_test_id("scans-card").evaluate("card => card.scrollIntoView()")
    save(page, out, "scans", variant, MOST_BYTES_WITH_CT)
    page.get_by_test_id("open-scan").first.click()
    save(page, out, "scan", variant, MOST_BYTES_WITH_CT)
    page.keyboard.press("Escape")
    page.get_by_test_id("annotate-scan").first.click()
    expect(page.get_by_test_id("viewer")).to_have_attribute("data-state", "ready")
    save(page, out, "annotate", variant, MOST_BYTES_WITH_CT)
    staff.leave()
    clinician = Visitor(browser, url, *variant).sign_in("clinician_a")
    save(clinician.opens("/inference"), out, "inference", variant, MOST_BYTES_WITH_CT)
    page = clinician.opens(f"/inference/{reading}")
    expect(page.get_by_test_id("viewer")).to_have_attribute("data-state", "ready")
    save(page, out, "prediction", variant, MOST_BYTES_WITH_CT)
    clinician.leave()


def pages_of_a_run_under_way(browser: Browser, url: str, variant: tuple[str, str], out: Path) -> None:
    for name, path, size, kind in (
        ("admin", "/server", DESK, "server"),
        ("admin", "/server", PHONE, "server-phone"),
        ("staff_a", "/client", DESK, "client"),
    ):
        visitor = Visitor(browser, url, *variant, size).sign_in(name)
        save(visitor.opens(path), out, kind, variant)
        visitor.leave()


def save(page: Page, out: Path, name: str, variant: tuple[str, str], most_bytes: int = MOST_BYTES) -> None:
    page.wait_for_timeout(SETTLE_MS)
    picture = Image.open(io.BytesIO(page.screenshot(animations="disabled"))).convert("RGB")
    file = out / f"{name}-{'-'.join(variant)}.png"
    in_few_colours(picture).save(file, optimize=True)
    size = file.stat().st_size
    assert size <= most_bytes, f"{file} has {size} bytes"
    sys.stdout.write(f"{file} {size // 1000} kB\n")


def in_few_colours(picture: Image.Image) -> Image.Image:
    """The same picture with a palette: areas keep their exact colours, edges and letters get near ones."""
    pixels = np.asarray(picture)
    colours, which = np.unique(pixels.reshape(-1, 3), axis=0, return_inverse=True)
    same_as_right = np.append((pixels[:, 1:] == pixels[:, :-1]).all(axis=2), np.zeros((len(pixels), 1), bool), axis=1)
    in_areas = np.bincount(which.ravel(), weights=same_as_right.ravel(), minlength=len(colours))
    exact = colours[np.argsort(-in_areas)[:EXACT_COLOURS]]
    near = np.array(picture.quantize(256 - EXACT_COLOURS).getpalette(), dtype=np.uint8).reshape(-1, 3)
    palette = np.concatenate([exact, near])
    _, nearest = cKDTree(palette).query(colours)  # Pillow's own way rounds even colours that the palette has
    indexed = Image.fromarray(nearest[which].astype(np.uint8).reshape(picture.height, picture.width))
    indexed.putpalette(palette.tobytes())
    return indexed


if __name__ == "__main__":
    main()
