"""What is written down about a prediction: tables, numbers, and labels on the voxels of the scan as it was given."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fedlung.detection.candidates import Candidate
from fedlung.detection.prediction import RESEARCH_USE, ModelOrigin, Prediction
from fedlung.detection.report import CSV_COLUMNS, label_map, to_json, write_report
from fedlung.evaluation.marks import read_marks
from fedlung.imaging.geometry import Geometry
from fedlung.imaging.metaimage import read_metaimage
from fedlung.imaging.preprocessing import PreparedScan, prepare
from fedlung.imaging.volume import CTVolume

MIDDLE_MM = np.array([-31.0, 170.0, -412.0])
IDENTITY = np.eye(3)
FLIPPED = np.diag([-1.0, -1.0, 1.0])
A, B = np.deg2rad(14.0), np.deg2rad(8.0)
OBLIQUE = np.array([[np.cos(B), -np.sin(B), 0], [np.sin(B), np.cos(B), 0], [0, 0, 1]]) @ np.array(
    [[1, 0, 0], [0, np.cos(A), -np.sin(A)], [0, np.sin(A), np.cos(A)]]
)
GRIDS = {
    "thin": (IDENTITY, (0.8, 0.8, 1.0)),
    "flipped": (FLIPPED, (0.8, 0.8, 1.25)),
    "head first": (np.diag([1.0, -1.0, -1.0]), (0.9, 0.9, 1.0)),
    "oblique": (OBLIQUE, (0.8, 0.8, 1.25)),
    "thick": (FLIPPED, (0.7, 0.7, 2.5)),
}


def _original(direction: np.ndarray, spacing_xyz_mm: tuple[float, float, float]) -> Geometry:
    """A grid of about 64 mm around ``MIDDLE_MM``."""
    shape = np.rint(64 / np.asarray(spacing_xyz_mm)).astype(int)
    origin = MIDDLE_MM - direction @ ((shape - 1) / 2 * spacing_xyz_mm)
    shape_zyx, spacing_zyx = tuple(shape[::-1].tolist()), tuple(spacing_xyz_mm[::-1])
    return Geometry(shape_zyx, spacing_zyx, tuple(origin.tolist()), tuple(direction.ravel().tolist()))


def _scan(original: Geometry) -> PreparedScan:
    return prepare(CTVolume("1.2.3", np.full(original.shape_zyx, 40, dtype=np.int16), original))


def _candidate(offset_mm, diameter_mm: float, probability: float = 0.9, measured: bool = True) -> Candidate:
    x, y, z = (MIDDLE_MM + offset_mm).tolist()
    return Candidate((x, y, z), probability, diameter_mm, float(np.pi / 6 * diameter_mm**3), measured)


def _prediction(candidates: list[Candidate], grid: str = "thin", threshold: float = 0.5) -> Prediction:
    """The mask holds the balls of the candidates that were measured."""
    original = _original(*GRIDS[grid])
    scan = _scan(original)
    mask = np.zeros(scan.hu_zyx.shape, dtype=np.float32)
    index = np.stack(np.meshgrid(*map(np.arange, mask.shape), indexing="ij"), axis=-1)
    for item in candidates:
        if item.measured:
            distance = np.linalg.norm(index - scan.geometry.world_to_index(item.center_xyz_mm), axis=-1)
            mask[distance <= item.diameter_mm / 2] = 0.97
    model = ModelOrigin("ab" * 32, "model.pth", {"name": "Simple3DUNet"}, {"rounds": 3})
    return Prediction(scan, original, tuple(candidates), threshold, mask, model, {"read": 0.1234567, "network": 2.0})


THREE = [
    _candidate((10.0, 0.0, 5.0), 8.0, 0.93),
    _candidate((-12.0, 6.0, -8.0), 6.0, 0.61, measured=False),
    _candidate((0.0, -15.0, 14.0), 5.0, 0.12),
]


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("measured", [True, False])
@pytest.mark.parametrize("diameter_mm", [6.0, 11.0])
def test_labels_have_the_volume_and_the_place_of_their_nodule_in_every_grid(grid, measured, diameter_mm):
    item = _candidate((7.3, -5.1, 4.4), diameter_mm, measured=measured)
    prediction = _prediction([item], grid)
    labels = label_map(prediction)
    assert labels.dtype == np.int16
    assert labels.shape == prediction.original.shape_zyx
    assert set(np.unique(labels)) == {0, 1}
    voxels = np.argwhere(labels == 1)
    volume_mm3 = len(voxels) * np.prod(prediction.original.spacing_zyx_mm)
    assert volume_mm3 == pytest.approx(item.volume_mm3, rel=0.25 if diameter_mm < 8 else 0.12)
    center = prediction.original.index_to_world(voxels).mean(axis=0)
    np.testing.assert_allclose(center, item.center_xyz_mm, atol=0.6)


def test_a_nodule_between_two_thick_slices_still_has_its_label():
    original = Geometry((8, 40, 40), (8.0, 1.0, 1.0))
    x, y, z = original.index_to_world((3.5, 20.0, 20.0)).tolist()  # 4 mm from both slices, radius 2.5 mm
    item = Candidate((x, y, z), 0.9, 5.0, 65.0, False)
    prediction = replace(_prediction([item]), original=original, scan=_scan(original))
    labels = label_map(prediction)
    assert (labels == 1).sum() >= 1
    assert labels[3:5, 20, 20].max() == 1


def test_labels_are_the_rows_of_the_table_and_hidden_marks_have_none():
    prediction = _prediction(THREE)
    labels = label_map(prediction)
    assert set(np.unique(labels)) == {0, 1, 2}
    for number, item in enumerate(THREE[:2], start=1):
        at = np.rint(prediction.original.world_to_index(item.center_xyz_mm)).astype(int)
        assert labels[tuple(at)] == number


def test_where_two_nodules_touch_the_better_one_keeps_its_voxels():
    better, other = _candidate((0, 0, 0), 10.0, 0.9, False), _candidate((6.0, 0, 0), 10.0, 0.7, False)
    alone, both = _prediction([better]), _prediction([better, other])
    assert (label_map(both) == 1).sum() == (label_map(alone) == 1).sum()
    assert (label_map(both) == 2).sum() < (label_map(_prediction([other])) == 1).sum()


@pytest.mark.parametrize("offset_mm", [(-31.3, -31.3, -31.3), (31.3, 31.3, 31.3), (31.3, -10.0, 0.0)])
def test_a_nodule_at_the_border_of_the_scan_is_labelled(offset_mm):
    for measured in (True, False):
        labels = label_map(_prediction([_candidate(offset_mm, 9.0, measured=measured)]))
        assert (labels == 1).any()


def test_a_mark_that_was_measured_but_lost_its_mask_gets_its_ball():
    item = _candidate((0, 0, 0), 9.0, measured=True)
    prediction = _prediction([item])
    empty = replace(prediction, mask=np.zeros_like(prediction.mask))
    np.testing.assert_array_equal(label_map(empty), label_map(_prediction([replace(item, measured=False)])))


def test_all_files_are_written_and_agree(tmp_path: Path):
    prediction = _prediction(THREE)
    pictures = write_report(prediction, tmp_path / "out" / "deep")
    folder = tmp_path / "out" / "deep"
    assert {path.name for path in folder.iterdir()} == {
        "nodules.csv", "nodules.json", "mask.mhd", "mask.zraw", "nodule_01.png", "nodule_02.png"
    }  # fmt: skip
    assert pictures == [folder / "nodule_01.png", folder / "nodule_02.png"]
    with (folder / "nodules.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    content = json.loads((folder / "nodules.json").read_text(encoding="utf-8"))
    assert tuple(rows[0]) == CSV_COLUMNS
    assert len(rows) == len(content["nodules"]) == len(THREE)
    for row, entry, item in zip(rows, content["nodules"], THREE, strict=True):
        place = [float(row[name]) for name in ("coordX", "coordY", "coordZ")]
        assert row["seriesuid"] == content["series_uid"] == "1.2.3"
        assert place == entry["center_xyz_mm"] == pytest.approx(item.center_xyz_mm, abs=1e-4)
        assert float(row["probability"]) == entry["probability"] == pytest.approx(item.probability, abs=1e-6)
        assert float(row["diameter_mm"]) == entry["diameter_mm"] == pytest.approx(item.diameter_mm, abs=1e-3)
        assert entry["shown"] == (item.probability >= prediction.threshold)
        assert entry["measured"] == ("mask" if item.measured else "size head")
        index = prediction.original.index_to_world(entry["index_zyx"])
        np.testing.assert_allclose(index, item.center_xyz_mm, atol=0.02)
    assert content["num_shown"] == 2
    assert content["notice"] == RESEARCH_USE
    assert content["warnings"] == list(prediction.scan.warnings)
    assert content["model"]["version"] == prediction.model.version
    labels = read_metaimage(folder / "mask.mhd")
    np.testing.assert_array_equal(labels.voxels_zyx, label_map(prediction))
    assert labels.geometry.shape_zyx == prediction.original.shape_zyx
    np.testing.assert_allclose(labels.geometry.origin_xyz_mm, prediction.original.origin_xyz_mm)
    np.testing.assert_allclose(labels.geometry.direction, prediction.original.direction, atol=1e-9)
    with Image.open(pictures[0]) as picture:
        picture.load()


def test_the_table_is_what_the_evaluation_reads(tmp_path: Path):
    write_report(_prediction(THREE), tmp_path)
    marks = read_marks(tmp_path / "nodules.csv")
    assert [mark.series_uid for mark in marks] == ["1.2.3"] * 3
    for mark, item in zip(marks, THREE, strict=True):
        np.testing.assert_allclose(mark.center_xyz_mm, item.center_xyz_mm, atol=1e-4)


def test_a_scan_without_marks_has_all_files_but_pictures(tmp_path: Path):
    assert write_report(_prediction([]), tmp_path) == []
    assert (tmp_path / "nodules.csv").read_text(encoding="utf-8") == ",".join(CSV_COLUMNS) + "\n"
    assert json.loads((tmp_path / "nodules.json").read_text(encoding="utf-8"))["nodules"] == []
    assert not read_metaimage(tmp_path / "mask.mhd").voxels_zyx.any()


def test_pictures_of_an_earlier_report_are_removed(tmp_path: Path):
    write_report(_prediction(THREE), tmp_path)
    (tmp_path / "notes.png").touch()
    write_report(_prediction(THREE, threshold=0.9), tmp_path)
    assert sorted(path.name for path in tmp_path.glob("*.png")) == ["nodule_01.png", "notes.png"]


def test_a_mark_at_the_threshold_is_shown():
    prediction = _prediction(THREE, threshold=0.61)
    assert prediction.shown == tuple(THREE[:2])
    assert [entry["shown"] for entry in to_json(prediction)["nodules"]] == [True, True, False]
