"""Seconds for a LUNA16-sized evaluation and its bootstrap.

888 scans, about 1200 nodules, 35,000 excluded findings and 88,000 marks at random places of a chest.
"""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from benchmarks.tables import machine, table
from fedlung.evaluation.bootstrap import bootstrap_froc
from fedlung.evaluation.froc import evaluate_froc
from fedlung.evaluation.marks import Mark
from fedlung.imaging.annotations import UNKNOWN_DIAMETER_MM, Finding

NUM_SCANS, NUM_NODULES, NUM_EXCLUDED, NUM_MARKS = 888, 1_200, 35_000, 88_000
CHEST_XYZ_MM = (300.0, 250.0, 300.0)


def _findings(generator: np.random.Generator, count: int, diameters_mm: np.ndarray) -> list[Finding]:
    scans = generator.integers(NUM_SCANS, size=count)
    centers = generator.uniform((0, 0, 0), CHEST_XYZ_MM, (count, 3))
    return [
        Finding(f"scan{scan:04d}", (x, y, z), diameter)
        for scan, (x, y, z), diameter in zip(scans, centers.tolist(), diameters_mm.tolist(), strict=True)
    ]


def _marks(generator: np.random.Generator, nodules: list[Finding]) -> list[Mark]:
    """Nine nodules of ten marked near the centre with a high score, the rest anywhere with a low one."""
    near = [nodule for nodule in nodules if generator.random() < 0.9]
    shifts = generator.normal(0.0, 1.0, (len(near), 3))
    scores = generator.beta(4, 2, len(near))
    found = [
        Mark(nodule.series_uid, tuple((np.array(nodule.center_xyz_mm) + shift).tolist()), score)
        for nodule, shift, score in zip(near, shifts, scores.tolist(), strict=True)
    ]
    elsewhere = _findings(generator, NUM_MARKS - len(near), generator.beta(1, 12, NUM_MARKS - len(near)))
    return found + [Mark(item.series_uid, item.center_xyz_mm, item.diameter_mm) for item in elsewhere]


def run(work: Path) -> str:
    """Time one evaluation and one bootstrap."""
    generator = np.random.default_rng(0)
    nodules = _findings(generator, NUM_NODULES, generator.uniform(3.0, 30.0, NUM_NODULES))
    excluded = _findings(generator, NUM_EXCLUDED, np.full(NUM_EXCLUDED, UNKNOWN_DIAMETER_MM))
    marks = _marks(generator, nodules)
    series_uids = [f"scan{scan:04d}" for scan in range(NUM_SCANS)]

    start = time.perf_counter()
    result = evaluate_froc(nodules, excluded, series_uids, marks)
    evaluated = time.perf_counter()
    bootstrap_froc(result)
    finished = time.perf_counter()
    rows = [
        ("evaluation of 888 scans, 88,000 marks", f"{evaluated - start:.2f}"),
        ("1000 bootstraps", f"{finished - evaluated:.2f}"),
    ]
    return f"{table(('step', 'seconds'), rows)}\n\nMachine: {machine()}."
