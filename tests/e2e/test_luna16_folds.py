"""The way from LUNA16's folders to a CPM, on phantoms laid out as subsets; stopped once and gone on with."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from fedlung.imaging.annotations import read_findings, write_findings

ROOT = Path(__file__).resolve().parents[2]
SMALL = ["--rounds", "1", "--patches-per-scan", "8", "--device", "cpu", "--threads", "1", "--concurrent", "1"]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def luna16(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three subsets of one scan each, with the two tables beside them."""
    base = tmp_path_factory.mktemp("luna16")
    phantoms = base / "phantoms"
    subprocess.run(
        [sys.executable, "-m", "fedlung.imaging.phantom", "--out", phantoms, "--hospitals", "3", "--scans", "1"],
        cwd=ROOT,
        check=True,
    )
    findings = []
    for number, hospital in enumerate(sorted(phantoms.iterdir())):
        shutil.move(hospital / "scans", base / f"subset{number}")
        findings += read_findings(hospital / "annotations.csv")
    write_findings(base / "annotations.csv", findings)
    write_findings(base / "annotations_excluded.csv", [])
    return base


def _run(luna16: Path, out: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks.luna16", "--luna16", luna16, "--out", out, *SMALL]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=280)


def test_three_subsets_are_trained_read_and_judged_and_a_second_start_repeats_nothing(luna16: Path, tmp_path: Path):
    first = _run(luna16, tmp_path)
    assert first.returncode == 0, first.stderr
    assert "CPM" in first.stdout
    froc = json.loads((tmp_path / "froc.json").read_text())
    assert froc["num_scans"] == 3
    uids = {path.stem for path in luna16.glob("subset*/*.mhd")}
    assert set((tmp_path / "seriesuids.csv").read_text().split()) == uids
    with (tmp_path / "marks.csv").open() as file:
        assert {row["seriesuid"] for row in csv.DictReader(file)} <= uids
    models = sorted(tmp_path.glob("without_*/model.pth"))
    assert len(models) == 3
    before = {path: path.stat().st_mtime_ns for path in (*models, *tmp_path.glob("marks/*/*.csv"))}
    (lost,) = tmp_path.glob("marks/subset1/*.csv")
    lost.unlink()

    again = _run(luna16, tmp_path)

    assert again.returncode == 0, again.stderr
    assert again.stdout == first.stdout[first.stdout.index("FP/scan") :]
    after = {path: path.stat().st_mtime_ns for path in before}
    assert {path for path in before if before[path] != after[path]} == {lost}


def test_a_folder_without_subsets_is_refused_with_a_sentence(tmp_path: Path):
    for name in ("annotations.csv", "annotations_excluded.csv"):
        write_findings(tmp_path / name, [])
    result = _run(tmp_path, tmp_path / "out")
    assert result.returncode == 2
    assert "subset0 ... subset9" in result.stderr
