"""The commands as a user types them, one after the other, on small phantom hospitals."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

from federated_inference_utils import FederatedLungNodulePredictor
from fedlung.evaluation.froc import evaluate_froc
from fedlung.evaluation.validation import as_marks
from fedlung.imaging.annotations import Finding, read_findings, write_findings
from fedlung.imaging.hospital_folder import read_hospital
from fedlung.imaging.metaimage import read_metaimage
from fedlung.imaging.phantom import write_hospitals
from fedlung.stores.checkpoints import load_checkpoint, save_checkpoint

ROOT = Path(__file__).resolve().parents[2]
SMALL = ["--patch", "32", "--patches-per-scan", "4", "--batch", "2"]
pytestmark = pytest.mark.slow


def run(folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """One command in a folder of its own, so that nothing lands in the repository."""
    command = [sys.executable, str(ROOT / str(arguments[0])), *map(str, arguments[1:])]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=280)


def refusal(result: subprocess.CompletedProcess[str], code: int) -> str:
    """The one line that a failed command says."""
    assert result.returncode == code, result.stderr
    assert "Traceback" not in result.stderr
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1, result.stderr
    return lines[0]


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two hospitals of two scans, as many held-out scans, and the model that the federation made of them."""
    folder = tmp_path_factory.mktemp("chain")
    write_hospitals(folder / "data", 2, 2, 0, workers=1, scale=0.6)
    write_hospitals(folder / "held_out", 2, 2, 1, workers=1, scale=0.6)
    arguments = ["--data", "data", "--val", "held_out", "--rounds", "2", "--out", "models/m.pth", *SMALL]
    result = run(folder, "federated_training.py", *arguments)
    assert result.returncode == 0, result.stderr
    (folder / "training.txt").write_text(result.stdout)
    return folder


def test_training_tells_rounds_and_leaves_a_run_folder(workplace: Path) -> None:
    text = (workplace / "training.txt").read_text()
    assert "hospital_a" in text
    assert "hospital_b" in text
    folder = next((workplace / "data" / "runs").iterdir())
    rounds = [json.loads(line) for line in (folder / "rounds.jsonl").read_text().splitlines()]
    assert [entry["round"] for entry in rounds][-2:] == [1, 2]
    assert set(rounds[-1]["validation"]) == {"hospital_a", "hospital_b"}
    assert {"config.json", "events.jsonl", "round_0002.pth", "round_0002.pth.sha256"} <= set(os.listdir(folder))
    with Image.open(folder / "curves.png") as picture:
        assert picture.width > 400


def test_the_threshold_is_that_of_all_held_out_scans_in_one_place(workplace: Path) -> None:
    """Marks of every hospital's scans, pooled and judged at one grid threshold after the other."""
    model = workplace / "models/m.pth"
    metadata = load_checkpoint(model, expected_architecture=None).metadata
    predictor = FederatedLungNodulePredictor(model, device="cpu")
    findings, excluded, uids, marks = [], [], [], []
    for folder in sorted((workplace / "held_out").iterdir()):
        hospital = read_hospital(folder)
        findings += hospital.nodules
        excluded += hospital.excluded
        for scan in sorted((folder / "scans").glob("*.mhd")):
            uids.append(scan.stem)
            marks += as_marks(scan.stem, predictor.predict_file(scan).candidates)

    def at(threshold: float) -> tuple[float, float]:
        """False marks per scan and sensitivity when only these marks are shown."""
        shown = [mark for mark in marks if mark.probability >= threshold]
        result = evaluate_froc(findings, excluded, uids, shown)
        return result.num_false_positives / len(uids), result.num_detected / result.num_nodules

    grid = {step / 100: at(step / 100) for step in range(1, 100)}
    lowest = [next(t for t, (false, _) in grid.items() if false <= rate) for rate in (1, 2, 4, 8)]
    pooled = metadata["validation_pooled"]
    found = [(point["threshold"], point["fp_per_scan"], point["sensitivity"]) for point in pooled["operating_points"]]
    assert found == [(t, round(grid[t][0], 4), round(grid[t][1], 4)) for t in dict.fromkeys(lowest)]
    assert metadata["display_threshold"] == predictor.display_threshold == lowest[0]
    assert (pooled["num_hospitals"], pooled["num_scans"], pooled["num_nodules"]) == (2, len(uids), len(findings))
    assert grid[0.01][0] > 0, "there are false marks to decide about"
    assert f"display threshold {lowest[0]:.2f}: in validation" in (workplace / "training.txt").read_text()


