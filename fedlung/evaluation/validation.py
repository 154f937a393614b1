"""Judging a network on prepared scans with a reference: FROC of its marks and Dice of their outlines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from fedlung.detection.candidates import Candidate, find_candidates
from fedlung.detection.sliding_window import Network, read_scan
from fedlung.detection.training_scan import TrainingScan
from fedlung.evaluation.curve import FrocResult
from fedlung.evaluation.froc import evaluate_froc
from fedlung.evaluation.marks import Mark
from fedlung.evaluation.outlines import outline_dices


@dataclass(frozen=True)
class ValidationResult:
    """Quality on a set of scans.

    Attributes:
        froc: by LUNA16's rules.
        marks: what was judged.
        dice: mean over the nodules, of what is drawn for their marks (see `outline_dices`); NaN without any.
    """

    froc: FrocResult
    marks: list[Mark]
    dice: float

    def to_metrics(self) -> dict[str, float]:
        """Plain numbers for logs and curves; NaN for a sensitivity where there is no nodule to find."""
        judged = self.froc.num_nodules > 0
        return {
            "cpm": self.froc.cpm if judged else float("nan"),
            "sensitivity_at_1_fp": self.froc.operating_points[1.0] if judged else float("nan"),
            "dice": self.dice,
            "num_scans": float(self.froc.num_scans),
            "num_nodules": float(self.froc.num_nodules),
        }


def validate(
    network: Network,
    scans: Sequence[TrainingScan],
    *,
    device: torch.device,
    should_stop: Callable[[], bool] = lambda: False,
) -> ValidationResult:
    """Read every scan whole and judge marks and outlines."""
    marks: list[Mark] = []
    dices: list[float] = []
    for item in scans:
        maps = read_scan(network, item.scan, device=device, should_stop=should_stop)
        candidates = find_candidates(maps, item.scan)
        marks += as_marks(item.scan.series_uid, candidates)
        dices += outline_dices(item.nodules, candidates, maps.mask, item.scan.geometry)
    return ValidationResult(judge(scans, marks), marks, float(np.mean(dices)) if dices else float("nan"))


def as_marks(series_uid: str, candidates: Sequence[Candidate]) -> list[Mark]:
    """Candidates as the evaluation reads them."""
    return [Mark(series_uid, candidate.center_xyz_mm, candidate.probability) for candidate in candidates]


def judge(scans: Sequence[TrainingScan], marks: Sequence[Mark]) -> FrocResult:
    """LUNA16's rules for ``marks`` against the references of ``scans``."""
    return evaluate_froc(
        [finding for item in scans for finding in item.findings],
        [finding for item in scans for finding in item.excluded],
        [item.scan.series_uid for item in scans],
        marks,
    )
