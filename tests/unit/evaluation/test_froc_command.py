"""The command ``python -m fedlung.evaluation.froc``: table, files, exit codes."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fedlung.evaluation.bootstrap import bootstrap_froc
from fedlung.evaluation.froc import evaluate_froc, main
from fedlung.evaluation.marks import read_marks, read_series_uids
from fedlung.imaging.annotations import read_findings

REPOSITORY = Path(__file__).resolve().parents[3]
TABLES = {
    "annotations": "seriesuid,coordX,coordY,coordZ,diameter_mm\n007,0,0,0,10\nb,0,0,0,10\nb,90,0,0,10\nx,0,0,0,10\n",
    "excluded": "seriesuid,coordX,coordY,coordZ,diameter_mm\n007,50,0,0,-1\n",
    "seriesuids": "007\nb\nc\n",
    "results": (
        "seriesuid,coordX,coordY,coordZ,probability,diameter_mm\n"
        "007,1,0,0,0.9,8\n007,50,1,0,0.8,8\nb,1,1,0,0.4,8\nb,-70,0,0,0.6,8\nc,0,0,0,0.3,8\n"
    ),
}


@pytest.fixture
def arguments(tmp_path: Path) -> list[str]:
    """Every required argument, with its table written."""
    pairs: list[str] = []
    for name, text in TABLES.items():
        path = tmp_path / f"{name}.csv"
        path.write_text(text)
        pairs += [f"--{name}", str(path)]
    return pairs


def paths(arguments: list[str]) -> list[Path]:
    return [Path(text) for text in arguments[1::2]]


def test_table_shows_what_the_functions_return(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*arguments, "--bootstrap", "50", "--seed", "7"]) == 0
    lines = capsys.readouterr().out.splitlines()

    annotations, excluded, uids, marks = paths(arguments)
    result = evaluate_froc(
        read_findings(annotations), read_findings(excluded, excluded=True), read_series_uids(uids), read_marks(marks)
    )
    interval = bootstrap_froc(result, 50, seed=7)
    rows = [line.replace(" -", " ").split() for line in lines[1:9]]
    assert [row[0] for row in rows] == ["1/8", "1/4", "1/2", "1", "2", "4", "8", "CPM"]
    values = [*result.operating_points.values(), result.cpm]
    intervals = [*interval.operating_points.values(), interval.cpm]
    expected = [[value, item.lower, item.upper] for value, item in zip(values, intervals, strict=True)]
    np.testing.assert_allclose(np.array([row[1:] for row in rows], dtype=float), expected, atol=5e-7)
    assert len({len(line) for line in lines[:9]}) == 1  # aligned
    assert lines[9] == "3 scans, 3 nodules, 2 with a mark, 2 false positives"
    assert "1 on excluded findings" in lines[10]
    assert lines[11] == "nodules ignored: 1 in scans not listed"


def test_files_in_a_new_folder(arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "new" / "folder"
    assert main([*arguments, "--bootstrap", "20", "--out", str(out)]) == 0
    assert sorted(path.name for path in out.iterdir()) == ["froc.csv", "froc.json", "froc.png"]
    content = json.loads((out / "froc.json").read_text())
    with (out / "froc.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["fps_per_scan"]) for row in rows] == content["curve"]["fps_per_scan"]
    assert [float(row["sensitivity"]) for row in rows] == content["curve"]["sensitivity"]
    assert [float(row["threshold"]) for row in rows][1:] == content["curve"]["thresholds"][1:]
    assert content["bootstrap"]["num_samples"] == 20
    assert f"{content['cpm']:.6f}" in capsys.readouterr().out


def test_picture_shows_the_band(arguments: list[str], tmp_path: Path) -> None:
    with_band, without = tmp_path / "band", tmp_path / "plain"
    assert main([*arguments, "--bootstrap", "20", "--out", str(with_band)]) == 0
    assert main([*arguments, "--bootstrap", "0", "--out", str(without)]) == 0
    line_blue, point_orange = np.array([0x1F, 0x77, 0xB4]), np.array([0xFF, 0x7F, 0x0E])
    band_blue = 255 + (line_blue - 255) * 0.2  # the line's blue, at an opacity of 0.2 on white
    for folder, has_band in ((with_band, True), (without, False)):
        with Image.open(folder / "froc.png") as picture:
            pixels = np.asarray(picture.convert("RGB")).astype(float)
        for colour, expected in ((line_blue, True), (point_orange, True), (band_blue, has_band)):
            num_pixels = (abs(pixels - colour).max(axis=2) <= 1).sum()
            assert (num_pixels > 100) == expected


def test_without_bootstrap_there_is_no_interval(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*arguments, "--bootstrap", "0"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [len(line.split()) for line in lines[1:9]] == [2] * 8


def test_old_files_are_replaced_and_nothing_is_left(arguments: list[str], tmp_path: Path) -> None:
    for name in ("froc.json", "froc.csv", "froc.png"):
        (tmp_path / "out").mkdir(exist_ok=True)
        (tmp_path / "out" / name).write_text("old")
    assert main([*arguments, "--bootstrap", "0", "--out", str(tmp_path / "out")]) == 0
    assert len(list((tmp_path / "out").iterdir())) == 3
    assert json.loads((tmp_path / "out" / "froc.json").read_text())["bootstrap"] is None


@pytest.mark.parametrize("name", ["annotations", "excluded", "seriesuids", "results"])
def test_missing_file_is_a_wrong_argument(
    arguments: list[str], tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / f"{name}.csv").unlink()
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.err == f"--{name}: {tmp_path / name}.csv is not a file\n"
    assert captured.out == ""


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (["--bootstrap", "-1"], "--bootstrap must be 0 or more, got -1"),
        (["--seed", "-5"], "--seed must be 0 or more, got -5"),
        (["--out", __file__], "is not a folder"),
    ],
)
def test_argument_out_of_range(
    arguments: list[str], extra: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*arguments, *extra]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("annotations", "seriesuid,coordX\n", "column coordY is missing"),
        ("excluded", TABLES["excluded"] + "a,b,0,0,5\n", "line 3: coordX must be a number"),
        ("seriesuids", "\n", "lists no scan"),
        ("seriesuids", "7\n", "holds no nodule of a scan listed in"),
        ("results", TABLES["results"] + "b,0,0,0,high,1\n", "line 7: probability must be a finite number, got 'high'"),
    ],
)
def test_bad_content_fails_in_one_line(
    arguments: list[str], tmp_path: Path, name: str, text: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / f"{name}.csv").write_text(text)
    assert main([*arguments, "--out", str(tmp_path / "out")]) == 1
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.err.count("\n") == 1
    assert captured.out == ""
    assert not (tmp_path / "out").exists()


def test_runs_as_a_module(arguments: list[str]) -> None:
    command = [sys.executable, "-W", "error", "-m", "fedlung.evaluation.froc"]

    def run(*given: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*command, *given], cwd=REPOSITORY, capture_output=True, text=True, check=False)

    done = run(*arguments, "--bootstrap", "5")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("FP/scan")
    missing = run(*arguments[2:])
    assert missing.returncode == 2
    assert "--annotations" in missing.stderr
