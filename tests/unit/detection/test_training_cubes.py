"""Pieces of scans around a nodule: read, outlined, used for training and for nothing else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fedlung.detection.training_options import TrainingOptions
from fedlung.detection.training_scan import open_training_cubes, open_training_scans
from fedlung.imaging.annotations import Finding, write_findings
from fedlung.imaging.geometry import Geometry
from fedlung.imaging.hospital_folder import read_hospital
from fedlung.imaging.metaimage import write_metaimage
from fedlung.imaging.preprocessing import prepare_piece
from fedlung.imaging.volume import CTVolume
from train_simple_model import LocalTrainer, NodulePatches

EDGE = 51
GEOMETRY = Geometry((EDGE, EDGE, EDGE), (1.0, 1.0, 1.0), (10.0, 20.0, 30.0))
CENTER_ZYX = (25.0, 24.0, 26.0)


def _ball(diameter: float) -> np.ndarray:
    z, y, x = np.meshgrid(*(np.arange(EDGE) - value for value in CENTER_ZYX), indexing="ij")
    return z**2 + y**2 + x**2 <= (diameter / 2) ** 2


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A hospital that has one cube with a nodule of 9 mm, and its outline."""
    hospital = tmp_path / "hospital"
    (hospital / "cubes").mkdir(parents=True)
    ball = _ball(9.0)
    voxels = np.where(ball, 50, -850).astype(np.int16)
    write_metaimage(hospital / "cubes" / "piece.mha", CTVolume("piece", voxels, GEOMETRY))
    write_metaimage(hospital / "cubes" / "piece.mask.mha", CTVolume("piece", ball.astype(np.int16), GEOMETRY))
    x, y, z = GEOMETRY.index_to_world(CENTER_ZYX).tolist()
    write_findings(hospital / "annotations.csv", [Finding("piece", (x, y, z), 9.0)])
    return hospital


def test_a_hospital_of_cubes_alone_can_train(folder: Path):
    said: list[str] = []
    hospital = read_hospital(folder)
    assert [path.name for path in hospital.cubes] == ["piece.mha"]
    assert open_training_scans(hospital, None, said.append) == []
    (cube,) = open_training_cubes(hospital, said.append)
    assert said == []
    assert not cube.whole
    assert cube.scan.hu_zyx.shape == (50, 50, 50)  # whole cells only: no repeated face at the border
    assert cube.nodules.centers_zyx[0] == pytest.approx(CENTER_ZYX)
    assert cube.mask_zyx is not None
    assert cube.mask_zyx.sum() == _ball(9.0).sum()
    trainer = LocalTrainer([cube], TrainingOptions(patch=32))
    assert trainer.num_examples == 1


def test_the_outline_is_the_target_not_the_ball(folder: Path):
    outline = np.zeros((EDGE, EDGE, EDGE), dtype=np.int16)
    outline[25, 24, 20:30] = 1
    write_metaimage(folder / "cubes" / "piece.mask.mha", CTVolume("piece", outline, GEOMETRY))
    cubes = open_training_cubes(read_hospital(folder), print)
    options = TrainingOptions(patch=32, batch=4, patches_per_scan=8, positive_share=1.0)
    for _, targets in NodulePatches(cubes, options).batches(0):
        assert targets.mask.sum(dim=(1, 2, 3, 4)).tolist() == [10.0] * 4


def test_a_cube_that_cannot_be_read_is_named_and_skipped(folder: Path):
    (folder / "cubes" / "bad.mha").write_bytes(b"nothing")
    small = Geometry((9, 9, 9), (1.0, 1.0, 1.0))
    write_metaimage(folder / "cubes" / "odd.mha", CTVolume("odd", np.zeros((51, 51, 51), dtype=np.int16), GEOMETRY))
    write_metaimage(folder / "cubes" / "odd.mask.mha", CTVolume("odd", np.zeros((9, 9, 9), dtype=np.int16), small))
    said: list[str] = []
    assert len(open_training_cubes(read_hospital(folder), said.append)) == 1
    assert len(said) == 2
    assert any("bad.mha" in sentence for sentence in said)
    assert any("odd.mha" in sentence and "mask has shape" in sentence for sentence in said)


def test_a_piece_of_thick_slices_is_resampled_and_keeps_its_place():
    voxels = np.zeros((10, 20, 20), dtype=np.int16)
    geometry = Geometry((10, 20, 20), (2.5, 1.0, 1.0), (1.0, 2.0, 3.0))
    piece = prepare_piece(CTVolume("piece", voxels, geometry))
    assert piece.hu_zyx.shape == (22, 20, 20)  # round(9 * 2.5) + 1 = 23 slices, cut to whole cells
    assert piece.search_zyx.shape == (11, 10, 10)
    assert piece.search_zyx.all()
    assert piece.geometry.index_to_world((0, 0, 0)) == pytest.approx([1.0, 2.0, 3.0])
