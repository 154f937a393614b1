"""The model that ships: it loads, its card belongs to it, and it finds nodules with the command of the README."""

from __future__ import annotations

import csv
import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fedlung.detection.diameter_agreement import CLASSES_MM
from fedlung.imaging.annotations import read_findings
from train_simple_model import load_model

ROOT = Path(__file__).resolve().parents[2]
MODELS = sorted((ROOT / "models" / "pretrained").glob("*.pth"))


def test_a_model_ships() -> None:
    assert len(MODELS) == 1
    assert MODELS[0].stat().st_size < 10_000_000


@pytest.mark.parametrize("model", MODELS, ids=lambda path: path.stem)
def test_card_checksum_and_metadata_belong_together(model: Path) -> None:
    digest = hashlib.sha256(model.read_bytes()).hexdigest()
    card = json.loads(model.with_suffix(".json").read_text(encoding="utf-8"))
    metadata = load_model(model).metadata
    assert model.with_name(model.name + ".sha256").read_text().split() == [digest, model.name]
    assert card["sha256"] == digest
    assert digest in model.with_suffix(".md").read_text(encoding="utf-8")
    assert {**metadata["card"], "sha256": digest} == card
    assert metadata["display_threshold"] == card["metrics"]["validation"]["display_threshold"]
    assert 0 < metadata["display_threshold"] < 1
    bins = card["metrics"]["validation"]["diameter_agreement"]["bins"]
    assert [tuple(one["bounds_mm"]) for one in bins] == [*CLASSES_MM[:-1], (CLASSES_MM[-1][0], None)]
    assert 0 < sum(one["num_nodules"] for one in bins) <= card["metrics"]["validation"]["num_nodules"]
    for words in ("CC BY 3.0", "10.7937/K9/TCIA.2015.LO9QL9SX"):
        assert words in card["data"]


@pytest.mark.slow
@pytest.mark.parametrize("patient", ["LIDC-IDRI-0001", "LIDC-IDRI-0005", "LIDC-IDRI-0181"])
def test_it_finds_the_nodules_of_a_real_scan(patient: str, real_ct: Path, tmp_path: Path) -> None:
    # Scans that it was trained on: this shows that what ships is whole, not how good it is (docs/results.md does).
    (scan,) = (real_ct / "scans" / patient).glob("*.mhd")
    nodules = [
        item for item in read_findings(real_ct / "luna16_csv" / "annotations.csv") if item.series_uid == scan.stem
    ]
    command = [sys.executable, "federated_inference_utils.py", scan, "--model", MODELS[0], "--out", tmp_path]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    threshold = load_model(MODELS[0]).metadata["display_threshold"]
    with (tmp_path / "nodules.csv").open(newline="") as file:
        shown = [row for row in csv.DictReader(file) if float(row["probability"]) >= threshold]
    centers = np.array([[float(row[f"coord{axis}"]) for axis in "XYZ"] for row in shown])
    found = [np.linalg.norm(centers - item.center_xyz_mm, axis=1).min() < item.diameter_mm / 2 for item in nodules]
    assert nodules
    assert all(found), f"{sum(found)} of {len(nodules)}"
    assert len(list(tmp_path.glob("nodule_*.png"))) == len(shown)
