"""The training command: what it prints and writes, and how it ends."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from fedlung.errors import WrongArgument
from fedlung.imaging.annotations import Finding, write_findings
from fedlung.imaging.geometry import Geometry
from fedlung.imaging.metaimage import write_metaimage
from fedlung.imaging.volume import CTVolume
from fedlung.stores.checkpoints import load_checkpoint
from train_simple_model import ARCHITECTURE, choose_device, main


@pytest.fixture
def hospital(tmp_path: Path) -> Path:
    """Two scans without lungs (read whole, with a warning), one of them with a nodule."""
    folder = tmp_path / "north"
    (folder / "scans").mkdir(parents=True)
    geometry = Geometry((20, 20, 20), (1.5, 1.5, 1.5), (-50.0, 20.0, 400.0))
    index = np.stack(np.meshgrid(*[np.arange(20)] * 3, indexing="ij"), axis=-1)
    voxels = np.where(np.linalg.norm(index - 9.0, axis=-1) <= 3, 300, 0).astype(np.int16)
    for uid in ("1.1", "1.2"):
        write_metaimage(folder / "scans" / f"{uid}.mhd", CTVolume(uid, voxels, geometry))
    x, y, z = geometry.index_to_world((9.0, 9.0, 9.0)).tolist()
    write_findings(folder / "annotations.csv", [Finding("1.1", (x, y, z), 9.0)])
    return folder


def test_the_command_trains_judges_and_goes_on_from_its_model(
    hospital: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(os, "cpu_count", lambda: 1)  # the command takes every core, which other tests may be using
    out, cache = hospital.parent / "local.pth", hospital.parent / "cache"
    small = ["--patch", "16", "--batch", "2", "--patches-per-scan", "2", "--device", "cpu", "--cache", str(cache)]
    argv = ["--data", str(hospital), "--epochs", "2", "--out", str(out), *small]
    assert main([*argv, "--val", str(hospital.parent)]) == 0
    printed = capsys.readouterr()
    epochs = [line for line in printed.out.splitlines() if line.startswith("epoch ")]
    assert len(epochs) == 2
    assert "val_cpm" not in epochs[0]
    assert "val_cpm" in epochs[1]
    assert "Lung search failed" in printed.err
    made = load_checkpoint(out, expected_architecture=ARCHITECTURE)
    assert made.metadata["epochs"] == 2
    assert main(argv) == 0
    assert (
        load_checkpoint(out, expected_architecture=ARCHITECTURE).sha256 == made.sha256
    )  # the same seed, the same model
    assert main([*argv, "--init", str(out), "--epochs", "1"]) == 0
    assert load_checkpoint(out, expected_architecture=ARCHITECTURE).sha256 != made.sha256


def test_a_model_that_cannot_be_read_ends_with_1(hospital: Path, capsys: pytest.CaptureFixture[str]):
    (hospital / "bad.pth").write_bytes(b"no model")
    argv = [
        "--data",
        str(hospital),
        "--epochs",
        "1",
        "--out",
        str(hospital / "model.pth"),
        "--init",
        str(hospital / "bad.pth"),
    ]
    assert main([*argv, "--cache", str(hospital.parent / "cache")]) == 1
    assert "bad.pth" in capsys.readouterr().err.splitlines()[-1]
    assert not (hospital / "model.pth").exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
def test_a_gpu_that_is_not_there_is_a_wrong_argument():
    with pytest.raises(WrongArgument, match="--device"):
        choose_device("cuda")
    assert choose_device("auto") == choose_device("cpu") == torch.device("cpu")


@pytest.mark.parametrize(
    "arguments",
    [
        ["--epochs", "0"],
        ["--patch", "20"],
        ["--val-every", "0"],
        ["--held-out", "0.6"],
        ["--data", "nowhere"],
        ["--val", "nowhere"],
        ["--epochs", "one"],
        ["--learning-rate", "-1"],
        ["--learning-rate", "nan"],
        ["--weight-decay", "-1"],
        ["--seed", "-1"],
        ["--seed", "99999999999"],
        ["--positive-share", "2"],
        ["--positive-share", "nan"],
        ["--out", "."],
    ],
)
def test_wrong_arguments_end_with_2_and_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments):
    argv = ["--data", str(tmp_path), "--epochs", "1", "--out", str(tmp_path / "model.pth"), *arguments]
    try:
        code = main(argv)
    except SystemExit as exit_:  # argparse
        code = int(exit_.code or 0)
    assert code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "Traceback" not in line
