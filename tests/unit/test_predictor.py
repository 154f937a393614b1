"""The predictor and its command: a small phantom scan, random weights, and everything that can be wrong."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from federated_inference_utils import FederatedLungNodulePredictor, main, summary
from fedlung.detection.candidates import LOWEST_PROBABILITY, MOST_MARKS_PER_SCAN
from fedlung.detection.prediction import RESEARCH_USE, Prediction
from fedlung.errors import ArchitectureMismatch, BadCheckpoint, BadScan, Stopped
from fedlung.federation.operating_points import DEFAULT_THRESHOLD
from fedlung.imaging.metaimage import read_metaimage, write_metaimage
from fedlung.imaging.phantom import make_phantom
from fedlung.imaging.volume import CTVolume
from fedlung.stores.checkpoints import save_checkpoint
from train_simple_model import ARCHITECTURE, initial_weights

FLIPPED_HOSPITAL = 1  # x and y flipped, slices of 2.5 mm


@pytest.fixture(scope="module")
def volume() -> CTVolume:
    return make_phantom(FLIPPED_HOSPITAL, 0, 0, scale=0.28).volume


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, volume: CTVolume) -> Path:
    """``scan.mhd``, and ``model.pth`` with random weights, which marks noise all over the scan."""
    folder = tmp_path_factory.mktemp("predictor")
    write_metaimage(folder / "scan.mhd", volume)
    weights = initial_weights(0)
    weights["heads.weight"] = weights["heads.weight"] * 3
    save_checkpoint(folder / "model.pth", weights=weights, architecture=ARCHITECTURE, metadata={"rounds": 3})
    return folder


@pytest.fixture(scope="module")
def predictor(folder: Path) -> FederatedLungNodulePredictor:
    return FederatedLungNodulePredictor(folder / "model.pth", device="cpu")


@pytest.fixture(scope="module")
def prediction(folder: Path, predictor: FederatedLungNodulePredictor) -> Prediction:
    return predictor.predict_file(folder / "scan.mhd")


def _run(capsys: pytest.CaptureFixture[str], *argv: str | Path) -> tuple[int, str, list[str]]:
    """Exit code, stdout, and the lines on stderr."""
    try:
        code = main([str(argument) for argument in argv])
    except SystemExit as exit_:  # argparse
        code = int(exit_.code or 0)
    printed = capsys.readouterr()
    return code, printed.out, [line for line in printed.err.splitlines() if line.strip()]


# --- the class


def test_the_prediction_is_of_the_scan_and_in_its_world(prediction: Prediction, volume: CTVolume):
    assert prediction.scan.series_uid == "scan"
    assert prediction.original == volume.geometry
    assert 0 < len(prediction.candidates) <= MOST_MARKS_PER_SCAN
    probabilities = [item.probability for item in prediction.candidates]
    assert probabilities == sorted(probabilities, reverse=True)
    assert min(probabilities) >= LOWEST_PROBABILITY
    assert all(prediction.scan.geometry.contains(item.center_xyz_mm) for item in prediction.candidates)
    assert prediction.mask.shape == prediction.scan.hu_zyx.shape
    assert list(prediction.seconds) == ["read", "prepare", "network", "candidates"]
    assert prediction.model.file_name == "model.pth"
    assert prediction.model.metadata == {"rounds": 3}


def test_the_same_scan_gives_the_same_answer(predictor, prediction: Prediction, volume: CTVolume):
    again = predictor.predict(replace(volume, series_uid="scan"))
    assert again.candidates == prediction.candidates
    np.testing.assert_array_equal(again.mask, prediction.mask)


def test_progress_names_the_stages_and_ends_at_one(predictor, volume: CTVolume):
    told: list[tuple[str, float]] = []
    predictor.predict(volume, on_progress=lambda stage, share: told.append((stage, share)))
    stages = [stage for stage, _ in told]
    assert list(dict.fromkeys(stages)) == ["prepare", "network", "candidates", "done"]
    shares = [share for stage, share in told if stage == "network"]
    assert shares == sorted(shares)
    assert shares[-1] == told[-1][1] == 1.0


def test_it_stops_within_one_window_of_the_network(predictor, prediction: Prediction, volume: CTVolume):
    """A window may hold a whole scan; afterwards the network is as before."""
    asked: list[int] = []
    told: list[tuple[str, float]] = []
    with pytest.raises(Stopped):
        predictor.predict(
            volume,
            on_progress=lambda stage, share: told.append((stage, share)),
            should_stop=lambda: len(asked) == 5 or asked.append(1),
        )
    assert len(asked) == 5
    assert told[-1] == ("network", 0.0), "no window had come to its end"
    assert all(not layer._forward_pre_hooks for layer in predictor.network.modules())
    assert predictor.predict(replace(volume, series_uid="scan")).candidates == prediction.candidates


def test_the_threshold_is_the_callers_then_the_models_then_the_default(folder, prediction, predictor, volume, tmp_path):
    assert prediction.threshold == DEFAULT_THRESHOLD
    assert predictor.predict(volume, threshold=0.0).threshold == 0.0
    model = tmp_path / "chosen.pth"
    metadata = {"display_threshold": 0.21}
    save_checkpoint(model, weights=initial_weights(0), architecture=ARCHITECTURE, metadata=metadata)
    assert FederatedLungNodulePredictor(model, device="cpu").display_threshold == 0.21


def test_a_model_that_answers_nan_is_an_error_and_not_a_scan_without_nodules(folder: Path, tmp_path: Path, capsys):
    # Finite weights, as in every checkpoint, whose products are not: inf - inf.
    weights = initial_weights(0)
    weights["stem.gain"] = np.full_like(weights["stem.gain"], 3e38)
    save_checkpoint(tmp_path / "wild.pth", weights=weights, architecture=ARCHITECTURE, metadata={})
    argv = [folder / "scan.mhd", "--model", tmp_path / "wild.pth", "--out", tmp_path / "out", "--device", "cpu"]
    code, out, errors = _run(capsys, *argv)
    assert code == 1
    assert out == ""
    assert len(errors) == 1
    assert "NaN or infinite" in errors[0]
    assert not (tmp_path / "out" / "nodules.csv").exists()


def test_models_and_scans_that_are_not_sound_are_refused(folder: Path, predictor, tmp_path: Path):
    with pytest.raises(BadCheckpoint):
        FederatedLungNodulePredictor(tmp_path / "missing.pth")
    other = {**ARCHITECTURE, "channels": [8, 8, 8, 8]}
    save_checkpoint(tmp_path / "other.pth", weights=initial_weights(0), architecture=other, metadata={})
    with pytest.raises(ArchitectureMismatch):
        FederatedLungNodulePredictor(tmp_path / "other.pth")
    (tmp_path / "cut.mhd").write_bytes((folder / "scan.mhd").read_bytes())
    (tmp_path / "scan.raw").write_bytes(b"short")
    with pytest.raises(BadScan):
        predictor.predict_file(tmp_path / "cut.mhd")


# --- the command


def test_the_command_writes_a_report_that_agrees_with_the_prediction(folder: Path, tmp_path: Path, prediction, capsys):
    out = tmp_path / "report"
    argv = [folder / "scan.mhd", "--model", folder / "model.pth", "--out", out, "--device", "cpu", "--threshold", "0"]
    code, printed, errors = _run(capsys, *argv)
    assert (code, errors) == (0, [])
    with (out / "nodules.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    content = json.loads((out / "nodules.json").read_text(encoding="utf-8"))
    pictures = sorted(out.glob("nodule_*.png"))
    assert len(rows) == len(content["nodules"]) == content["num_shown"] == len(pictures) > 0
    expected = [item.probability for item in prediction.candidates]
    assert [float(row["probability"]) for row in rows] == pytest.approx(expected, abs=1e-6)
    assert [item["probability"] for item in content["nodules"]] == pytest.approx(expected, abs=1e-6)
    assert content["model"]["version"] == prediction.model.version
    assert content["threshold"] == 0.0
    labels = read_metaimage(out / "mask.mhd")
    assert labels.geometry.shape_zyx == prediction.original.shape_zyx
    assert set(np.unique(labels.voxels_zyx)) <= set(range(len(rows) + 1))
    assert RESEARCH_USE in printed
    assert "Lung search failed" in printed  # a chest this small is none; the warning is shown


def test_the_command_says_when_nothing_is_over_the_threshold(folder: Path, tmp_path: Path, capsys):
    argv = [folder / "scan.mhd", "--model", folder / "model.pth", "--out", tmp_path, "--device", "cpu"]
    code, printed, _ = _run(capsys, *argv, "--threshold", "1")
    assert code == 0
    assert "No candidate over the threshold of 1.00." in printed
    assert "more candidates under the threshold" in printed
    assert list(tmp_path.glob("*.png")) == []
    assert not read_metaimage(tmp_path / "mask.mhd").voxels_zyx.any()
    assert (tmp_path / "nodules.csv").read_text(encoding="utf-8").count("\n") > 1


def test_the_summary_lists_what_is_shown(prediction: Prediction, tmp_path: Path):
    second = prediction.candidates[1].probability
    text = summary(replace(prediction, threshold=second), tmp_path, [])
    x, y, z = prediction.candidates[0].center_xyz_mm
    assert f"{x:10.1f}{y:10.1f}{z:10.1f}" in text
    assert f"{len(prediction.candidates) - 2} more candidates" in text


def test_the_summary_says_what_the_models_own_threshold_means(prediction: Prediction, tmp_path: Path):
    point = {"threshold": 0.31, "fp_per_scan": 0.75, "sensitivity": 0.8, "interval": [0.3755, 0.9638]}
    pooled = {"num_scans": 4, "num_nodules": 5, "display_threshold": 0.31, "operating_points": [point]}
    metadata = {"display_threshold": 0.31, "validation_pooled": pooled}
    read = replace(prediction, model=replace(prediction.model, metadata=metadata))
    meaning = "Display threshold 0.31: in validation 0.75 false marks per scan, sensitivity 0.80 (95 % interval"
    assert meaning in summary(replace(read, threshold=0.31), tmp_path, [])
    assert meaning not in summary(replace(read, threshold=0.4), tmp_path, [])
    assert "threshold 0.31" not in summary(replace(prediction, threshold=0.31), tmp_path, [])


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"SCAN": "missing.mhd"}, 2),
        ({"--model": "missing.pth"}, 2),
        ({"--threshold": "1.5"}, 2),
        ({"--threshold": "-0.1"}, 2),
        ({"--threshold": "nan"}, 2),
        ({"--threshold": "much"}, 2),
        ({"--device": "tpu"}, 2),
        ({"SCAN": "model.pth"}, 1),
        ({"--model": "scan.mhd"}, 1),
        ({"--model": "unsigned.pth"}, 1),
    ],
)
def test_wrong_inputs_end_with_their_code_and_one_line(folder: Path, tmp_path: Path, capsys, changes, expected):
    (folder / "unsigned.pth").write_bytes((folder / "model.pth").read_bytes())
    files = {"SCAN": "scan.mhd", "--model": "model.pth", **changes}
    argv = [folder / files.pop("SCAN"), "--model", folder / files.pop("--model"), "--out", tmp_path / "out"]
    rest = [part for option in files.items() for part in option]
    code, printed, errors = _run(capsys, *argv, *rest)
    assert code == expected
    assert printed == ""
    assert len(errors) == 1
    assert not (tmp_path / "out").exists()
