"""Three-fold validation on the real data, by patient: local-only against federated against pooled.

    python -m benchmarks real_validation          (hours on two cores; what was trained is kept and not trained again)

Each fold leaves out one of the three full scans and a third of the patients behind the nodule cubes, trains on the
rest, and reads what was left out. A false mark is one on a left-out full scan, by LUNA16's rules; a nodule is one in
a left-out scan or cube. Cubes hold no lung to be wrong about, so they only count nodules.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import real_recipe
from benchmarks.real_hospitals import HOSPITALS, REAL_CT, lay_out, read_cubes
from benchmarks.real_reading import Reading, read_left_out
from benchmarks.tables import machine, table
from train_simple_model import load_model

FOLDS = 3
RATES = (1.0, 2.0, 4.0, 8.0)
RESAMPLES = 1000
FEDERATED = "federated"
DISPLAYED_RATE = 1.0
"""False marks per scan at the display threshold of the shipped model."""


def run(work: Path) -> str:
    """Train what is missing, read, and return the tables."""
    if not REAL_CT.is_dir():
        return f"Not run: the real CT data is not on this machine ({REAL_CT.name} is absent)."
    ways = [_ways(work, fold) for fold in range(FOLDS)]
    readings = {name: [_reading(work, fold, name, ways[fold][name]) for fold in range(FOLDS)] for name in ways[0]}
    rows = [_row(name, found) for name, found in readings.items()]
    header = (
        "trained",
        *(f"sensitivity at {rate:g} FP/scan" for rate in RATES),
        "left-out scans' nodules found at 1, 8",
    )
    nodules = _nodule_table(readings[FEDERATED])
    return f"{table(header, rows)}\n\n{_note(readings[FEDERATED])}\n\n{nodules}\n\nMachine: {machine()}."


def federated_summary(work: Path) -> dict[str, Any]:
    """What the shipped model's card says about the validation of its recipe; trains and reads what is missing."""
    readings = federated_readings(work)
    nodules = [nodule for reading in readings for nodule in reading.nodules]
    return {
        "display_threshold": round(threshold_at(readings, DISPLAYED_RATE), 4),
        "false_marks_per_scan_at_threshold": DISPLAYED_RATE,
        "sensitivity_at_fp_per_scan": {
            f"{rate:g}": [sensitivity(readings, rate), *interval(readings, rate)] for rate in RATES
        },
        "operating_points": [
            {
                "threshold": round(threshold_at(readings, rate), 4),
                "fp_per_scan": rate,
                "sensitivity": round(sensitivity(readings, rate), 3),
                "num_scans": len(readings),
            }
            for rate in RATES
        ],
        "num_scans": len(readings),
        "num_nodules": len(nodules),
        "num_nodules_in_scans": sum(nodule.whole for nodule in nodules),
        "folds": FOLDS,
    }


def federated_readings(work: Path) -> list[Reading]:
    """What the federated model of each fold found in what it left out; trains and reads what is missing."""
    return [_reading(work, fold, FEDERATED, _ways(work, fold)[FEDERATED]) for fold in range(FOLDS)]


def _ways(work: Path, fold: int) -> dict[str, Callable[[Path], None]]:
    data = lay_out(work / f"fold_{fold}" / "hospitals", leave_out=patients_of(fold))
    ways: dict[str, Callable[[Path], None]] = {
        FEDERATED: partial(real_recipe.federate, data, work=work),
        "pooled": partial(real_recipe.pool, data, work=work),
    }
    for number in range(1, HOSPITALS + 1):
        name = f"hospital_{number}"
        ways[f"{name} alone"] = partial(real_recipe.alone, data / name, work=work)
    return ways


def scan_patients() -> list[str]:
    """Patients with a full scan, sorted."""
    return sorted(path.parent.name for path in (REAL_CT / "scans").glob("*/*.mhd"))


def patients_of(fold: int) -> list[str]:
    """Patients that fold ``fold`` leaves out: one with a full scan, and every third of the others."""
    scans = scan_patients()
    others = sorted({cube.patient for cube in read_cubes()} - set(scans))
    return [scans[fold], *others[fold::FOLDS]]


