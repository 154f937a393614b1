"""How the real data is trained on: one recipe for the validation and for the shipped model."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.tables import ROOT
from fedlung.imaging.hospital_folder import HospitalFolder, hospital_folders, read_hospital

ROUNDS = 12
STEPS_PER_ROUND = 64
BATCH = 8
MINED_SCANS = 1
WARM_UP_ROUNDS = 1
SEED = 0


def as_json() -> dict[str, int]:
    """The recipe for a model card; everything else is the commands' default."""
    return {
        "rounds": ROUNDS,
        "steps_per_round": STEPS_PER_ROUND,
        "batch": BATCH,
        "mined_scans": MINED_SCANS,
        "warmup_rounds": WARM_UP_ROUNDS,
    }


def federate(data: Path, model: Path, work: Path) -> None:
    """All hospitals of ``data`` together: ``ROUNDS`` rounds of about ``STEPS_PER_ROUND`` steps in each hospital."""
    rounds = ("--rounds", ROUNDS, "--warmup-rounds", WARM_UP_ROUNDS, "--runs", work / "runs")
    command("federated_training.py", "--data", data, "--out", model, *rounds, *_options(data, work, share=1))


def pool(data: Path, model: Path, work: Path) -> None:
    """The scans of all hospitals in one place: as many steps in all as the federation takes."""
    hospitals = len(hospital_folders(data))
    command(
        *("train_simple_model.py", "--data", data, "--out", model, "--epochs", ROUNDS),
        *_options(data, work, share=hospitals),
    )


def alone(hospital: Path, model: Path, work: Path) -> None:
    """One hospital by itself: as many steps as it takes in the federation."""
    command(
        *("train_simple_model.py", "--data", hospital, "--out", model, "--epochs", ROUNDS),
        *_options(hospital, work, share=1),
    )


def _options(data: Path, work: Path, share: int) -> Sequence[object]:
    pieces = sum(_pieces(read_hospital(folder)) for folder in hospital_folders(data)) / len(hospital_folders(data))
    patches = max(1, round(STEPS_PER_ROUND * BATCH / pieces))
    # Pooled, an epoch goes over the pieces of all hospitals: `share` times as many steps, as many patches of each.
    mined = MINED_SCANS * share
    return (
        *("--seed", SEED, "--batch", BATCH, "--patches-per-scan", patches, "--mined-scans", mined),
        *("--cache", work / "cache"),
    )


def _pieces(hospital: HospitalFolder) -> int:
    return len(hospital.scans) + len(hospital.cubes)


def command(*arguments: object) -> None:
    """Run one of our commands, as a user would."""
    subprocess.run([sys.executable, *map(str, arguments)], cwd=ROOT, check=True)
