"""A reader of scans that knows no torch: real preparation, and marks where a test wants them."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import numpy as np

from fedlung.detection.candidates import Candidate
from fedlung.detection.prediction import ModelOrigin, Prediction
from fedlung.errors import FedLungError, Stopped
from fedlung.imaging.geometry import Geometry
from fedlung.imaging.metaimage import write_metaimage
from fedlung.imaging.preprocessing import PreparedScan, prepare
from fedlung.imaging.volume import CTVolume
from fedlung.web.predictions.reading import OnStage, Reader

LONG = 20.0
ASKS_SECONDS = 0.02
THRESHOLD = 0.5
PROBABILITIES = (0.9, 0.6, 0.2)
DIAMETERS_MM = (8.0, 5.0, 6.0)


class FakePredictor:
    """Marks balls at three places of every scan; see `FakeReader` for what a test can spoil."""

    def __init__(self, world: FakeReader, file: Path) -> None:
        self._world = world
        self.origin = ModelOrigin(hashlib.sha256(file.read_bytes()).hexdigest(), file.name, {}, {})

    def predict(
        self,
        volume: CTVolume,
        *,
        on_progress: OnStage | None = None,
        seconds: dict[str, float] | None = None,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> Prediction:
        tell = on_progress or (lambda stage, share: None)
        tell("prepare", 0.0)
        scan = prepare(volume)
        tell("network", 0.5)
        self._world.reached.set()
        last = time.monotonic() + LONG
        while not self._world.go_on.wait(ASKS_SECONDS):
            assert time.monotonic() < last
            if should_stop():
                raise Stopped("reading the scan was stopped")
        if self._world.failure is not None:
            raise self._world.failure
        tell("network", 1.0)
        tell("candidates", 0.0)
        mask, candidates = marked(scan, PROBABILITIES[: self._world.marks])
        tell("done", 1.0)
        times = {**(seconds or {}), "prepare": 0.25, "network": 0.5, "candidates": 0.125}
        return Prediction(scan, volume.geometry, candidates, THRESHOLD, mask, self.origin, times)


class FakeReader:
    """
    Attributes:
        go_on: cleared, readings wait in the network; ``reached`` says that one does.
        failure: what the network raises.
        marks: how many are found.
        opened: files of the models that were loaded.
    """

    def __init__(self) -> None:
        self.go_on, self.reached = threading.Event(), threading.Event()
        self.go_on.set()
        self.failure: Exception | None = None
        self.marks = len(PROBABILITIES)
        self.opened: list[Path] = []

    def reader(self) -> Reader:
        return Reader(self._open, lambda threads: None, 1)

    def _open(self, file: Path) -> FakePredictor:
        self.opened.append(file)
        if not file.read_bytes().startswith(b"sound"):
            raise FedLungError("not a model")
        return FakePredictor(self, file)


def marked(scan: PreparedScan, probabilities: Sequence[float]) -> tuple[np.ndarray, tuple[Candidate, ...]]:
    """A mask with a ball for each probability, and the marks; the second one has no mask."""
    mask = np.zeros(scan.hu_zyx.shape, dtype=np.float32)
    candidates = []
    for number, probability in enumerate(probabilities):
        center = np.asarray(mask.shape) * (0.3 + 0.2 * number)
        diameter = DIAMETERS_MM[number]
        has_mask = number != 1
        if has_mask:
            low = np.rint(center - diameter).astype(int)
            box = tuple(slice(a, a + int(2 * diameter) + 1) for a in low)
            grid = np.stack(np.mgrid[box], axis=-1)
            mask[box][np.linalg.norm(grid - center, axis=-1) <= diameter / 2] = 0.9
        x, y, z = scan.geometry.index_to_world(center).tolist()
        volume = np.pi / 6 * diameter**3
        candidates.append(Candidate((x, y, z), probability, diameter, float(volume), has_mask))
    return mask, tuple(candidates)


SHAPE_ZYX, SPACING_ZYX_MM = (74, 70, 110), (2.5, 2.5, 2.5)
FLIPPED = (-1.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, 1.0)
LUNG_RADII_ZYX_MM = (70.0, 50.0, 40.0)
LUNGS_XYZ_MM = ((-55.0, 0.0, 0.0), (55.0, 0.0, 0.0))


@cache
def chest(seed: int = 0, direction_xyz: tuple[float, ...] = FLIPPED) -> CTVolume:
    """A body with two lungs around the middle of the world, and noise; x and y run backwards, as in 14 LUNA16 scans."""
    direction = np.reshape(direction_xyz, (3, 3))
    half_mm = (np.asarray(SHAPE_ZYX) - 1) * SPACING_ZYX_MM / 2
    x, y, z = (-direction @ half_mm[::-1]).tolist()
    geometry = Geometry(SHAPE_ZYX, SPACING_ZYX_MM, (x, y, z), direction_xyz)
    world = geometry.index_to_world(np.stack(np.meshgrid(*map(np.arange, SHAPE_ZYX), indexing="ij"), axis=-1))
    hu = np.full(SHAPE_ZYX, -1000.0)
    hu[(world[..., 0] / 125) ** 2 + (world[..., 1] / 80) ** 2 <= 1] = 30
    for middle in LUNGS_XYZ_MM:
        hu[(((world - middle) / LUNG_RADII_ZYX_MM[::-1]) ** 2).sum(axis=-1) <= 1] = -850
    hu += np.random.default_rng(seed).normal(0, 10, SHAPE_ZYX)
    return CTVolume(f"chest{seed}", np.rint(hu).astype(np.int16), geometry)


def write_scan(folder: Path, name: str = "scan", seed: int = 0) -> CTVolume:
    """A `chest` as ``<folder>/scans/<name>.mhd``."""
    volume = chest(seed)
    (folder / "scans").mkdir(parents=True, exist_ok=True)
    write_metaimage(folder / "scans" / f"{name}.mhd", volume)
    return volume
