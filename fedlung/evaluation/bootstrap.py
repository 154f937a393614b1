"""How far a FROC result would move with other scans: percentile intervals from resampled scans.

LUNA16's bootstrap: as many scans as there are, drawn with replacement, each with all its nodules and false
positives. With LUNA16's 888 scans the 95 % interval of the CPM is about +-0.03, with one tenth of them about
three times that: differences inside it say nothing about which detector is better.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from fedlung.errors import WrongArgument
from fedlung.evaluation.curve import OPERATING_POINTS_FPS, FrocResult, RankedEntries, count, rates, sensitivity_at
from fedlung.evaluation.luna16 import FloatArray, IntArray

BAND_POINTS = 10_000
TAIL_PER_MILLE = 25
"""2.5 % of the resamples lie below the lower end, as many above the upper one: 95 %."""


@dataclass(frozen=True)
class Interval:
    """95 % of the resamples, and their mean."""

    lower: float
    upper: float
    mean: float


@dataclass(frozen=True, eq=False)
class BootstrapInterval:
    """Intervals of a FROC result.

    Attributes:
        num_samples: resamples that were drawn.
        operating_points: interval of the sensitivity at each of ``OPERATING_POINTS_FPS``.
        cpm: interval of the mean over the operating points.
        band_fps_per_scan: (10000,), evenly spaced between the first and the last operating point.
        band_lower, band_upper, band_mean: (10000,), pointwise sensitivity of the resamples there.
    """

    num_samples: int
    operating_points: dict[float, Interval]
    cpm: Interval
    band_fps_per_scan: FloatArray
    band_lower: FloatArray
    band_upper: FloatArray
    band_mean: FloatArray

    def to_json(self) -> dict[str, Any]:
        """The intervals (not the band) as values that ``json`` writes."""
        return {
            "num_samples": self.num_samples,
            "cpm": asdict(self.cpm),
            "operating_points": {f"{fps:g}": asdict(item) for fps, item in self.operating_points.items()},
        }


def bootstrap_froc(result: FrocResult, num_samples: int = 1000, seed: int = 0) -> BootstrapInterval:
    """Percentile bootstrap over scans; the same seed gives the same intervals.

    A resample in which nothing was found has sensitivity 0. A resample without any nodule has no sensitivity
    and is drawn again (the original program fails on both).

    Raises:
        WrongArgument: ``num_samples`` is below 1.
    """
    if num_samples < 1:
        raise WrongArgument(f"num_samples must be 1 or more, got {num_samples}")
    generator = np.random.default_rng(seed)
    ranked = RankedEntries.of(result.entries)
    band_fps = np.linspace(OPERATING_POINTS_FPS[0], OPERATING_POINTS_FPS[-1], BAND_POINTS)
    # Single precision, as in the original: the band of 1000 resamples takes 40 MB, and is drawn, not compared.
    bands = np.empty((num_samples, BAND_POINTS), dtype=np.float32)
    points = np.empty((num_samples, len(OPERATING_POINTS_FPS)))
    for sample in range(num_samples):
        curve = rates(count(ranked, _draw(generator, ranked.nodules_per_scan)))
        bands[sample] = sensitivity_at(band_fps, *curve)
        # Not read from the band: between its points the curve may jump, exactly at an operating point.
        points[sample] = sensitivity_at(np.array(OPERATING_POINTS_FPS), *curve)
    lower, upper, mean = _summary(bands)
    return BootstrapInterval(
        num_samples=num_samples,
        operating_points=dict(zip(OPERATING_POINTS_FPS, _intervals(points), strict=True)),
        cpm=_intervals(points.mean(axis=1, keepdims=True))[0],
        band_fps_per_scan=band_fps,
        band_lower=lower,
        band_upper=upper,
        band_mean=mean,
    )


def _draw(generator: np.random.Generator, nodules_per_scan: IntArray) -> IntArray:
    """How often each scan is in the resample, (S,)."""
    num_scans = len(nodules_per_scan)
    while True:
        drawn = generator.integers(num_scans, size=num_scans)
        if nodules_per_scan[drawn].any() or not nodules_per_scan.any():
            return np.bincount(drawn, minlength=num_scans)


def _intervals(samples: FloatArray) -> list[Interval]:
    lower, upper, mean = _summary(samples)
    return [Interval(*numbers) for numbers in zip(lower.tolist(), upper.tolist(), mean.tolist(), strict=True)]


def _summary(samples: np.ndarray[Any, np.dtype[np.floating[Any]]]) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Per column: the sorted values number floor(0.025 n) and floor(0.975 n), and the mean.

    In whole numbers, because 0.975 * n in floating point can fall just below an integer.
    """
    lower = len(samples) * TAIL_PER_MILLE // 1000
    upper = len(samples) * (1000 - TAIL_PER_MILLE) // 1000
    ordered = np.partition(samples, (lower, upper), axis=0)
    return ordered[lower].astype(float), ordered[upper].astype(float), samples.mean(axis=0, dtype=float)