def test_a_held_out_scan_is_read(workplace: Path) -> None:
    scan = next((workplace / "held_out" / "hospital_b" / "scans").glob("*.mhd"))
    result = run(
        workplace, "federated_inference_utils.py", scan, "--model", "models/m.pth", "--out", "out", "--threshold", 0.01
    )
    assert result.returncode == 0, result.stderr
    assert "not for diagnosis" in result.stdout
    answer = json.loads((workplace / "out" / "nodules.json").read_text())
    with (workplace / "out" / "nodules.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["seriesuid", "coordX", "coordY", "coordZ", "probability", "diameter_mm"]
    assert len(rows) == len(answer["nodules"]) <= 100
    assert {row["seriesuid"] for row in rows} == {scan.stem}
    pictures = sorted((workplace / "out").glob("nodule_*.png"))
    assert len(pictures) == answer["num_shown"] == len(rows)
    mask, original = read_metaimage(workplace / "out" / "mask.mhd"), read_metaimage(scan)
    assert mask.geometry == original.geometry
    assert set(answer["seconds"]) == {"read", "prepare", "network", "candidates"}


def test_the_marks_can_be_judged(workplace: Path) -> None:
    scan = next((workplace / "held_out" / "hospital_a" / "scans").glob("*.mhd"))
    folder = workplace / "held_out" / "hospital_a"
    run(workplace, "federated_inference_utils.py", scan, "--model", "models/m.pth", "--out", "judged")
    (workplace / "uids.csv").write_text(scan.stem + "\n")
    module = [sys.executable, "-m", "fedlung.evaluation.froc", "--annotations", folder / "annotations.csv"]
    module += ["--excluded", folder / "annotations_excluded.csv", "--seriesuids", workplace / "uids.csv"]
    module += ["--results", workplace / "judged" / "nodules.csv", "--out", workplace / "froc", "--bootstrap", 20]
    result = subprocess.run(list(map(str, module)), cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr
    assert "CPM" in result.stdout
    assert json.loads((workplace / "froc" / "froc.json").read_text())["num_scans"] == 1


def test_local_training_starts_from_a_model_and_repeats_itself(workplace: Path) -> None:
    arguments = ["train_simple_model.py", "--data", "data/hospital_a", "--epochs", "1", "--init", "models/m.pth"]
    for name in ("one", "two"):
        result = run(workplace, *arguments, "--out", f"models/{name}.pth", "--seed", "3", *SMALL)
        assert result.returncode == 0, result.stderr
    assert (workplace / "models/one.pth").read_bytes() == (workplace / "models/two.pth").read_bytes()


def test_ctrl_c_keeps_the_last_epoch_and_says_where(workplace: Path) -> None:
    command = [sys.executable, str(ROOT / "train_simple_model.py"), "--data", "data/hospital_a", "--epochs", "1000"]
    command += ["--out", "models/long.pth", *SMALL]
    process = subprocess.Popen(command, cwd=workplace, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline().startswith("epoch 1/")
    deadline = time.monotonic() + 60
    while not (workplace / "models/long.pth.sha256").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "models/long.pth holds the model after epoch" in said.strip().splitlines()[-1]
    scan = next((workplace / "data" / "hospital_a" / "scans").glob("*.mhd"))
    assert (
        run(workplace, "federated_inference_utils.py", scan, "--model", "models/long.pth", "--out", "o").returncode == 0
    )


def test_an_unreadable_scan_and_a_wrong_annotation_are_named_and_the_run_goes_on(workplace: Path) -> None:
    folder = workplace / "broken"
    shutil.copytree(workplace / "data" / "hospital_a", folder / "hospital_a")
    scans = sorted((folder / "hospital_a" / "scans").glob("*.mhd"))
    scans[0].with_suffix(".raw").write_bytes(b"short")
    table = folder / "hospital_a" / "annotations.csv"
    outside = Finding(scans[1].stem, (9000.0, 0.0, 0.0), 8.0)
    write_findings(table, [*read_findings(table), outside])
    result = run(workplace, "federated_training.py", "--data", folder, "--rounds", "1", "--out", "b.pth", *SMALL)
    assert result.returncode == 0, result.stderr
    assert scans[0].name in result.stderr
    assert "9000.0" in result.stderr
    assert "outside" in result.stderr


@pytest.mark.parametrize("command", ["federated_training.py", "train_simple_model.py"])
def test_missing_folder_is_a_wrong_argument(workplace: Path, command: str) -> None:
    length = ["--rounds", "1"] if command == "federated_training.py" else ["--epochs", "1"]
    result = run(workplace, command, "--data", "nowhere", *length, "--out", "x.pth")
    assert "nowhere" in refusal(result, 2)


def test_hospital_without_annotations_is_named(workplace: Path) -> None:
    folder = workplace / "unread"
    shutil.copytree(workplace / "data" / "hospital_b", folder / "hospital_b")
    (folder / "hospital_b" / "annotations.csv").unlink()
    result = run(workplace, "federated_training.py", "--data", folder, "--rounds", "1", "--out", "x.pth")
    line = refusal(result, 1)
    assert "hospital_b" in line
    assert "annotations.csv" in line


def test_a_model_of_another_architecture_is_refused(workplace: Path) -> None:
    model = load_checkpoint(workplace / "models/m.pth", expected_architecture=None)
    other = {**model.architecture, "channels": [8, 16, 32, 64]}
    save_checkpoint(workplace / "models/other.pth", weights=model.weights, architecture=other, metadata={})
    scan = next((workplace / "data" / "hospital_a" / "scans").glob("*.mhd"))
    line = refusal(run(workplace, "federated_inference_utils.py", scan, "--model", "models/other.pth", "--out", "x"), 1)
    assert "channels" in line


def test_a_damaged_model_and_a_damaged_scan_are_refused(workplace: Path) -> None:
    scan = next((workplace / "data" / "hospital_a" / "scans").glob("*.mhd"))
    shutil.copy(workplace / "models/m.pth.sha256", workplace / "models/bad.pth.sha256")
    content = bytearray((workplace / "models/m.pth").read_bytes())
    content[len(content) // 2] ^= 1
    (workplace / "models/bad.pth").write_bytes(content)
    line = refusal(run(workplace, "federated_inference_utils.py", scan, "--model", "models/bad.pth", "--out", "x"), 1)
    assert "bad.pth" in line
    cut = workplace / "cut.mhd"
    shutil.copy(scan, cut)
    shutil.copy(scan.with_suffix(".raw"), workplace / scan.with_suffix(".raw").name)
    (workplace / scan.with_suffix(".raw").name).write_bytes(b"\0" * 10)
    line = refusal(run(workplace, "federated_inference_utils.py", cut, "--model", "models/m.pth", "--out", "x"), 1)
    assert "cut.mhd" in line
    line = refusal(run(workplace, "federated_inference_utils.py", "no.mhd", "--model", "models/m.pth", "--out", "x"), 2)
    assert "no.mhd" in line
