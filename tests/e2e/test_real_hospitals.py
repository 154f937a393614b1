"""Three real scans as three hospitals, through the commands: coordinates, targets and reading agree in world mm.

An overfit on purpose: the scans that were trained on are read. It says nothing about other patients.
"""

from __future__ import annotations

import csv
import math
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from fedlung.imaging.annotations import Finding, read_findings, write_findings

ROOT = Path(__file__).resolve().parents[2]


def lay_out(real_ct: Path, data: Path) -> list[Finding]:
    """One hospital per scan, with LUNA16's rows of that scan; returns all nodules."""
    tables = {"annotations.csv": False, "annotations_excluded.csv": True}
    found: list[Finding] = []
    for scan in sorted((real_ct / "scans").glob("*/*.mhd")):
        folder = data / scan.parent.name
        (folder / "scans").mkdir(parents=True)
        for part in scan.parent.glob(f"{scan.stem}.*"):
            shutil.copy(part, folder / "scans")
        for name, excluded in tables.items():
            rows = read_findings(real_ct / "luna16_csv" / name, excluded=excluded)
            own = [row for row in rows if row.series_uid == scan.stem]
            write_findings(folder / name, own)
            found += [] if excluded else own
    return found


def command(folder: Path, *arguments: object) -> str:
    line = [sys.executable, str(ROOT / str(arguments[0])), *map(str, arguments[1:])]
    result = subprocess.run(
        line, cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_nodules_that_were_trained_on_are_found_where_they_are(real_ct: Path, tmp_path: Path) -> None:
    nodules = lay_out(real_ct, tmp_path / "hospitals")
    assert len(nodules) == 8
    training = ["--data", "hospitals", "--rounds", 12, "--patches-per-scan", 64, "--out", "model.pth"]
    said = command(tmp_path, "federated_training.py", *training)
    assert "LIDC-IDRI-0181" in said
    hits = 0
    for scan in (tmp_path / "hospitals").glob("*/scans/*.mhd"):
        command(tmp_path, "federated_inference_utils.py", scan, "--model", "model.pth", "--out", scan.stem)
        with (tmp_path / scan.stem / "nodules.csv").open(newline="") as file:
            rows = [row for row in csv.DictReader(file) if float(row["probability"]) >= 0.3]
        centers = [tuple(float(row[f"coord{axis}"]) for axis in "XYZ") for row in rows]
        for nodule in (item for item in nodules if item.series_uid == scan.stem):
            distances_mm = [math.dist(center, nodule.center_xyz_mm) for center in centers]
            hits += min(distances_mm, default=math.inf) < nodule.diameter_mm / 2
    assert hits >= 7
