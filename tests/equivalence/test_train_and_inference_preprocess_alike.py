"""A network must see the same voxels when it is trained and when it is used.

Training reads scans through the cache and cuts patches; inference prepares the volume and slides windows. Both
are followed here from the file to the tensor that the network gets.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from federated_inference_utils import FederatedLungNodulePredictor
from fedlung.detection.losses import Heads
from fedlung.detection.sliding_window import WindowPlan, read_scan
from fedlung.detection.targets import PatchTargets
from fedlung.detection.training_scan import TrainingScan, open_training_scans
from fedlung.imaging.hospital_folder import read_hospital
from fedlung.imaging.metaimage import read_metaimage
from fedlung.imaging.phantom import write_hospitals
from fedlung.imaging.preprocessing import CELL, RECIPE, PreparedScan, prepare
from fedlung.stores.checkpoints import save_checkpoint
from train_simple_model import ARCHITECTURE, NodulePatches, TrainingOptions, initial_weights

PATCH = 32
FLIPPED_HOSPITAL = "hospital_b"  # x and y flipped, slices of 2.5 mm


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_hospitals(folder, hospitals=2, scans=1, seed=0, workers=1, scale=0.3)
    return folder


@pytest.fixture(scope="module", params=["hospital_a", FLIPPED_HOSPITAL])
def trained_on(data: Path, request: pytest.FixtureRequest) -> TrainingScan:
    """The scan as a training sees it: read twice through the cache."""
    hospital = read_hospital(data / request.param)
    open_training_scans(hospital, data / "cache", lambda sentence: None)
    (item,) = open_training_scans(hospital, data / "cache", lambda sentence: None)
    return item


@pytest.fixture(scope="module")
def predicted(trained_on: TrainingScan, data: Path) -> PreparedScan:
    """The same scan as the predictor sees it."""
    save_checkpoint(data / "model.pth", weights=initial_weights(0), architecture=ARCHITECTURE, metadata={})
    (scan,) = data.glob(f"*/scans/{trained_on.scan.series_uid}.mhd")
    return FederatedLungNodulePredictor(data / "model.pth", device="cpu").predict_file(scan).scan


def _windows_seen(scan: PreparedScan) -> list[np.ndarray]:
    """What a network gets when a scan is read."""
    seen: list[np.ndarray] = []

    def spy(x: torch.Tensor) -> Heads:
        seen.append(x[0, 0].numpy().copy())
        cells = torch.zeros(1, 1, *(count // CELL for count in x.shape[2:]))
        return Heads(cells, cells, torch.cat([cells] * 3, dim=1), torch.zeros_like(x))

    read_scan(spy, scan, plan=WindowPlan((PATCH,) * 3, 16), device=torch.device("cpu"))
    return seen


def test_the_prepared_scans_are_equal(trained_on: TrainingScan, predicted: PreparedScan):
    assert isinstance(trained_on.scan.hu_zyx, np.memmap)
    np.testing.assert_array_equal(trained_on.scan.hu_zyx, predicted.hu_zyx)
    np.testing.assert_array_equal(trained_on.scan.search_zyx, predicted.search_zyx)
    assert trained_on.scan.geometry == predicted.geometry
    assert trained_on.scan.warnings == predicted.warnings
    assert trained_on.scan.lung_volume_l == predicted.lung_volume_l


def test_a_patch_and_a_window_at_one_place_are_equal(trained_on, predicted, monkeypatch: pytest.MonkeyPatch):
    def leave(patch: np.ndarray, targets: PatchTargets, random: np.random.Generator) -> tuple[np.ndarray, PatchTargets]:
        return patch, targets

    monkeypatch.setattr("train_simple_model.augment", leave)  # the one step that is meant to differ
    options = TrainingOptions(patch=PATCH, batch=1, patches_per_scan=6, device="cpu")
    whole = (predicted.hu_zyx.astype(np.float64) - RECIPE.window_hu[0]) / (RECIPE.window_hu[1] - RECIPE.window_hu[0])
    patches = [x[0, 0].numpy() for x, _ in NodulePatches([trained_on], options).batches(0)]
    windows = _windows_seen(predicted)
    assert len(windows) > 4
    for piece in (*patches, *windows):
        assert piece.dtype == np.float32
        assert piece.shape == (PATCH,) * 3
        assert _is_a_piece_of(piece, whole)


def _is_a_piece_of(piece: np.ndarray, whole: np.ndarray) -> bool:
    """Whether the piece occurs in the scan, voxel for voxel; the noise makes the search for its corner short."""
    d, h, w = (count - PATCH + 1 for count in whole.shape)
    corner = np.abs(whole[:d, :h, :w] - piece[0, 0, 0]) < 1e-5
    beside = np.abs(whole[:d, :h, 9 : w + 9] - piece[0, 0, 9]) < 1e-5
    for z, y, x in np.argwhere(corner & beside):
        if np.allclose(whole[z : z + PATCH, y : y + PATCH, x : x + PATCH], piece, atol=1e-6):
            return True
    return False


def test_the_model_carries_the_recipe_that_inference_uses(data: Path):
    assert ARCHITECTURE["recipe"] == RECIPE.to_json()


def test_reading_the_file_and_preparing_the_volume_is_all_there_is(trained_on: TrainingScan, data: Path):
    (path,) = data.glob(f"*/scans/{trained_on.scan.series_uid}.mhd")
    np.testing.assert_array_equal(prepare(read_metaimage(path)).hu_zyx, trained_on.scan.hu_zyx)
