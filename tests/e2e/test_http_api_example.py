"""The program in docs/reference/http-api.md does what it says, on a real server."""

from __future__ import annotations

import csv
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fedlung.imaging.phantom import write_hospitals
from tests.e2e.browser import PASSWORD, WebServer, small_hospitals
from tests.web.browsers import ROOT

pytestmark = pytest.mark.slow


@pytest.fixture
def server(tmp_path: Path) -> Iterator[WebServer]:
    with WebServer(small_hospitals(tmp_path / "data"), "--demo") as started:
        yield started


def test_a_program_trains_sends_a_scan_and_has_it_read(server: WebServer, tmp_path: Path) -> None:
    document = (ROOT / "docs" / "reference" / "http-api.md").read_text(encoding="utf-8")
    program = "\n".join(re.findall(r"```python\n(.*?)```", document, flags=re.DOTALL))
    write_hospitals(tmp_path / "new", 1, 1, seed=9, scale=0.5)
    header = next((tmp_path / "new").glob("*/scans/*.mhd"))
    pair = tmp_path / "pair"
    pair.mkdir()
    for path in header.parent.glob(f"{header.stem}.*"):
        shutil.copy(path, pair)
    told = {"FEDLUNG_URL": server.url, "FEDLUNG_PASSWORD": PASSWORD, "SCAN": str(pair / header.name)}
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={**os.environ, **told},
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "finished 2 of 2 rounds" in done.stdout
    with (tmp_path / "nodules.csv").open(encoding="utf-8-sig", newline="") as table:
        rows = list(csv.DictReader(table))
    assert {"seriesuid", "coordX", "coordY", "coordZ", "probability", "diameter_mm"} <= rows[0].keys()
    assert done.stdout.count(" mm ") == len(rows)
