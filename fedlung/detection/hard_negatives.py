"""Hard negatives: places that the present model takes for nodules and that are none.

Random lung is easy after an hour of training; what keeps a detector from being useful are the vessel branchings and
pleural bulges it still believes in. They are searched by each hospital in its own scans, anew in each round from
the weights that the server sent, and never leave it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from fedlung.detection.candidates import Candidate, find_candidates
from fedlung.detection.sliding_window import Network, read_scan
from fedlung.detection.training_scan import TrainingScan
from fedlung.imaging.annotations import Finding

MOST_PER_SCAN = 60
UNMEASURED_MM = 10.0
"""LUNA16's diameter for a finding without one."""
CLEARANCE_MM = 4.0
"""A mark this near to the surface of a finding may be its edge: not called wrong."""


@dataclass(frozen=True, eq=False)
class HardNegative:
    """A false mark: its scan, and its centre in voxels."""

    scan: TrainingScan
    center_zyx: NDArray[np.float64]


def find_hard_negatives(
    network: Network, scans: Sequence[TrainingScan], *, device: torch.device, should_stop: Callable[[], bool]
) -> list[HardNegative]:
    """Read the scans whole; the marks that are nobody's finding, best first per scan.

    Findings that LUNA16 excludes are left in peace, too: some reader saw something there.
    """
    found = []
    for item in scans:
        maps = read_scan(network, item.scan, device=device, should_stop=should_stop)
        known = (*item.findings, *item.excluded)
        wrong = [mark for mark in find_candidates(maps, item.scan) if not _near(mark, known)]
        for mark in wrong[:MOST_PER_SCAN]:
            found.append(HardNegative(item, item.scan.geometry.world_to_index(mark.center_xyz_mm)))
    return found


def _near(mark: Candidate, findings: Sequence[Finding]) -> bool:
    for finding in findings:
        diameter_mm = finding.diameter_mm if finding.diameter_mm > 0 else UNMEASURED_MM
        distance_mm = np.linalg.norm(np.subtract(mark.center_xyz_mm, finding.center_xyz_mm))
        if distance_mm <= diameter_mm / 2 + CLEARANCE_MM:
            return True
    return False