def _reading(work: Path, fold: int, name: str, train: Callable[[Path], None]) -> Reading:
    """Train and read what is not there yet; both take minutes."""
    model = work / f"fold_{fold}" / f"{name.replace(' ', '_')}.pth"
    if not model.is_file():
        train(model)
    kept = model.with_suffix(".json")
    if not kept.is_file():
        everybody = lay_out(work / "everybody")
        reading = read_left_out(load_model(model).weights, everybody, patients_of(fold), work / "cache")
        kept.write_text(json.dumps(asdict(reading)))
    return Reading.from_json(json.loads(kept.read_text()))


# --- numbers ---------------------------------------------------------------------------------------------


def threshold_at(readings: Sequence[Reading], rate: float) -> float:
    """Lowest probability at which at most ``rate`` false marks a scan are over it, all folds together."""
    false = sorted((mark for reading in readings for mark in reading.false_marks), reverse=True)
    allowed = int(rate * len(readings))
    return false[allowed] if len(false) > allowed else 0.0


def sensitivity(readings: Sequence[Reading], rate: float) -> float:
    """Share of the nodules with a probability over `threshold_at` the rate."""
    found = np.array([nodule.probability for reading in readings for nodule in reading.nodules])
    return float((found > threshold_at(readings, rate)).mean())


def interval(readings: Sequence[Reading], rate: float) -> tuple[float, float]:
    """95 % of resamples of patients, at the threshold of all scans: three scans are too few to resample."""
    threshold = threshold_at(readings, rate)
    by_patient: dict[str, list[bool]] = {}
    for reading in readings:
        for nodule in reading.nodules:
            by_patient.setdefault(nodule.patient, []).append(nodule.probability > threshold)
    hits: NDArray[np.int64] = np.array([sum(found) for found in by_patient.values()])
    totals: NDArray[np.int64] = np.array([len(found) for found in by_patient.values()])
    drawn = np.random.default_rng(0).integers(len(hits), size=(RESAMPLES, len(hits)))
    shares = np.sort(hits[drawn].sum(axis=1) / totals[drawn].sum(axis=1))
    return float(shares[int(0.025 * RESAMPLES)]), float(shares[int(0.975 * RESAMPLES)])


# --- text ------------------------------------------------------------------------------------------------


def _row(name: str, readings: Sequence[Reading]) -> list[str]:
    cells = [name]
    for rate in RATES:
        low, high = interval(readings, rate)
        cells.append(f"{sensitivity(readings, rate):.3f} ({low:.3f}-{high:.3f})")
    in_scans = [nodule for reading in readings for nodule in reading.nodules if nodule.whole]
    found = (sum(nodule.probability > threshold_at(readings, rate) for nodule in in_scans) for rate in (1.0, 8.0))
    return [*cells, ", ".join(f"{count} of {len(in_scans)}" for count in found)]


def _nodule_table(readings: Sequence[Reading]) -> str:
    header = ("left-out scan", "diameter, mm", "probability", "nearest mark, mm from the centre", "found at FP/scan")
    rows = []
    for reading in readings:
        for nodule in reading.nodules:
            if nodule.whole:
                rates = [f"{rate:g}" for rate in RATES if nodule.probability > threshold_at(readings, rate)]
                distance = "" if nodule.distance_mm is None else f"{nodule.distance_mm:.1f}"
                cells = (f"{nodule.diameter_mm:.1f}", f"{nodule.probability:.2f}", distance)
                rows.append((nodule.patient, *cells, f"from {rates[0]}" if rates else "not up to 8"))
    return table(header, rows)


def _note(readings: Sequence[Reading]) -> str:
    nodules = [nodule for reading in readings for nodule in reading.nodules]
    whole = sum(nodule.whole for nodule in nodules)
    return (
        f"{FOLDS} folds by patient; {len(nodules)} nodules, {whole} of them in the {len(readings)} left-out full scans "
        f"and {len(nodules) - whole} in left-out cubes of 51 mm; false marks are counted on the {len(readings)} full "
        "scans only, which is very few: a single scan's vessels decide the thresholds. 95 % intervals over "
        f"{RESAMPLES} resamples of patients, at fixed thresholds. The second table is the federated model's."
    )
