"""Reading left-out patients with one model: which nodules it found, and what it took for one wrongly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.real_hospitals import REAL_CT
from fedlung.detection.candidates import Candidate, find_candidates
from fedlung.detection.sliding_window import Network, read_scan
from fedlung.detection.training_scan import TrainingScan, open_training_cubes, open_training_scans
from fedlung.evaluation.luna16 import Matching, NoduleDetection, match_marks
from fedlung.evaluation.validation import as_marks
from fedlung.imaging.hospital_folder import hospital_folders, read_hospital
from train_simple_model import build_network

CPU = torch.device("cpu")


@dataclass(frozen=True)
class FoundNodule:
    """A left-out nodule and its best mark.

    Attributes:
        diameter_mm: as annotated: LUNA16's in a full scan, of the ball of equal volume in a cube.
        probability: 0 without a mark.
        distance_mm, measured_mm: of the mark: from the annotated centre, and its diameter; None without a mark.
        whole: in a full scan.
    """

    patient: str
    diameter_mm: float
    probability: float
    distance_mm: float | None
    measured_mm: float | None
    whole: bool


@dataclass(frozen=True)
class Reading:
    """All left-out nodules, and the probabilities of the false marks on the one left-out full scan."""

    nodules: tuple[FoundNodule, ...]
    false_marks: tuple[float, ...]

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Reading:
        return cls(tuple(FoundNodule(**nodule) for nodule in values["nodules"]), tuple(values["false_marks"]))


def read_left_out(weights: Mapping[str, np.ndarray], everybody: Path, patients: Sequence[str], cache: Path) -> Reading:
    """Read the scans and cubes of ``patients`` in the layout ``everybody`` (see `real_hospitals.lay_out`)."""
    network = build_network(weights, CPU).eval()
    nodules: list[FoundNodule] = []
    false_marks: list[float] = []
    scan_of = {path.stem: path.parent.name for path in (REAL_CT / "scans").glob("*/*.mhd")}
    for folder in hospital_folders(everybody):
        hospital = read_hospital(folder)
        for item in (*open_training_scans(hospital, cache, print), *open_training_cubes(hospital, print)):
            uid = item.scan.series_uid
            patient = scan_of.get(uid, uid.removeprefix("cube-"))
            if patient in patients:
                matching, marks = _read(network, item)
                nodules += [_nodule(patient, hit, marks, whole=item.whole) for hit in matching.detections]
                if item.whole:
                    entries = matching.entries
                    false_marks += entries.probability[~entries.is_nodule].tolist()
    return Reading(tuple(nodules), tuple(false_marks))


def _read(network: Network, item: TrainingScan) -> tuple[Matching, list[Candidate]]:
    candidates = find_candidates(read_scan(network, item.scan, device=CPU), item.scan)
    marks = as_marks(item.scan.series_uid, candidates)
    return match_marks(item.findings, item.excluded, [item.scan.series_uid], marks), candidates


def _nodule(patient: str, hit: NoduleDetection, marks: Sequence[Candidate], *, whole: bool) -> FoundNodule:
    measured_mm = _mark_of(hit, marks).diameter_mm if hit.probability is not None else None
    return FoundNodule(
        patient, hit.finding.diameter_mm, hit.probability or 0.0, hit.distance_mm, measured_mm, whole=whole
    )


def _mark_of(hit: NoduleDetection, marks: Sequence[Candidate]) -> Candidate:
    """The mark whose probability and distance the evaluation tells."""
    center = np.asarray(hit.finding.center_xyz_mm)
    same = (mark for mark in marks if mark.probability == hit.probability)
    return min(same, key=lambda mark: abs(np.linalg.norm(center - mark.center_xyz_mm) - (hit.distance_mm or 0.0)))
