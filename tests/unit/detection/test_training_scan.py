"""A hospital's folder made ready to train on: what is kept, what is reported, what counts when judging."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fedlung.detection.training_scan import open_training_scans, training_scan
from fedlung.errors import HospitalData
from fedlung.imaging.annotations import UNKNOWN_DIAMETER_MM, Finding, write_findings
from fedlung.imaging.geometry import Geometry
from fedlung.imaging.hospital_folder import read_hospital
from fedlung.imaging.metaimage import write_metaimage
from fedlung.imaging.prepared_cache import open_prepared
from fedlung.imaging.preprocessing import CELL, PreparedScan
from fedlung.imaging.volume import CTVolume

ORIGIN_MM = (100.0, -50.0, -400.0)
SHAPE, SPACING_MM = (12, 20, 24), (2.5, 1.5, 1.5)
INSIDE = (ORIGIN_MM[0] + 12.0, ORIGIN_MM[1] + 10.0, ORIGIN_MM[2] + 15.0)
OUTSIDE = (-INSIDE[0], -INSIDE[1], INSIDE[2])  # someone took RAS for LPS


def _write_scan(folder: Path, uid: str) -> None:
    voxels = np.full(SHAPE, 40, dtype=np.int16)
    geometry = Geometry(SHAPE, SPACING_MM, ORIGIN_MM)
    write_metaimage(folder / "scans" / f"{uid}.mhd", CTVolume(uid, voxels, geometry))


@pytest.fixture
def hospital(tmp_path: Path) -> Path:
    """Two sound scans, ``a`` with a nodule and ``b`` without, and no table of findings to ignore."""
    folder = tmp_path / "north"
    (folder / "scans").mkdir(parents=True)
    _write_scan(folder, "a")
    _write_scan(folder, "b")
    write_findings(folder / "annotations.csv", [Finding("a", INSIDE, 6.0)])
    return folder


def _open(folder: Path, cache: Path | None = None) -> tuple[list, list[str]]:
    said: list[str] = []
    return open_training_scans(read_hospital(folder), cache, said.append), said


def test_every_scan_is_paired_with_its_nodules(hospital: Path, tmp_path: Path):
    (a, b), said = _open(hospital, tmp_path / "cache")
    assert (a.scan.series_uid, b.scan.series_uid) == ("a", "b")
    assert a.findings == (Finding("a", INSIDE, 6.0),)
    assert b.findings == b.excluded == ()
    assert len(b.nodules) == len(b.ignored) == 0
    np.testing.assert_allclose(a.scan.geometry.index_to_world(a.nodules.centers_zyx[0]), INSIDE)
    assert a.nodules.diameters.tolist() == [6.0]
    # These scans have no lungs, which a person has to know.
    assert len(said) == 2
    assert all(sentence.startswith("hospital north: scan ") and "Lung search failed" in sentence for sentence in said)


def test_search_cells_are_the_cells_of_the_search_region(hospital: Path):
    (a, _), _ = _open(hospital)
    assert len(a.search_cells) == a.scan.search_zyx.sum()
    assert a.scan.search_zyx[tuple(a.search_cells.T)].all()
    assert a.search_cells.max() * CELL < max(a.scan.hu_zyx.shape)


def test_ignored_are_the_excluded_findings_with_a_diameter(hospital: Path):
    excluded = [Finding("a", INSIDE, UNKNOWN_DIAMETER_MM), Finding("a", INSIDE, 4.0), Finding("b", INSIDE, 5.0)]
    write_findings(hospital / "annotations_excluded.csv", excluded)
    (a, b), _ = _open(hospital)
    assert a.excluded == tuple(excluded[:2])
    assert a.ignored.diameters.tolist() == [4.0]
    assert b.ignored.diameters.tolist() == [5.0]


def test_a_nodule_outside_the_prepared_scan_is_not_taught_but_counts_when_judging(hospital: Path):
    # Otherwise a lung search that cuts a nodule away would raise the sensitivity.
    findings = [Finding("a", INSIDE, 6.0), Finding("a", OUTSIDE, 7.0)]
    write_findings(hospital / "annotations.csv", findings)
    (a, _), said = _open(hospital)
    assert a.findings == tuple(findings)
    assert a.nodules.diameters.tolist() == [6.0]
    (sentence,) = [text for text in said if "nodule" in text]
    assert "north" in sentence
    assert "scan a" in sentence
    assert f"({OUTSIDE[0]:.1f}, {OUTSIDE[1]:.1f}, {OUTSIDE[2]:.1f})" in sentence


def test_an_unreadable_scan_is_skipped_with_its_name(hospital: Path):
    (hospital / "scans" / "a.raw").write_bytes(b"short")
    (b,), said = _open(hospital)
    assert b.scan.series_uid == "b"
    assert any("scan a.mhd is skipped" in sentence and "pixel bytes" in sentence for sentence in said)


def test_a_hospital_of_which_nothing_can_be_read_is_an_error(hospital: Path):
    for path in hospital.glob("scans/*.raw"):
        path.unlink()
    with pytest.raises(HospitalData, match="none of its 2 scans"):
        _open(hospital)


def test_annotations_of_unknown_scans_are_reported(hospital: Path):
    write_findings(hospital / "annotations.csv", [Finding("x", INSIDE, 6.0), Finding("x", INSIDE, 5.0)])
    _, said = _open(hospital)
    assert any("annotations of 1 unknown scan(s), e.g. x" in sentence for sentence in said)


def test_a_cached_and_a_fresh_scan_train_alike(hospital: Path, tmp_path: Path):
    (fresh, _), _ = _open(hospital)
    for _ in range(2):
        (kept, _), _ = _open(hospital, tmp_path / "cache")
        np.testing.assert_array_equal(kept.scan.hu_zyx, fresh.scan.hu_zyx)
        np.testing.assert_array_equal(kept.search_cells, fresh.search_cells)
        np.testing.assert_array_equal(kept.nodules.centers_zyx, fresh.nodules.centers_zyx)


def test_search_cells_of_a_large_scan_stay_small(hospital: Path):
    # Hundreds of scans are open at once, and only their voxels stay on disk.
    scan: PreparedScan = open_prepared(hospital / "scans" / "a.mhd", None)
    item = training_scan(scan, [], [])
    assert item.search_cells.nbytes <= 6 * scan.search_zyx.sum()
    assert item.search_cells.dtype.kind == "i"
