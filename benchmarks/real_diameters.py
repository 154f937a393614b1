"""How far the measured diameters of left-out nodules are from the annotated ones.

    python -m benchmarks real_diameters          (a minute, where the models of ``real_validation`` are there)

Reads the same nodules as `benchmarks.real_validation` does, with the federated model of each fold. Nodules without a
mark have no measured diameter and are counted beside the table.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.real_hospitals import REAL_CT
from benchmarks.real_reading import FoundNodule
from benchmarks.real_validation import federated_readings
from benchmarks.tables import ROOT, machine, table
from fedlung.detection.categories import category_of
from fedlung.detection.diameter_agreement import CLASSES_MM, is_of_class

READINGS = ROOT / "build" / "bench" / "real_validation"
NORMAL_95 = 1.96
RESAMPLES = 1000
REFERENCE = (
    "in cubes of the ball of one reader's outlined volume, in full scans LUNA16's mean of the readers' diameters"
)


@dataclass(frozen=True)
class Pair:
    """One found nodule, mm."""

    patient: str
    annotated_mm: float
    measured_mm: float

    @property
    def difference_mm(self) -> float:
        """More than 0: measured too large."""
        return self.measured_mm - self.annotated_mm

    @property
    def changes_category(self) -> bool:
        return category_of(self.measured_mm) != category_of(self.annotated_mm)


@dataclass(frozen=True)
class Agreement:
    """Of the pairs of one size class.

    Attributes:
        bounds_mm: from, below.
        bias_mm: mean difference, measured less annotated; NaN of no pair.
        bias_interval_mm: 95 % over resamples of patients.
        limits_mm: of agreement, 95 %; NaN of fewer than two pairs.
        changed: share with another size category than the annotated diameter has.
    """

    bounds_mm: tuple[float, float]
    num_nodules: int
    num_patients: int
    bias_mm: float
    bias_interval_mm: tuple[float, float]
    limits_mm: tuple[float, float]
    changed: float


def run(work: Path) -> str:
    """Two tables: by measured diameter, which is what a reader knows, and by annotated diameter."""
    if not REAL_CT.is_dir():
        return f"Not run: the real CT data is not on this machine ({REAL_CT.name} is absent)."
    nodules = _nodules()
    found = pairs(nodules)
    by_measured = _table("measured, mm", by_class(found, [pair.measured_mm for pair in found]))
    by_annotated = _table("annotated, mm", by_class(found, [pair.annotated_mm for pair in found]))
    return f"{by_measured}\n\n{by_annotated}\n\n{_note(nodules, found)}\n\nMachine: {machine()}."


def for_card() -> dict[str, Any]:
    """``metrics.validation.diameter_agreement`` of the shipped model's card."""
    found = pairs(_nodules())
    classes = by_class(found, [pair.measured_mm for pair in found])
    return {"by": "measured diameter", "reference": REFERENCE, "bins": [_bin(one) for one in classes]}


def _nodules() -> list[FoundNodule]:
    return [nodule for reading in federated_readings(READINGS) for nodule in reading.nodules]


# --- numbers ---------------------------------------------------------------------------------------------


def pairs(nodules: Sequence[FoundNodule]) -> list[Pair]:
    """Of the nodules that have a mark."""
    return [
        Pair(nodule.patient, nodule.diameter_mm, nodule.measured_mm)
        for nodule in nodules
        if nodule.measured_mm is not None
    ]


def by_class(found: Sequence[Pair], sizes_mm: Sequence[float]) -> list[Agreement]:
    """The agreement of every size class; ``sizes_mm`` says which class each pair belongs to."""
    return [
        agreement(bounds, [pair for pair, size in zip(found, sizes_mm, strict=True) if is_of_class(size, bounds)])
        for bounds in CLASSES_MM
    ]


