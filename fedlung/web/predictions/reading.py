"""One scan, one model, one answer: what the worker of the queue does with each request.

The network is handed in (`Reader`): the package does not know the fronts, and the web can be tested without torch.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fedlung.detection.description import describe, label_grid, quality_warnings, uncertainty
from fedlung.detection.position import LungMap
from fedlung.errors import BadCheckpoint, BadScan
from fedlung.imaging.metaimage import read_metaimage
from fedlung.imaging.resampling import reorient_to_lps
from fedlung.imaging.volume import CTVolume
from fedlung.web.predictions.scan_files import ScanFile

if TYPE_CHECKING:
    from fedlung.detection.prediction import ModelOrigin, Prediction
    from fedlung.stores.model_registry import ModelEntry

MODEL, READ, PREPARE, NETWORK, CANDIDATES, DESCRIBE = "model", "read", "prepare", "network", "candidates", "describe"
STAGES = (MODEL, READ, PREPARE, NETWORK, CANDIDATES, DESCRIBE)
OnStage = Callable[[str, float], None]  # (stage, share of it that is done)


class Predictor(Protocol):
    """A loaded model: ``federated_inference_utils.FederatedLungNodulePredictor``."""

    origin: ModelOrigin

    def predict(
        self,
        volume: CTVolume,
        *,
        on_progress: OnStage | None = None,
        seconds: dict[str, float] | None = None,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> Prediction: ...


@dataclass(frozen=True)
class Reader:
    """What of the front and of torch is needed here.

    Attributes:
        open_predictor: a model file with its checksum beside it -> the loaded model.
        set_threads: processor threads of the calling thread.
        threads: how many.
    """

    open_predictor: Callable[[Path], Predictor]
    set_threads: Callable[[int], None]
    threads: int


@dataclass(frozen=True, eq=False)
class Found:
    """What one reading gave, ready to be kept; see `fedlung.stores.predictions`."""

    content: dict[str, Any]
    labels: NDArray[np.uint8]
    threshold: float
    seconds: dict[str, float]
    warnings: list[dict[str, Any]]
    uncertainty: float


class ScanReading:
    """Reads scans in the thread that calls; the model that was used last stays loaded."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._loaded: tuple[str, Predictor] | None = None

    def open(self, model: ModelEntry) -> Predictor:
        """Raises BadCheckpoint: the file is damaged, unsafe, or another one than the registry says."""
        if self._loaded is None or self._loaded[0] != model.sha256:
            self._loaded = None  # two models at once would take twice the memory
            self._reader.set_threads(self._reader.threads)
            predictor = self._reader.open_predictor(model.path)
            if predictor.origin.version != model.sha256:
                raise BadCheckpoint(f"model {model.model_id} is not the one that was asked for: its file was changed")
            self._loaded = model.sha256, predictor
        return self._loaded[1]

    def read(
        self,
        predictor: Predictor,
        scan: ScanFile,
        tell: OnStage,
        seconds: dict[str, float],
        should_stop: Callable[[], bool],
    ) -> Found:
        """
        Args:
            tell: hears of every stage from `READ` on.
            seconds: times of the stages before.
            should_stop: asked within the network, which may go on for long without telling anything.

        Raises:
            Stopped: ``should_stop`` said so, or ``tell`` did.
            BadScan: the scan is refused, or was when it was checked.
            FedLungError: the network's answer cannot be used.
        """
        seconds = dict(seconds)
        tell(READ, 0.0)
        if scan.problems:  # what is no chest CT has marks, too, and none above the threshold would look like health
            raise BadScan(f"the scan was refused when it was checked: {' '.join(scan.problems)}")
        with timed(READ, seconds):
            volume = read_metaimage(scan.path)
            viewed = reorient_to_lps(volume).geometry
        prediction = predictor.predict(volume, on_progress=_only_stages(tell), seconds=seconds, should_stop=should_stop)
        seconds = dict(prediction.seconds)
        tell(DESCRIBE, 0.0)
        with timed(DESCRIBE, seconds):
            candidates = describe(prediction, viewed)
            labels = label_grid(prediction)
            lungs = LungMap.of(prediction.scan).to_json()
        content = {
            "candidates": candidates,
            "lungs": lungs,
            "lung_volume_l": round(prediction.scan.lung_volume_l, 3),
            "viewed": viewed.to_json(),
            "original": prediction.original.to_json(),
            "prepared": prediction.scan.geometry.to_json(),
        }
        return Found(
            content,
            labels,
            prediction.threshold,
            {stage: round(value, 3) for stage, value in seconds.items()},
            quality_warnings(prediction, scan.slice_thickness_mm),
            uncertainty(item.probability for item in prediction.candidates),
        )


def _only_stages(tell: OnStage) -> OnStage:
    """Without "done": something is left to do here."""
    return lambda stage, share: tell(stage, share) if stage in STAGES else None


@contextmanager
def timed(stage: str, seconds: dict[str, float]) -> Iterator[None]:
    """Note the wall time of a stage under its name."""
    started = time.perf_counter()
    yield
    seconds[stage] = time.perf_counter() - started
