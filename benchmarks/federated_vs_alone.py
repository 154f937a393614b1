"""Does federating pay? The federated model and each hospital alone, on held-out scans of all hospitals.

Every model is trained by the command that a user would type: five rounds, the same number of local steps for the
hospital that trains alone (a federation of one). Phantom hospitals differ in scanner and in kinds of nodules.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import torch

from benchmarks.tables import ROOT, machine, table
from fedlung.detection.training_scan import TrainingScan, open_training_scans
from fedlung.evaluation.bootstrap import bootstrap_froc
from fedlung.evaluation.validation import judge, validate
from fedlung.imaging.hospital_folder import hospital_folders, read_hospital
from fedlung.stores.checkpoints import load_checkpoint
from train_simple_model import ARCHITECTURE, build_network

ROUNDS = 5
SCANS = 8
HELD_OUT_SCANS = 6


def run(work: Path) -> str:
    """Train all models and return the table."""
    train, held_out = _phantoms(work / "train", SCANS, 0), _phantoms(work / "held_out", HELD_OUT_SCANS, 1)
    names = [folder.name for folder in hospital_folders(train)]
    together = {"federated": names, **{f"{name} alone": [name] for name in names}}
    for name, hospitals in together.items():
        _federate(work, name, hospitals)
    by_hospital = {
        folder.name: open_training_scans(read_hospital(folder), work / "cache", print)
        for folder in hospital_folders(held_out)
    }
    rows = [_row(work, name, by_hospital) for name in together]
    header = ("trained", "CPM, all hospitals' held-out scans", *(f"CPM, {name}" for name in names))
    scans = sum(map(len, by_hospital.values()))
    nodules = sum(len(item.findings) for items in by_hospital.values() for item in items)
    note = (
        f"{scans} held-out phantom scans with {nodules} nodules; 95 % intervals over 1000 resamples of scans; "
        f"{ROUNDS} rounds of one local epoch, {SCANS} scans per hospital."
        f"\n\nMachine: {machine()}."
    )
    return f"{table(header, rows)}\n\n{note}"


def _phantoms(folder: Path, scans: int, seed: int) -> Path:
    if not folder.is_dir():
        partial = folder.with_suffix(".partial")
        _command("-m", "fedlung.imaging.phantom", "--out", partial, "--scans", scans, "--seed", seed, "--hospitals", 3)
        partial.rename(folder)
    return folder


def _federate(work: Path, name: str, hospitals: Sequence[str]) -> None:
    _command(
        *("federated_training.py", "--data", work / "train", "--rounds", ROUNDS, "--out", _model(work, name)),
        *("--hospitals", ",".join(hospitals), "--runs", work / "runs", "--cache", work / "cache"),
    )


def _model(work: Path, name: str) -> Path:
    return work / f"{name.replace(' ', '_')}.pth"


def _command(*arguments: object) -> None:
    subprocess.run([sys.executable, *map(str, arguments)], cwd=ROOT, check=True)


def _row(work: Path, name: str, by_hospital: dict[str, list[TrainingScan]]) -> list[str]:
    checkpoint = load_checkpoint(_model(work, name), expected_architecture=ARCHITECTURE)
    network = build_network(checkpoint.weights, torch.device("cpu")).eval()
    found = {
        hospital: validate(network, scans, device=torch.device("cpu")).marks for hospital, scans in by_hospital.items()
    }
    everything = [scan for scans in by_hospital.values() for scan in scans]
    together = judge(everything, [mark for marks in found.values() for mark in marks])
    interval = bootstrap_froc(together).cpm
    cells = [name, f"**{together.cpm:.3f}** ({interval.lower:.3f}-{interval.upper:.3f})"]
    for hospital, scans in by_hospital.items():
        result = judge(scans, found[hospital])
        own = bootstrap_froc(result).cpm
        cells.append(f"{result.cpm:.3f} ({own.lower:.3f}-{own.upper:.3f})")
    return cells