def agreement(bounds_mm: tuple[float, float], found: Sequence[Pair]) -> Agreement:
    """Bias and limits of agreement of ``found``, all taken as one class (Bland and Altman 1986)."""
    differences = np.array([pair.difference_mm for pair in found])
    bias = float(differences.mean()) if len(found) else math.nan
    spread = NORMAL_95 * float(differences.std(ddof=1)) if len(found) > 1 else math.nan
    changed = float(np.mean([pair.changes_category for pair in found])) if found else math.nan
    patients = len({pair.patient for pair in found})
    limits = (bias - spread, bias + spread)
    return Agreement(bounds_mm, len(found), patients, bias, bias_interval(found), limits, changed)


def bias_interval(found: Sequence[Pair]) -> tuple[float, float]:
    """95 % of the mean differences of resamples of patients, each with all its nodules; NaN of no pair."""
    if not found:
        return math.nan, math.nan
    by_patient: dict[str, list[float]] = {}
    for pair in found:
        by_patient.setdefault(pair.patient, []).append(pair.difference_mm)
    sums: NDArray[np.float64] = np.array([sum(values) for values in by_patient.values()])
    counts: NDArray[np.int64] = np.array([len(values) for values in by_patient.values()])
    drawn = np.random.default_rng(0).integers(len(sums), size=(RESAMPLES, len(sums)))
    means = np.sort(sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1))
    return float(means[int(0.025 * RESAMPLES)]), float(means[int(0.975 * RESAMPLES)])


# --- text ------------------------------------------------------------------------------------------------


def _bin(one: Agreement) -> dict[str, Any]:
    """For JSON, which knows neither NaN nor infinity: null."""

    def values(numbers: Sequence[float]) -> list[float | None]:
        return [round(number, 2) if math.isfinite(number) else None for number in numbers]

    return {
        "bounds_mm": values(one.bounds_mm),
        "num_nodules": one.num_nodules,
        "num_patients": one.num_patients,
        "bias_mm": values([one.bias_mm])[0],
        "bias_interval_mm": values(one.bias_interval_mm),
        "limits_of_agreement_mm": values(one.limits_mm),
    }


def _table(size: str, classes: Sequence[Agreement]) -> str:
    header = (size, "nodules", "patients", "bias, mm", "limits of agreement, mm", "another size category")
    return table(header, [_row(one) for one in classes])


def _row(one: Agreement) -> list[str]:
    low, high = one.bounds_mm
    name = f"{low:g} to below {high:g}" if math.isfinite(high) else f"from {low:g}"
    bias = f"{one.bias_mm:+.1f} ({one.bias_interval_mm[0]:+.1f} to {one.bias_interval_mm[1]:+.1f})"
    limits = f"{one.limits_mm[0]:+.1f} to {one.limits_mm[1]:+.1f}"
    return [name, str(one.num_nodules), str(one.num_patients), bias, limits, f"{one.changed:.0%}"]


def _note(nodules: Sequence[FoundNodule], found: Sequence[Pair]) -> str:
    whole = sum(nodule.whole for nodule in nodules if nodule.measured_mm is not None)
    differences = np.abs([pair.difference_mm for pair in found])
    lower = np.mean([category_of(pair.measured_mm).value < category_of(pair.annotated_mm).value for pair in found])
    changed = np.mean([pair.changes_category for pair in found])
    return (
        f"{len(found)} of {len(nodules)} left-out nodules have a mark, at any threshold. Measured less annotated "
        f"diameter: more than 0 is too large. Mean distance of the two {differences.mean():.1f} mm, median "
        f"{np.median(differences):.1f} mm; another size category (baseline, if solid) {changed:.0%}, a lower one "
        f"{lower:.0%}. Measured is the ball of equal volume. Annotated is, for the {len(found) - whole} nodules in "
        f"cubes, the ball of the volume of one reader's outline, and for the {whole} in full scans LUNA16's mean of "
        f"the readers' diameters. Bias with the 95 % interval over {RESAMPLES} resamples of patients; limits of "
        "agreement: 95 %, after Bland and Altman 1986."
    )
