"""How the real data is trained on: one recipe for the validation and for the shipped model."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.tables import ROOT
from fedlung.imaging.hospital_folder import hospital_folders

ROUNDS = 12
PATCHES_PER_PIECE = 17
"""Of a full scan or a cube, in a round: each is seen as often whether a hospital has few or many."""
BATCH = 8
MINED_SCANS = 1
WARM_UP_ROUNDS = 1
SEED = 0


def as_json() -> dict[str, int]:
    """The recipe for a model card; everything else is the commands' default."""
    return {
        "rounds": ROUNDS,
        "patches_per_scan": PATCHES_PER_PIECE,
        "batch": BATCH,
        "mined_scans": MINED_SCANS,
        "warmup_rounds": WARM_UP_ROUNDS,
    }


def federate(data: Path, model: Path, work: Path) -> None:
    """All hospitals of ``data`` together: ``ROUNDS`` rounds of one pass over each hospital's pieces."""
    rounds = ("--rounds", ROUNDS, "--warmup-rounds", WARM_UP_ROUNDS, "--runs", work / "runs")
    command("federated_training.py", "--data", data, "--out", model, *rounds, *_options(work, hospitals=1))


def pool(data: Path, model: Path, work: Path) -> None:
    """The scans of all hospitals in one place: as many steps in all as the federation takes."""
    hospitals = len(hospital_folders(data))
    command(
        *("train_simple_model.py", "--data", data, "--out", model, "--epochs", ROUNDS),
        *_options(work, hospitals=hospitals),
    )


def alone(hospital: Path, model: Path, work: Path) -> None:
    """One hospital by itself: as many steps as it takes in the federation."""
    command(
        *("train_simple_model.py", "--data", hospital, "--out", model, "--epochs", ROUNDS),
        *_options(work, hospitals=1),
    )


def _options(work: Path, hospitals: int) -> Sequence[object]:
    # A pool of three hospitals mines the scans of three.
    return (
        *("--seed", SEED, "--batch", BATCH, "--patches-per-scan", PATCHES_PER_PIECE),
        *("--mined-scans", MINED_SCANS * hospitals, "--cache", work / "cache"),
    )


def command(*arguments: object) -> None:
    """Run one of our commands, as a user would."""
    subprocess.run([sys.executable, *map(str, arguments)], cwd=ROOT, check=True)
