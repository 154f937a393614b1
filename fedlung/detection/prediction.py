"""What reading one scan gives: the marks, the mask behind them, and how it came about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedlung.detection.candidates import Candidate
from fedlung.imaging.geometry import Geometry
from fedlung.imaging.preprocessing import PreparedScan

RESEARCH_USE = "Research use only, not for diagnosis."


@dataclass(frozen=True)
class ModelOrigin:
    """Which model read the scan.

    Attributes:
        version: SHA-256 of the model file.
        file_name: for people.
        architecture: name and numbers of the network.
        metadata: what the training wrote about itself.
    """

    version: str
    file_name: str
    architecture: dict[str, Any]
    metadata: dict[str, Any]


@dataclass(frozen=True, eq=False)
class Prediction:
    """The answer for one scan.

    Attributes:
        scan: the prepared scan that the network saw.
        original: geometry of the scan as it was given.
        candidates: all marks, best first, at most 100; also those below ``threshold``.
        threshold: marks from this probability on are shown to people.
        mask: probability of nodule tissue on ``scan``'s voxels.
        model: which model.
        seconds: wall time per stage, in the order of the stages.
    """

    scan: PreparedScan
    original: Geometry
    candidates: tuple[Candidate, ...]
    threshold: float
    mask: NDArray[np.float32]
    model: ModelOrigin
    seconds: dict[str, float]

    @property
    def shown(self) -> tuple[Candidate, ...]:
        """The marks at or over the display threshold."""
        return tuple(item for item in self.candidates if item.probability >= self.threshold)
